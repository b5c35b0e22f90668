/**
 * Typed messages over one WebSocket: the same for agents, workers, clients and both ends of a migration.
 *
 * What comes in is checked against its schema before anybody sees it; the first thing that doesn't match ends the
 * connection with a typed error. Silence ends it too: a peer that is paused or unplugged closes nothing, so each
 * side pings and the lack of any answer for `heartbeatTimeoutMs` counts as gone. Whoever was paused for longer has been
 * given up by then, and what its kernel kept for it meanwhile are orders of the past: on waking it reads none of them.
 *
 * Invariants: `closed` is called exactly once, last; no message is delivered after it; `send` after it does nothing.
 */
import { checkMessage, decodeValue, encodeValue, GodwitError, LIMITS, toJson } from '@godwit/protocol'
import type { RawData, WebSocket } from 'ws'
import { Budget } from './budget.ts'
import { crashPoint } from './crash-point.ts'

/** Anything with zod's `safeParse`. */
type Schema<T> = Parameters<typeof checkMessage>[0] & { _zod: { output: T } }

export interface ChannelHandlers<In> {
  message(message: In): void
  /** `undefined` when the peer closed in an orderly way. */
  closed(error: GodwitError | undefined): void
}

export interface ChannelOptions {
  heartbeatIntervalMs?: number
  heartbeatTimeoutMs?: number
  /** As JSON in text messages, for those who speak nothing else: numbers that JSON does not have are no numbers there. */
  text?: boolean
  /** Messages and pings that are read in a second; the peer's further ones wait in its own buffers. */
  messagesPerSecond?: number
}

/** Bytes waiting in our own buffers at which a peer that doesn't read is given up. */
const MAX_BUFFERED_BYTES = 16 * LIMITS.maxControlMessageBytes
/** WebSocket close codes from the range for applications (RFC 6455, section 7.4.2). */
const CLOSE_BAD_MESSAGE = 4400

export class Channel<In, Out> {
  readonly #socket: WebSocket
  readonly #incoming: Schema<In>
  readonly #handlers: ChannelHandlers<In>
  readonly #heartbeat: NodeJS.Timeout
  readonly #timeoutMs: number
  readonly #intervalMs: number
  #lastHeardMs = performance.now()
  readonly #isText: boolean
  readonly #budget: Budget
  #closed = false

