/**
 * One worker process: started, connected to, listened to, and its end told exactly once.
 *
 * The process is a stranger to the agent. It runs detached in a session of its own, writes to a file and listens on
 * a socket; nothing it does (a crash, a flood, silence, SIGKILL) reaches the agent except as an event here. It also
 * outlives the agent: a worker that nobody talks to ends by itself after `orphanTimeoutMs`.
 *
 * Invariants: `exited` is called exactly once, after every message that the worker got out; no message after it.
 * While the process lives a lost connection is dialled again, and what is to be sent waits meanwhile.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Channel, dial, type WebSocket } from '@godwit/channel'
import {
  type ErrorReport,
  type FromWorker,
  fromWorker,
  GodwitError,
  LIMITS,
  type ToWorker,
  toErrorReport,
} from '@godwit/protocol'
import { logTail, type WorkerFolder } from './data-dir.ts'
import { diskError } from './disk.ts'

/** Between two attempts at a socket that is not there yet. */
const FIRST_DIAL_MS = 25
/** Messages that wait for a worker without a connection; more than the coordinator ever has under way for one. */
const MAX_WAITING = 1000

export interface WorkerHandlers {
  message(message: FromWorker): void
  /** Undefined when the worker ended as it should. */
  exited(error: ErrorReport | undefined): void
}

export class WorkerProcess {
  readonly #workerId: string
  readonly #folder: WorkerFolder
  readonly #handlers: WorkerHandlers
  readonly #child: ChildProcess
  readonly #setupTimer: NodeJS.Timeout
  #channel: Channel<FromWorker, ToWorker> | undefined
  #waiting: ToWorker[] = []
  #connectedOnce = false
  #ended = false
  /** Why it ends, where somebody already knows. */
  #reason: ErrorReport | undefined
  #killed = false

  /** Starts `node --import tsx <workerMain> <folder>`. Errors: `disk-full` or `bad-arguments` for the log. */
  constructor(workerId: string, workerMain: string, folder: WorkerFolder, handlers: WorkerHandlers) {
    this.#workerId = workerId
    this.#folder = folder
    this.#handlers = handlers
    this.#child = start(workerMain, folder)
    this.#setupTimer = setTimeout(() => {
      this.#fail(new GodwitError('peer-stalled', `worker ${workerId} opened no socket in time`))
    }, LIMITS.setupTimeoutMs)
    const conversation = this.#converse()
    this.#child.once('error', (error) => {
      if (this.#child.pid !== undefined) return
      this.#reason = { kind: 'worker-crashed', message: `no worker could be started: ${error.message}` }
      this.#finish(conversation, null, null)
    })
    this.#child.once('exit', (code, signal) => this.#finish(conversation, code, signal))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get isConnected(): boolean {
    return this.#channel !== undefined
  }

  send(message: ToWorker): void {
    if (this.#channel !== undefined) this.#channel.send(message)
    else if (this.#waiting.push(message) > MAX_WAITING) {
      this.#fail(new GodwitError('peer-stalled', `worker ${this.#workerId} has not been reachable for long`))
    }
  }

  /** SIGKILL. The end is told as every other one. */
  kill(): void {
    if (this.#ended) return
    this.#killed = true
    this.#child.kill('SIGKILL')
  }

  #fail(error: GodwitError): void {
    this.#reason ??= toErrorReport(error)
    this.kill()
  }

  /** Dials until the process ends, and again whenever the connection is lost before. */
  async #converse(): Promise<void> {
    while (!this.#ended) {
      const socket = await dial(`ws+unix:${this.#folder.socketPath}:/`).catch(() => undefined)
      if (socket !== undefined) await this.#listenTo(socket)
      if (!this.#ended) await delay(this.#connectedOnce ? LIMITS.reconnectDelayMs : FIRST_DIAL_MS)
    }
  }

  /** Settles when the connection has closed. */
  #listenTo(socket: WebSocket): Promise<void> {
    this.#connectedOnce = true
    clearTimeout(this.#setupTimer)
    return new Promise((resolve) => {
      const channel = new Channel<FromWorker, ToWorker>(socket, fromWorker, {
        message: (message) => {
          if (message.type === 'failed') this.#reason ??= message.error
          this.#handlers.message(message)
        },
        closed: (error) => {
          this.#channel = undefined
          // A worker that speaks nonsense is broken; a lost connection or a pause is not its end.
          if (error?.kind === 'bad-message' || error?.kind === 'too-large') this.#fail(error)
          resolve()
        },
      })
      this.#channel = channel
      for (const message of this.#waiting.splice(0)) channel.send(message)
    })
  }

  #finish(conversation: Promise<void>, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#setupTimer)
    const report = () => {
      clearTimeout(cut)
      this.#channel?.close()
      this.#handlers.exited(this.#endOf(code, signal))
    }
    // A child of the worker could hold its socket open: wait for the last messages, but not forever.
    let cut: NodeJS.Timeout
    const grace = new Promise<void>((resolve) => {
      cut = setTimeout(resolve, LIMITS.stopGraceMs)
    })
    Promise.race([conversation, grace]).then(report, report)
  }

  #endOf(code: number | null, signal: NodeJS.Signals | null): ErrorReport | undefined {
    if (code === 0 && this.#connectedOnce) return undefined
    if (this.#reason !== undefined) return this.#reason
    const how =
      signal !== null
        ? `was killed by ${signal}${this.#killed ? ', as it was told to be' : signal === 'SIGKILL' ? ' (is the host out of memory?)' : ''}`
        : code === 0
          ? 'ended before it had opened its socket'
          : `ended with exit code ${code}`
    const tail = logTail(this.#folder.logPath)
    return {
      kind: 'worker-crashed',
      message: `worker ${this.#workerId} ${how}${tail === '' ? '' : `; its last output:\n${tail}`}`,
    }
  }
}

/** A detached process that does not keep the agent alive, in the folder as its working directory. */
function start(workerMain: string, folder: WorkerFolder): ChildProcess {
  let log: number
  try {
    log = openSync(folder.logPath, 'a', 0o600)
  } catch (error) {
    throw diskError(error, folder.path)
  }
  try {
    // tsx as the worker has it: the working directory, which --import would look from, has none.
    const tsx = pathToFileURL(createRequire(workerMain).resolve('tsx')).href
    const child = spawn(process.execPath, ['--import', tsx, workerMain, folder.path], {
      cwd: folder.path,
      detached: true,
      stdio: ['ignore', log, log],
    })
    child.unref()
    return child
  } finally {
    closeSync(log)
  }
}
