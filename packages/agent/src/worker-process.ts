/**
 * One worker process: connected to, listened to, and its end told exactly once.
 *
 * The process is a stranger to the agent. It runs in a session of its own, writes to a file and listens on a
 * socket; nothing it does (a crash, a flood, silence, SIGKILL) reaches the agent except as an event here. It also
 * outlives the agent: a worker that nobody talks to ends by itself after `orphanTimeoutMs`.
 *
 * First on each connection it says who it is (`hello`), and that is compared with the launch.json of its folder. Nothing is
 * said to it or relayed from it before. Whoever says something else is a stranger: let alone, and never killed, since all
 * that is known of it is a process id; the worker that should have been there counts as gone.
 *
 * What it says wrongly is its own fault and no reason to end what it trains: a message that doesn't match its schema
 * is dropped, one that can't even be decoded costs the connection, which is made again.
 *
 * Invariants: `exited` is called exactly once, after every message that the worker got out; no message after it, and
 * none from anybody but the worker. While the process lives a lost connection is dialled again, and what is to be sent waits meanwhile;
 * what was sent and may not have been read is sent again (recent-orders.ts).
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Channel, dial, reconnectDelayMs, type WebSocket } from '@godwit/channel'
import {
  type ErrorKind,
  type ErrorReport,
  type FromWorker,
  fromWorker,
  GodwitError,
  LIMITS,
  type ToWorker,
  toErrorReport,
} from '@godwit/protocol'
import { logTail, type Passport, type WorkerFolder } from './data-dir.ts'
import { RecentOrders } from './recent-orders.ts'
import type { Ending, WorkerHandle } from './worker-handle.ts'

/** Between two attempts at a socket that is not there yet. */
const FIRST_DIAL_MS = 25
/** Messages that wait for a worker without a connection; more than the coordinator ever has under way for one. */
const MAX_WAITING = 1000

/** Errors of a connection that would be the same on the next one. */
const NONSENSE: readonly ErrorKind[] = ['bad-message', 'too-large', 'out-of-order']

type Hello = Extract<FromWorker, { type: 'hello' }>

export interface WorkerHandlers {
  message(message: FromWorker): void
  /** It said something that is no message; `count` is how often by now. */
  unreadable(why: string, count: number): void
  /** Undefined when the worker ended as it should. */
  exited(error: ErrorReport | undefined): void
}

export interface WorkerPlace {
  readonly passport: Passport
  readonly handle: WorkerHandle
  readonly folder: WorkerFolder
}

export class WorkerProcess {
  readonly #passport: Passport
  readonly #folder: WorkerFolder
  readonly #handle: WorkerHandle
  readonly #handlers: WorkerHandlers
  readonly #setupTimer: NodeJS.Timeout
  /** The newest connection on which it has said who it is. */
  #channel: Channel<FromWorker | null, ToWorker> | undefined
  readonly #conversations = new Set<Promise<void>>()
  #waiting: ToWorker[] = []
  readonly #orders = new RecentOrders()
  #dialAgain: () => void = () => {}
  /** It has said who it is. */
  #isKnown = false
  #isStranger = false
  #killTimer: NodeJS.Timeout | undefined
  #unreadable = 0
  /** Connections in a row that ended because of what the worker sent. */
  #badConnections = 0
  #ended = false
  /** It was told to end, or killed by us, before it failed by itself. */
  #toldToEnd = false
  #killed = false
  /** Why it ends, where somebody already knows. */
  #reason: ErrorReport | undefined