  /** Takes over an open socket: from here on nobody else listens to it. */
  constructor(
    socket: WebSocket,
    incoming: Schema<In>,
    handlers: ChannelHandlers<In>,
    options: ChannelOptions = {},
  ) {
    this.#socket = socket
    this.#incoming = incoming
    this.#handlers = handlers
    this.#isText = options.text === true
    this.#timeoutMs = options.heartbeatTimeoutMs ?? LIMITS.heartbeatTimeoutMs
    this.#intervalMs = options.heartbeatIntervalMs ?? LIMITS.heartbeatIntervalMs
    this.#heartbeat = setInterval(() => this.#beat(), this.#intervalMs)
    this.#budget = new Budget(options.messagesPerSecond ?? LIMITS.maxMessagesPerSecond, performance.now())
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary))
    socket.on('ping', (data) => this.#answer(data))
    socket.on('pong', () => this.#heard())
    socket.on('error', (error) =>
      this.#end(new GodwitError('connection-lost', error.message, { cause: error })),
    )
    socket.on('close', (code, reason) => this.#end(closeError(code, reason.toString())))
    socket.resume()
  }

  get isOpen(): boolean {
    return !this.#closed
  }

  send(message: Out): void {
    if (this.#closed) return
    const words = wordsOf(message)
    crashPoint(`before-send:${words}`)
    this.#socket.send(this.#isText ? toJson(message) : encodeValue(message))
    crashPoint(`after-send:${words}`)
    this.#endIfPiledUp()
  }

  /** Closes in an orderly way: what was sent before still goes out. `done` is called when the connection is down. */
  close(done?: () => void): void {
    if (done !== undefined) {
      if (this.#socket.readyState === this.#socket.CLOSED) done()
      else this.#socket.once('close', done)
    }
    if (this.#closed) return
    this.#socket.close(1000)
    this.#end(undefined)
  }

  /** Closes because of `error`, and tells the peer its kind. */
  end(error: GodwitError): void {
    if (this.#closed) return
    this.#socket.close(CLOSE_BAD_MESSAGE, error.kind)
    this.#end(error)
  }

  /** A peer that asks and never reads is not answered for ever. */
  #answer(ping: Buffer): void {
    if (this.#closed || !this.#heard()) return
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.pong(ping)
    this.#endIfPiledUp()
  }

  #endIfPiledUp(): void {
    if (this.#socket.bufferedAmount <= MAX_BUFFERED_BYTES) return
    this.end(new GodwitError('peer-stalled', 'the peer reads too slowly: its messages pile up'))
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#closed || !this.#heard()) return
    let message: In
    try {
      message = checkMessage(this.#incoming, this.#decoded(data as Buffer, isBinary)) as In
    } catch (error) {
      this.end(error as GodwitError)
      return
    }
    this.#handlers.message(message)
  }

  #decoded(data: Buffer, isBinary: boolean): unknown {
    if (isBinary === this.#isText) {
      const [came, spoken] = isBinary ? ['binary', 'text'] : ['text', 'binary']
      throw new GodwitError('bad-message', `a ${came} message where ${spoken} ones are spoken`)
    }
    if (!this.#isText) return decodeValue(data)
    try {
      return JSON.parse(data.toString('utf8'))
    } catch {
      throw new GodwitError('bad-message', 'a text message that is no JSON')
    }
  }

  /**
   * False when it comes after a silence that ends a connection: a timer would have said so, had we been awake. The peer
   * may have begun to count a heartbeat before us.
   */
  #heard(): boolean {
    if (this.#closed || this.#endIfSilent(this.#timeoutMs - this.#intervalMs)) return false
    this.#lastHeardMs = performance.now()
    const waitMs = this.#budget.take(this.#lastHeardMs)
    if (waitMs > 0) this.#rest(waitMs)
    return true
  }

  /** Reads nothing for a while; not for so long that the peer's heartbeats would be missed. */
  #rest(ms: number): void {
    if (this.#socket.isPaused) return
    this.#socket.pause()
    setTimeout(() => this.#socket.resume(), Math.min(ms, this.#intervalMs))
  }

  #beat(): void {
    if (this.#endIfSilent(this.#timeoutMs)) return
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping()
  }

  #endIfSilent(afterMs: number): boolean {
    const silentMs = performance.now() - this.#lastHeardMs
    if (silentMs <= afterMs) return false
    const error = new GodwitError(
      'peer-stalled',
      `nothing was heard from the peer for ${Math.round(silentMs)} ms`,
    )
    this.#socket.terminate()
    this.#end(error)
    return true
  }

  #end(error: GodwitError | undefined): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#heartbeat)
    // A peer that doesn't answer our close within the grace is cut off; ws waits 30 s by itself.
    const cut = setTimeout(() => this.#socket.terminate(), LIMITS.stopGraceMs)
    cut.unref()
    this.#socket.once('close', () => clearTimeout(cut))
    this.#handlers.closed(error)
  }
}

/** What a message is called among crash points; one that carries another's message, by both. */
function wordsOf(message: unknown): string {
  const { type, message: inner } = message as { type: string; message?: { type: string } }
  return inner === undefined ? type : `${type}.${inner.type}`
}

function closeError(code: number, reason: string): GodwitError | undefined {
  if (code === 1000) return undefined
  const why = reason === '' ? `code ${code}` : reason
  return new GodwitError('connection-lost', `the connection closed (${why})`)
}
