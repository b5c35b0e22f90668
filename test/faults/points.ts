/**
 * Every place at which a process of Godwit's can be made to die or freeze: before and after each message that it sends, each write of
 * the coordinator's store and of a checkpoint, each park. Read off the protocol, so that a message that is added is a point that is
 * missing from the story until somebody tells it.
 */
import { fromAgent, fromSource, fromTarget, fromWorker, toAgent, toClient, toWorker } from '@godwit/protocol'

/** Keys of the coordinator's store, up to the first slash. */
const STORED = [
  'cluster',
  'watched',
  'host',
  'workload',
  'ownership',
  'outputs',
  'migration',
  'maintenance',
  'idempotency',
  'log',
  'log-lines',
]
/** What agents and workers do besides sending. */
const DONE = {
  agent: ['write:launch', 'write:pid', 'write:cluster'],
  worker: [
    ...['send:frame', 'park', 'park:checkpoint', 'install:final', 'resume'],
    ...['write:checkpoint-segment', 'write:checkpoint-manifest', 'rename:checkpoint-manifest'],
  ],
}

/** Not said in the story as it goes by itself, but after another fault, which is armed along with it. */
const AFTER: Readonly<Record<string, string>> = {
  // The source stands frozen when its target dies: it asks for the job, and is given it.
  'worker/send:recover': 'worker/before-send:running',
  'agent/send:fromWorker.recover': 'worker/before-send:running',
  'coordinator/send:toWorker.recoverResult': 'worker/before-send:running',
  'agent/send:recoverResult': 'worker/before-send:running',
  // The target loses its source before it has everything, and says so.
  'worker/send:failed': 'worker/before-send:final',
  'agent/send:fromWorker.failed': 'worker/before-send:final',
}

/** Part of no story, with the reason. */
export const EXEMPT: Readonly<Record<string, string>> = {
  'coordinator/send:changes': 'said to those who look on, who are told all anew by the next coordinator',
  'coordinator/send:refused': 'said to an agent that never had a part in any job',
  'worker/send:refused': 'said to a target that holds nothing yet: the story would end where it began',
  'coordinator/send:toWorker.bandwidth': 'said by agents, to their own workers',
  'agent/send:fetching':
    'shown while programs are brought, and said again as long as they are (bundles.test.ts)',
  'agent/send:renewCertificate': 'in secured clusters every few months; asked again at the next registration',
  'coordinator/send:certificate': 'the answer to it',
  'coordinator/send:toWorker.pauseMigration':
    'said again until the source says that it is so (pause.test.ts)',
  'agent/send:pauseMigration': 'the same, passed on',
  'coordinator/send:toWorker.showPages':
    'said again each second while somebody looks, and pictures have no part in any job',
  'agent/send:showPages': 'the same, on its way',
  'worker/send:pages': 'its answer: one that is lost is not missed',
  'agent/send:fromWorker.pages': 'the same, on its way',
  'coordinator/write:log':
    'what a program prints has no part in where it trains; said again until it is kept (worker-logs.test.ts, job-logs.test.ts)',
  'coordinator/write:log-lines': 'the same commit',
  'coordinator/send:logKept': 'its answer',
  'agent/send:log': 'said again until it is answered',
  'agent/send:fromWorker.hello': 'meant for the agent, which keeps it to itself',
}

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
    ...Object.entries(DONE).flatMap(([role, all]) => all.map((done) => `${role}/${done}`)),
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