  constructor({ passport, handle, folder }: WorkerPlace, handlers: WorkerHandlers) {
    this.#passport = passport
    this.#handle = handle
    this.#folder = folder
    this.#handlers = handlers
    this.#setupTimer = setTimeout(() => {
      this.#fail(new GodwitError('peer-stalled', `worker ${passport.workerId} opened no socket in time`))
    }, LIMITS.setupTimeoutMs)
    const dialling = this.#keepConnected()
    handle.ended.then(async (ending) => {
      if (this.#isStranger) return
      this.#end()
      await this.#lastMessages(dialling)
      this.#channel?.close()
      handlers.exited(this.#errorOf(ending))
    }, undefined)
  }

  get pid(): number | undefined {
    return this.#handle.pid
  }

  get isConnected(): boolean {
    return this.#channel !== undefined
  }

  /** Its end, when it comes, is expected: it was told before it failed by itself. */
  get toldToEnd(): boolean {
    return this.#toldToEnd
  }

  send(message: ToWorker): void {
    if (message.type === 'stop' || message.type === 'release') this.#expectEnd()
    if (this.#channel !== undefined) this.#sendOn(this.#channel, message)
    else if (this.#waiting.push(message) > MAX_WAITING) {
      this.#fail(
        new GodwitError('peer-stalled', `worker ${this.#passport.workerId} has not been reachable for long`),
      )
    }
  }

  #sendOn(channel: Channel<FromWorker | null, ToWorker>, message: ToWorker): void {
    this.#orders.sent(message, performance.now())
    channel.send(message)
  }

  /** SIGKILL. The end is told as every other one. */
  kill(): void {
    if (this.#ended) return
    this.#expectEnd()
    this.#kill()
  }

  /** Connects anew, which makes the worker say again what has not been acknowledged. Nothing is lost on the old connection. */
  reconnect(): void {
    this.#dialAgain()
  }

  /** One that has said why it fails is told to end as well; that makes it no less of a failure. */
  #expectEnd(): void {
    if (this.#reason === undefined) this.#toldToEnd = true
  }

  #fail(error: GodwitError): void {
    if (this.#ended) return
    this.#reason ??= toErrorReport(error)
    this.#kill()
  }

  /** One that was found is given the time to say that it is somebody else. One that says nothing at all is what its command line says. */
  #kill(): void {
    this.#killed = true
    if (this.#isKnown || !this.#handle.wasFound) this.#handle.kill()
    else this.#killTimer ??= setTimeout(() => this.#handle.kill(), LIMITS.helloTimeoutMs)
  }

  #end(): void {
    this.#ended = true
    clearTimeout(this.#setupTimer)
    clearTimeout(this.#killTimer)
  }

  /** Dials until the process ends: again when the connection is lost, and when `reconnect` asks for it. */
  async #keepConnected(): Promise<void> {
    while (!this.#ended) {
      const socket = await dial(`ws+unix:${this.#folder.socketPath}:/`).catch(() => undefined)
      if (socket !== undefined && (await this.#talkOn(socket)) === 'dialAgain') continue
      if (!this.#ended) await delay(this.#redialMs())
    }
  }

  /** Seldom where the same nonsense would be said at once again. */
  #redialMs(): number {
    if (this.#badConnections > 0) return reconnectDelayMs(this.#badConnections, 1)
    return this.#isKnown ? LIMITS.reconnectDelayMs : FIRST_DIAL_MS
  }

  #nonsense(why: string): void {
    this.#unreadable += 1
    this.#handlers.unreadable(why, this.#unreadable)
  }

  /** Settles when the connection has closed or another one is wanted; then the worker closes this one. */
  async #talkOn(socket: WebSocket): Promise<'closed' | 'dialAgain'> {
    const conversation = this.#listenTo(socket)
    this.#conversations.add(conversation)
    const closed = conversation.then(() => {
      this.#conversations.delete(conversation)
      return 'closed' as const
    })
    const dialAgain = new Promise<'dialAgain'>((resolve) => {
      this.#dialAgain = () => resolve('dialAgain')
    })
    return Promise.race([closed, dialAgain])
  }

  #listenTo(socket: WebSocket): Promise<void> {
    return new Promise((resolve) => {
      let hasSaidWho = false
      const readable = fromWorker.nullable().catch(({ error }) => {
        const issue = error.issues[0]
        this.#nonsense(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'does not match its schema'}`)
        return null
      })
      const channel = new Channel<FromWorker | null, ToWorker>(socket, readable, {
        message: (message) => {
          if (message === null) return
          if (message.type === 'hello') {
            clearTimeout(helloTimer)
            hasSaidWho = this.#hello(channel, message)
          } else if (!hasSaidWho) {
            channel.end(new GodwitError('out-of-order', `${message.type} before hello`))
          } else {
            if (message.type === 'failed') this.#reason ??= message.error
            this.#handlers.message(message)
          }
        },
        closed: (error) => {
          clearTimeout(helloTimer)
          if (this.#channel === channel) {
            this.#channel = undefined
            this.#orders.lost(performance.now())
          }
          const isNonsense = error !== undefined && NONSENSE.includes(error.kind)
          this.#badConnections = isNonsense ? this.#badConnections + 1 : 0
          if (isNonsense) this.#nonsense(error.message)
          resolve()
        },
      })
      const helloTimer = setTimeout(() => {
        channel.end(new GodwitError('peer-stalled', 'no hello came'))
      }, LIMITS.helloTimeoutMs)
    })
  }

  /** False when it is a stranger's. */
  #hello(channel: Channel<FromWorker | null, ToWorker>, hello: Hello): boolean {
    const why = whyStranger(this.#passport, hello)
    if (why !== undefined) {
      this.#letAlone(why)
      channel.close()
      return false
    }
    this.#isKnown = true
    clearTimeout(this.#setupTimer)
    const before = this.#channel
    this.#channel = channel
    if (this.#killed) this.#handle.kill()
    for (const message of [...this.#orders.takeUnheard(), ...this.#waiting.splice(0)])
      this.#sendOn(channel, message)
    // What was said on the one before is still on its way.
    if (before !== undefined && before !== channel) setTimeout(() => before.close(), LIMITS.repeatMs).unref()
    return true
  }

  #letAlone(why: string): void {
    if (this.#ended) return
    this.#isStranger = true
    this.#end()
    const { workerId } = this.#passport
    this.#handlers.exited({
      kind: 'worker-crashed',
      message: `worker ${workerId} is gone: in its place ${this.#handle.pid === undefined ? 'a process' : `process ${this.#handle.pid}`} answers ${why}, and was let alone`,
    })
  }

  /** A child of the worker could hold its socket open: what it said last is waited for, but not forever. */
  async #lastMessages(dialling: Promise<void>): Promise<void> {
    const grace = new AbortController()
    const over = delay(LIMITS.stopGraceMs, undefined, { signal: grace.signal }).catch(() => {})
    await Promise.race([dialling.then(() => Promise.all(this.#conversations)), over])
    grace.abort()
  }

  #errorOf(ending: Ending): ErrorReport | undefined {
    if (ending.code === 0 && this.#isKnown) return undefined
    if (this.#reason !== undefined) return this.#reason
    const isUnknown = ending.code === null && ending.signal === null && ending.notStarted === undefined
    if (isUnknown && this.#toldToEnd) return undefined
    const tail = logTail(this.#folder.logPath)
    return {
      kind: 'worker-crashed',
      message: `worker ${this.#passport.workerId} ${this.#describe(ending)}${tail === '' ? '' : `; its last output:\n${tail}`}`,
    }
  }

  #describe({ code, signal, notStarted }: Ending): string {
    if (notStarted !== undefined) return `could not be started: ${notStarted.message}`
    if (signal !== null) {
      const why = this.#killed
        ? ', as it was told to be'
        : signal === 'SIGKILL'
          ? ' (is the host out of memory?)'
          : ''
      return `was killed by ${signal}${why}`
    }
    if (code === null) return 'ended, and an earlier agent was to see how'
    return code === 0 ? 'ended before it had opened its socket' : `ended with exit code ${code}`
  }
}

/** Undefined for the worker that the passport is of. Its epoch may have grown since it was launched. */
export function whyStranger(passport: Passport, hello: Hello): string | undefined {
  if (hello.workerId !== passport.workerId) return `as worker ${hello.workerId}`
  if (hello.workloadId !== passport.workloadId)
    return `for workload ${hello.workloadId} instead of ${passport.workloadId}`
  if (hello.launchDigest !== passport.launchDigest) return 'that was launched with another launch.json'
  if (hello.epoch < passport.epoch)
    return `with epoch ${hello.epoch}, before the ${passport.epoch} it was launched with`
  return undefined
}
