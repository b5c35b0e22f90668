/**
 * One connection between two processes, as a Channel over a WebSocket over TCP behaves.
 *
 * In each direction messages arrive in order or not at all. A process that dies closes its connections after what it
 * had sent; a machine that goes down says nothing; a connection that breaks is noticed by each side in its own time.
 * Silence ends it: each side looks every heartbeat whether the other could be heard.
 *
 * Invariants, as those of @godwit/channel: `closed` is called exactly once, last; no message is delivered after it;
 * `send` after it does nothing.
 */
import { type ErrorReport, LIMITS } from '@godwit/protocol'
import type { Kind, Network } from './network.ts'
import type { Process } from './process.ts'

export interface EndHandlers {
  // biome-ignore lint/suspicious/noExplicitAny: each user of a connection knows what is spoken on it
  message(message: any): void
  /** Undefined when the peer closed in an orderly way. */
  closed(error: ErrorReport | undefined): void
}

export interface Message {
  readonly type: string
  /** Another one that it carries. */
  readonly message?: { readonly type: string } | undefined
}

/** What a message is called among crash points. */
function wordsOf({ type, message }: Message): string {
  return message === undefined ? type : `${type}.${message.type}`
}

const LOST: ErrorReport = { kind: 'connection-lost', message: 'the connection closed' }
const SILENT: ErrorReport = { kind: 'peer-stalled', message: 'nothing was heard from the peer' }

export class Connection {
  readonly kind: Kind
  readonly ends: readonly [End, End]
  readonly network: Network
  /** Nothing arrives any more. */
  isBroken = false

  constructor(network: Network, [a, b]: readonly [Process, Process], kind: Kind) {
    this.network = network
    this.kind = kind
    this.ends = [new End(this, a), new End(this, b)]
    network.connections.add(this)
  }

  peerOf(end: End): End {
    return end === this.ends[0] ? this.ends[1] : this.ends[0]
  }

  /** Does `action` at `to`'s process when what is said now arrives there. */
  arrive(to: End, action: () => void, bytes = 0): void {
    const from = this.peerOf(to)
    const { network } = this
    if (from.held.length > 0 || network.isBlocked(from)) {
      from.held.push({ action, bytes })
      if (from.held.length === 1) network.whenMended(() => this.#sendHeld(from))
      return
    }
    const { timeline } = network
    const begins = Math.max(timeline.nowMs, to.wireFreeMs)
    to.wireFreeMs = begins + (bytes > 0 ? network.sendingMs(bytes) : 0)
    const atMs = Math.max(to.lastArrivalMs, to.wireFreeMs + network.delayMs(from.process, to.process))
    to.lastArrivalMs = atMs
    timeline.after(atMs - timeline.nowMs, () => {
      if (!this.isBroken) to.process.hear(action)
    })
  }

  #sendHeld(from: End): void {
    const to = this.peerOf(from)
    if (this.network.isBlocked(from)) {
      this.network.whenMended(() => this.#sendHeld(from))
      return
    }
    for (const { action, bytes } of from.held.splice(0)) this.arrive(to, action, bytes)
  }

  /** What is under way is lost. Each side notices after so many milliseconds, or by silence. */
  break(noticeMs: readonly [number | undefined, number | undefined]): void {
    if (this.isBroken) return
    this.isBroken = true
    for (const side of [0, 1] as const) {
      const delayMs = noticeMs[side]
      const end = this.ends[side]
      // Nobody listens for a heartbeat on a bulk connection: TCP gives it up.
      const givenUpMs = this.kind === 'bulk' ? LIMITS.heartbeatTimeoutMs : undefined
      const afterMs = delayMs ?? givenUpMs
      if (afterMs !== undefined) {
        this.network.timeline.after(afterMs, () => end.process.hear(() => end.over(LOST)))
      }
    }
  }

  forget(): void {
    if (!this.ends[0].isOpen && !this.ends[1].isOpen) this.network.connections.delete(this)
  }
}

export class End {
  readonly process: Process
  readonly connection: Connection
  /** What waits in front of a cut or a hold. */
  readonly held: { action: () => void; bytes: number }[] = []
  /** Of what comes to this end. */
  lastArrivalMs = 0
  wireFreeMs = 0
  #handlers: EndHandlers | undefined
  /** What came before anybody listened. */
  readonly #early: (() => void)[] = []
  #isOpen = true
  #heardMs: number
  #stopBeat: () => void = () => {}

  constructor(connection: Connection, process: Process) {
    this.connection = connection
    this.process = process
    this.#heardMs = process.nowMs()
    process.onDeath((isSilent) => this.#died(isSilent))
    if (connection.kind !== 'bulk') this.#beat()
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get peer(): End {
    return this.connection.peerOf(this)
  }

  listen(handlers: EndHandlers): void {
    this.#handlers = handlers
    for (const action of this.#early.splice(0)) action()
  }

  send<Sent extends Message>(message: Sent, bytes = 0): void {
    if (!this.#isOpen) return
    const { process, peer } = this
    const words = wordsOf(message)
    process.point(`before-send:${words}`, { end: this })
    process.leave(() => {
      this.connection.arrive(peer, () => peer.receive(message), bytes)
    })
    process.point(`after-send:${words}`)
  }

  /** Closes in an orderly way, after what was sent before. */
  close(error?: ErrorReport): void {
    if (!this.#isOpen) return
    const { peer } = this
    this.process.leave(() => this.connection.arrive(peer, () => peer.over(error && LOST)))
    this.over(error)
  }

  receive(message: Message): void {
    if (!this.#isOpen || this.#endIfSilent(LIMITS.heartbeatTimeoutMs - LIMITS.heartbeatIntervalMs)) return
    this.#heardMs = this.process.nowMs()
    if (this.#handlers === undefined) this.#early.push(() => this.receive(message))
    else this.#handlers.message(message)
  }

  over(error: ErrorReport | undefined): void {
    if (!this.#isOpen) return
    if (this.#handlers === undefined) {
      this.#early.push(() => this.over(error))
      return
    }
    this.#isOpen = false
    this.#stopBeat()
    this.connection.forget()
    this.#handlers.closed(error)
  }

  #died(isSilent: boolean): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    const { peer } = this
    if (!isSilent) this.connection.arrive(peer, () => peer.over(LOST))
    else if (this.connection.kind === 'bulk') this.connection.break([undefined, undefined])
    this.connection.forget()
  }

  #beat(): void {
    this.#stopBeat = this.process.after(LIMITS.heartbeatIntervalMs, () => {
      if (!this.#isOpen || this.#endIfSilent(LIMITS.heartbeatTimeoutMs)) return
      const { peer, process, connection } = this
      const couldHear = !connection.isBroken && peer.process.runs && !connection.network.isBlocked(peer)
      if (couldHear) this.#heardMs = process.nowMs()
      // A side that has closed while we could not hear it has nothing to answer with.
      if (couldHear && !peer.isOpen && this.held.length === 0 && peer.held.length === 0) {
        connection.network.timeline.after(LIMITS.heartbeatIntervalMs, () =>
          process.hear(() => this.over(LOST)),
        )
      }
      this.#beat()
    })
  }

  /** Whoever slept too long has been given up, and hears nothing of what waited for it. */
  #endIfSilent(afterMs: number): boolean {
    const { peer, process, connection } = this
    if (connection.kind === 'bulk' || process.nowMs() - this.#heardMs <= afterMs) return false
    process.leave(() => connection.arrive(peer, () => peer.over(LOST)))
    this.over(SILENT)
    return true
  }
}
