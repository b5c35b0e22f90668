/**
 * Places at which a process can be made to die or freeze, so that tests can ask of each of them: and if it ended here?
 *
 * A point is named by where it lies: `before-send:claim`, `after-send:toWorker.claimResult`, `before-write:ownership`,
 * `before-park`. Every
 * message of every process passes one, in channel.ts, and so does every write of the coordinator's store. Armed by
 *
 *     GODWIT_CRASH_POINT=<role>/<point>[#<which time>]   source of the idea: fail points, as in FreeBSD's fail(9)
 *     GODWIT_CRASH_SIGNAL=SIGKILL | SIGSTOP
 *     GODWIT_CRASH_ONCE=<file>                           holds the process's id once it has happened: then nothing is armed
 *     GODWIT_CRASH_TRACE=<file>                          each point that was reached is added to it, a line each
 *
 * Nothing of this costs more than a comparison where nothing is armed.
 */
import { appendFileSync, writeFileSync } from 'node:fs'

export type CrashRole = 'agent' | 'coordinator' | 'worker'

interface Armed {
  readonly point: string
  readonly time: number
  readonly signal: 'SIGKILL' | 'SIGSTOP'
  readonly once: string | undefined
}

let role: CrashRole | undefined
let armed: Armed | undefined
let trace: string | undefined
let times = 0
const traced = new Set<string>()

/** Called once by a process's entry: only then can it be armed. Throws on a point that is written wrongly. */
export function armCrashPoints(ours: CrashRole, env: NodeJS.ProcessEnv = process.env): void {
  role = ours
  trace = env.GODWIT_CRASH_TRACE
  armed = undefined
  times = 0
  if (env.GODWIT_CRASH_POINT === undefined) return
  const [, theirs, point, time] = /^([a-z]+)\/([^#]+)(?:#([1-9]\d*))?$/.exec(env.GODWIT_CRASH_POINT) ?? []
  if (theirs === undefined || point === undefined)
    throw new Error(`GODWIT_CRASH_POINT=${env.GODWIT_CRASH_POINT} is no <role>/<point>[#<which time>]`)
  const signal = env.GODWIT_CRASH_SIGNAL ?? 'SIGKILL'
  if (signal !== 'SIGKILL' && signal !== 'SIGSTOP')
    throw new Error(`GODWIT_CRASH_SIGNAL=${signal} is neither SIGKILL nor SIGSTOP`)
  if (theirs !== ours) return
  armed = { point, time: Number(time ?? 1), signal, once: env.GODWIT_CRASH_ONCE }
}

/** Here the process ends, or stands still, if that is what it was armed for. */
export function crashPoint(point: string): void {
  if (armed === undefined && trace === undefined) return
  if (trace !== undefined && !traced.has(point)) {
    traced.add(point)
    appendFileSync(trace, `${role}/${point}\n`)
  }
  if (armed?.point !== point) return
  times += 1
  if (times !== armed.time || !isFirst(armed.once)) return
  process.kill(process.pid, armed.signal)
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
