/**
 * A worker's process as the operating system has it: started here, or by an earlier agent of this host and found
 * again. Either way it can be killed, and its end is noticed.
 *
 * A process id alone proves nothing, since ids are used again: one read from a folder counts only while the process
 * behind it has that folder in its command line. An agent may have died between starting a process and writing its id down; then
 * every process is asked.
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { crashPoint } from '@godwit/channel'
import { nodeArguments } from '@godwit/launch'
import type { WorkerFolder } from './data-dir.ts'
import { diskError } from './disk.ts'

const PID_FILE = 'pid'
/** How soon the end of a process that is not our child is noticed. */
const POLL_MS = 500

/** How a process ended: exit code or signal, neither when it is not known. */
export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why there was no process at all. */
  readonly notStarted?: Error
}

export interface WorkerHandle {
  readonly pid: number | undefined
  /** Not started here but found: whether it is who its folder says is for it to show. */
  readonly wasFound: boolean
  readonly ended: Promise<Ending>
  /** SIGKILL; nothing when it has ended. */
  kill(): void
}

/**
 * Starts `node <workerMain> <folder>` in a session of its own, with its output in the folder's log. It
 * does not keep the agent alive. Errors: `disk-full` or `bad-arguments` for the folder.
 */
export function startWorker(workerMain: string, folder: WorkerFolder): WorkerHandle {
  let log: number
  try {
    log = openSync(folder.logPath, 'a', 0o600)
  } catch (error) {
    throw diskError(error, folder.path)
  }
  const child = spawn(process.execPath, [...nodeArguments(workerMain), folder.path], {
    cwd: folder.path,
    detached: true,
    stdio: ['ignore', log, log],
    env: withoutTokens(process.env),
  })
  closeSync(log)
  child.unref()
  const ended = new Promise<Ending>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', (notStarted) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, notStarted })
    })
  })
  if (child.pid !== undefined) {
    crashPoint('before-write:pid')
    try {
      writeFileSync(join(folder.path, PID_FILE), String(child.pid))
    } catch {
      // Only a later agent would read it, and finds the process without it.
    }
    crashPoint('after-write:pid')
  }
  return { pid: child.pid, wasFound: false, ended, kill: () => child.kill('SIGKILL') }
}

/** What a program may see: tokens are between the agent, or who started it, and the coordinator. */
function withoutTokens({
  GODWIT_JOIN_TOKEN: _join,
  GODWIT_TOKEN: _api,
  ...env
}: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return env
}

/** The worker that an earlier agent started in `folder`; undefined when it runs no more. */
export function findWorker(folder: WorkerFolder): WorkerHandle | undefined {
  const pid = pidOf(folder)
  if (pid === undefined) return undefined
  const lives = () => isWorkerOf(folder, pid)
  const ended = new Promise<Ending>((resolve) => {
    const timer = setInterval(() => {
      if (lives()) return
      clearInterval(timer)
      resolve({ code: null, signal: null })
    }, POLL_MS)
    timer.unref()
  })
  return {
    pid,
    wasFound: true,
    ended,
    kill: () => {
      if (lives()) process.kill(pid, 'SIGKILL')
    },
  }
}

function pidOf(folder: WorkerFolder): number | undefined {
  try {
    const written = Number(readFileSync(join(folder.path, PID_FILE), 'utf8'))
    // Whole or not, it is another's or nobody's if the folder doesn't follow.
    if (isWorkerOf(folder, written)) return written
    if (statSync(join(folder.path, PID_FILE)).size > 0) return undefined
  } catch {
    // It was not written.
  }
  return processIds().find((pid) => isWorkerOf(folder, pid))
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}

/** As `startWorker` starts one. */
function isWorkerOf(folder: WorkerFolder, pid: number): boolean {
  const args = commandLine(pid)
  return args.includes(folder.path) && args.some((arg) => basename(arg) === basename(process.execPath))
}

/** Empty for a process that is gone, or a zombie. */
function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}
