/**
 * Every place at which a process of Godwit's can be made to die or freeze: before and after each message that it sends, each write of
 * the coordinator's store and of a checkpoint, each park. Read off the protocol, so that a message that is added is a point that is
 * missing from the story until somebody tells it.
 */
import { fromAgent, fromSource, fromTarget, fromWorker, toAgent, toClient, toWorker } from '@godwit/protocol'

/** Keys of the coordinator's store, up to the first slash. */
const STORED = ['cluster', 'host', 'workload', 'ownership', 'outputs', 'migration']
/** What a worker does besides sending. */
const DONE = ['park', 'install:final', 'resume', 'write:checkpoint-segment', 'write:checkpoint-manifest']

/**
 * Not sent in the story as it goes by itself, but after another fault, which is armed along with it: these kill the target right
 * after its claim, the source once it is frozen, ...
 */
const AFTER: Readonly<Record<string, string>> = {}

/** Not part of any story, with the reason. */
export const EXEMPT: Readonly<Record<string, string>> = {}

/** What is to be armed to reach it, for each point by its name. */
export function crashPoints(): ReadonlyMap<string, readonly string[]> {
  const points = new Map<string, readonly string[]>()
  for (const what of happenings()) {
    const [role, done] = what.split('/') as [string, string]
    const first = AFTER[what]
    for (const when of ['before', 'after']) {
      const point = `${role}/${when}-${done}`
      points.set(point, first === undefined ? [point] : [first, point])
    }
  }
  return points
}

/** `<role>/<what>`, each with a before and an after. */
function happenings(): string[] {
  const all = [
    ...[...typesOf(toAgent), ...typesOf(toClient)].map((type) => `coordinator/send:${type}`),
    ...STORED.map((prefix) => `coordinator/write:${prefix}`),
    ...[...typesOf(fromAgent), ...typesOf(toWorker)].map((type) => `agent/send:${type}`),
    ...[...typesOf(fromWorker), ...typesOf(fromSource), ...typesOf(fromTarget)].map(
      (type) => `worker/send:${type}`,
    ),
    ...DONE.map((done) => `worker/${done}`),
  ].flatMap((what) => {
    // These carry another's message, and are called by both.
    if (what.endsWith('send:toWorker')) return typesOf(toWorker).map((inner) => `${what}.${inner}`)
    if (what.endsWith('send:fromWorker')) return typesOf(fromWorker).map((inner) => `${what}.${inner}`)
    return [what]
  })
  return [...new Set(all)].filter((what) => EXEMPT[what] === undefined)
}

function typesOf(schema: { options: readonly { shape: { type: { value: string } } }[] }): string[] {
  return schema.options.map(({ shape }) => shape.type.value)
}
