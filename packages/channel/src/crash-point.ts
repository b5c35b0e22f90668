/**
 * Places at which a process can be made to die or freeze, so that tests can ask of each of them: and if it ended here?
 *
 * A point is named by where it lies: `before-send:claim`, `after-send:toWorker.claimResult`, `before-write:ownership`,
 * `before-park`. Every message of every process passes two, in channel.ts, and so does every write of the coordinator's
 * store. Source of the idea: fail points, as in FreeBSD's fail(9).
 *
 *     GODWIT_CRASH_POINTS=<role>/<point>[#<which time>][=SIGSTOP],...   SIGKILL unless it says otherwise
 *     GODWIT_CRASH_ONCE=<file>    <file>.0 for the first of them, and so on, holds the process's id once it happened: then it is
 *                                 armed no more, in no process
 *     GODWIT_CRASH_TRACE=<file>   each point that was reached is added to it, a line each
 *
 * Nothing of this costs more than a comparison where nothing is armed.
 */
import { appendFileSync, writeFileSync } from 'node:fs'

export type CrashRole = 'agent' | 'coordinator' | 'worker'

interface Armed {
  readonly point: string
  readonly time: number
  readonly signal: NodeJS.Signals
  readonly onceFile: string | undefined
  passed: number
}

interface Armoury {
  readonly role: CrashRole
  readonly armed: readonly Armed[]
  readonly traceFile: string | undefined
  readonly traced: Set<string>
}

let armoury: Armoury | undefined

/** Called once by a process's entry: only then can it be armed. Throws on a point that is written wrongly. */
export function armCrashPoints(role: CrashRole, env: NodeJS.ProcessEnv = process.env): void {
  const { GODWIT_CRASH_POINTS: points, GODWIT_CRASH_ONCE: once, GODWIT_CRASH_TRACE: traceFile } = env
  const armed = points === undefined ? [] : parsePoints(points, role, once)
  armoury =
    armed.length > 0 || traceFile !== undefined ? { role, armed, traceFile, traced: new Set() } : undefined
}

/** Here the process ends, or stands still, if that is what it was armed for. */
export function crashPoint(point: string): void {
  if (armoury === undefined) return
  const { role, armed, traceFile, traced } = armoury
  if (traceFile !== undefined && !traced.has(point)) {
    traced.add(point)
    appendFileSync(traceFile, `${role}/${point}\n`)
  }
  for (const each of armed) {
    if (each.point !== point) continue
    each.passed += 1
    if (each.passed === each.time && isFirst(each.onceFile)) process.kill(process.pid, each.signal)
  }
}

function parsePoints(points: string, ours: CrashRole, once: string | undefined): Armed[] {
  return points.split(',').flatMap((text, index) => {
    const [, role, point, time = '1', signal = 'SIGKILL'] =
      /^([a-z]+)\/([^#=]+)(?:#([1-9]\d*))?(?:=(SIGKILL|SIGSTOP))?$/.exec(text) ?? []
    if (role === undefined || point === undefined)
      throw new Error(`GODWIT_CRASH_POINTS: ${text} is no <role>/<point>[#<which time>][=SIGSTOP]`)
    if (role !== ours) return []
    const onceFile = once === undefined ? undefined : `${once}.${index}`
    return [{ point, time: Number(time), signal: signal as NodeJS.Signals, onceFile, passed: 0 }]
  })
}

/** Of all processes that share the file only one dies: those started in its place go past the same point. */
function isFirst(file: string | undefined): boolean {
  if (file === undefined) return true
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    return false
  }
}
