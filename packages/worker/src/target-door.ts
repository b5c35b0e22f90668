/**
 * Where the target comes in: listens on a port of its own for one migration, lets in the one that knows its secret, and turns
 * everybody else away without a word to the migration.
 *
 * In a secured cluster it speaks TLS, and whoever shows no certificate of the target host is refused before a byte of ours is
 * decoded: another host of the cluster as well, even if it knew the secret.
 *
 * Invariants: the secret is good for one control connection; each stream is opened once, by whoever was given the bulk
 * token over that connection; nothing reaches the handlers from anybody else.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { Channel, type Listener, listen, type Peer, type WebSocket } from '@godwit/channel'
import {
  checkMessage,
  decodeValue,
  type FromSource,
  type FromTarget,
  fromTarget,
  GodwitError,
  LIMITS,
  type WorkerLaunch,
} from '@godwit/protocol'
import { type Membership, whyNotHost } from '@godwit/trust'

/** Why a bulk connection was closed is waited for no longer. */
const REASON_WITHIN_MS = 250

type Hello = Extract<FromTarget, { type: 'hello' }>
/** What a target that was let in says over its control connection. */
export type TargetSays = Exclude<FromTarget, { type: 'hello' | 'bulkHello' }>

export interface DoorHandlers {
  hello(hello: Hello): void
  message(message: TargetSays): void
  /** Every stream is open, in order. */
  streamsOpen(sockets: readonly WebSocket[]): void
  /** A connection of the target's closed, or what came over it was refused. */
  lost(error: GodwitError): void
}

/** Besides the streams: the control connection, and strangers that have not been turned away yet. */
const SPARE_CONNECTIONS = 8

export class TargetDoor {
  readonly #migration: { readonly migrationId: string; readonly secret: string; readonly to: string }
  readonly #handlers: DoorHandlers
  readonly #bulkToken = randomBytes(32).toString('hex')
  /** None before the target is welcome. */
  #bulk: (WebSocket | undefined)[] = []
  #listener: Listener | undefined
  #control: Channel<FromTarget, FromSource> | undefined

  constructor(migration: { migrationId: string; secret: string; to: string }, handlers: DoorHandlers) {
    this.#migration = migration
    this.#handlers = handlers
  }

  /** Returns the port. With a membership only the target host is let in. Errors: `port-in-use`, `bad-arguments`. */
  async listen(
    { listenHost, portRange }: Pick<WorkerLaunch, 'listenHost' | 'portRange'>,
    member?: Membership,
  ): Promise<number> {
    const [first, last] = portRange
    const ports = Array.from({ length: last - first + 1 }, (_, index) => first + index)
    this.#listener = await listen({
      at: { host: listenHost, ports },
      maxConnections: LIMITS.maxStreams + SPARE_CONNECTIONS,
      ...(member && {
        credentials: member.credentials,
        admit: (peer: Peer) => whyNotHost(member, this.#migration.to, peer),
      }),
      connected: (socket, path) => this.#connected(socket, path),
    })
    return this.#listener.port
  }

  get isConnected(): boolean {
    return this.#control !== undefined
  }

  /** Lets a target that said hello open its streams. */
  welcome({ version, streams }: { readonly version: number; readonly streams: number }): void {
    this.#bulk = new Array<undefined>(streams).fill(undefined)
    this.send({ type: 'welcome', version, streams, bulkToken: this.#bulkToken })
  }

  /** To the target, if there is one. */
  send(message: FromSource): void {
    this.#control?.send(message)
  }

  close(): void {
    for (const stream of this.#bulk) stream?.terminate()
    this.#control?.close()
    void this.#listener?.close(LIMITS.stopGraceMs)
  }

  #connected(socket: WebSocket, path: string): void {
    if (path === '/control') this.#controlConnected(socket)
    else if (path === '/bulk') this.#bulkConnected(socket)
    else socket.terminate()
  }

  #controlConnected(socket: WebSocket): void {
    const channel = new Channel<FromTarget, FromSource>(socket, fromTarget, {
      message: (message) => this.#message(channel, message),
      closed: (error) => {
        if (channel !== this.#control) return
        this.#handlers.lost(error ?? new GodwitError('connection-lost', 'the target closed the connection'))
      },
    })
    helloInTime(
      () => this.#control === channel || !channel.isOpen,
      () => channel.end(new GodwitError('setup-timeout', 'no hello came')),
    )
  }

  #message(channel: Channel<FromTarget, FromSource>, message: FromTarget): void {
    if (message.type === 'hello') this.#hello(channel, message)
    else if (channel !== this.#control)
      channel.end(new GodwitError('out-of-order', `${message.type} before hello`))
    else if (message.type === 'bulkHello')
      this.#handlers.lost(new GodwitError('out-of-order', 'a bulk hello on the control connection'))
    else this.#handlers.message(message)
  }

  #hello(channel: Channel<FromTarget, FromSource>, hello: Hello): void {
    const { migrationId, secret } = this.#migration
    const known = hello.migrationId === migrationId && sameSecret(hello.secret, secret)
    if (known && this.#control === undefined) {
      this.#control = channel
      this.#handlers.hello(hello)
      return
    }
    const message = 'the secret of this migration is wrong or was used before'
    channel.send({ type: 'refused', error: { kind: 'unauthorized', message } })
    channel.close()
  }

  #bulkConnected(socket: WebSocket): void {
    let known = false
    helloInTime(
      () => known,
      () => socket.terminate(),
    )
    socket.once('message', (data) => {
      known = this.#bulkHello(socket, data as Buffer)
      if (!known) socket.terminate()
    })
    socket.on('error', () => {})
  }

  #bulkHello(socket: WebSocket, data: Buffer): boolean {
    try {
      const hello = checkMessage(fromTarget, decodeValue(data))
      if (hello.type !== 'bulkHello' || !sameSecret(hello.bulkToken, this.#bulkToken)) return false
      if (hello.stream >= this.#bulk.length || this.#bulk[hello.stream] !== undefined) return false
      this.#bulk[hello.stream] = socket
    } catch {
      return false
    }
    // A target that refuses what it got closes this one at once and says why on the other, which may come a moment later.
    socket.on('close', () => {
      const lost = new GodwitError('connection-lost', 'a bulk connection closed')
      setTimeout(() => this.#handlers.lost(lost), REASON_WITHIN_MS).unref()
    })
    socket.on('message', () =>
      this.#handlers.lost(new GodwitError('out-of-order', 'the target sent something on a bulk connection')),
    )
    const open = this.#bulk.filter((stream) => stream !== undefined)
    if (open.length === this.#bulk.length) this.#handlers.streamsOpen(open)
    return true
  }
}

function helloInTime(arrived: () => boolean, otherwise: () => void): void {
  const timer = setTimeout(() => {
    if (!arrived()) otherwise()
  }, LIMITS.helloTimeoutMs)
  timer.unref()
}

function sameSecret(given: string, expected: string): boolean {
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected))
}
