/**
 * A target written by hand: it dials a real source and then does what a test tells it to, right or wrong.
 */
import { Channel, dial, type WebSocket } from '@godwit/channel'
import {
  decodeFrame,
  encodeValue,
  type FromSource,
  type FromTarget,
  fromSource,
  type GodwitError,
  type Identity,
  MAX_FRAME_BYTES,
  OUR_VERSIONS,
} from '@godwit/protocol'
import type { RigWorker } from './worker-rig.ts'

export class ScriptedTarget {
  readonly received: FromSource[] = []
  readonly bulk: WebSocket[] = []
  readonly closed: Promise<GodwitError | undefined>
  readonly #waiting: (() => void)[] = []
  readonly #port: number
  readonly #migrationId: string
  readonly #secret: string
  #channel: Channel<FromSource, FromTarget> | undefined
  #raw: WebSocket | undefined
  #markClosed: (error: GodwitError | undefined) => void = () => {}
  frames = 0
  installedBytes = 0

  constructor(at: { port: number; migrationId: string; secret: string }) {
    this.#port = at.port
    this.#migrationId = at.migrationId
    this.#secret = at.secret
    this.closed = new Promise((resolve) => {
      this.#markClosed = resolve
    })
  }

  async dial(): Promise<void> {
    const socket = await dial(`ws://127.0.0.1:${this.#port}/control`)
    this.#raw = socket
    this.#channel = new Channel<FromSource, FromTarget>(socket, fromSource, {
      message: (message) => {
        this.received.push(message)
        if (message.type === 'ping')
          this.send({ type: 'pong', id: message.id, sentAtMs: message.sentAtMs, atMs: message.sentAtMs })
        for (const wake of this.#waiting.splice(0)) wake()
      },
      closed: (error) => {
        this.#markClosed(error)
        for (const wake of this.#waiting.splice(0)) wake()
      },
    })
  }

  send(message: FromTarget): void {
    this.#channel?.send(message)
  }

  sendRaw(bytes: Buffer | string): void {
    this.#raw?.send(bytes)
  }

  hello(identity: Identity, change: Partial<Extract<FromTarget, { type: 'hello' }>> = {}): void {
    this.send({
      type: 'hello',
      versions: OUR_VERSIONS,
      migrationId: this.#migrationId,
      secret: this.#secret,
      identity,
      roundTripMs: 0,
      ...change,
    })
  }

  async next<Type extends FromSource['type']>(type: Type): Promise<Extract<FromSource, { type: Type }>> {
    for (;;) {
      const found = this.received.find((message) => message.type === type)
      if (found !== undefined) return found as Extract<FromSource, { type: Type }>
      if (this.#channel?.isOpen === false)
        throw new Error(`closed without ${type}, after ${JSON.stringify(this.received)}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Says hello, opens the bulk connection and takes in frames; acknowledges them unless told not to. */
  async receive(source: RigWorker, { acknowledge = true, read = true } = {}): Promise<void> {
    const { identity } = await source.next('prepared')
    this.hello(identity)
    const { bulkToken, version } = await this.next('welcome')
    const socket = await dial(`ws://127.0.0.1:${this.#port}/bulk`, { maxMessageBytes: MAX_FRAME_BYTES })
    this.bulk.push(socket)
    socket.on('error', () => {})
    socket.on('message', (data) => {
      const frame = decodeFrame(data as Buffer, identity.arenaBytes / 4096, version)
      this.frames += 1
      this.installedBytes += (data as Buffer).length
      if (acknowledge) this.send({ type: 'installed', stream: frame.stream, bytes: this.installedBytes })
      for (const wake of this.#waiting.splice(0)) wake()
    })
    socket.send(
      encodeValue({
        type: 'bulkHello',
        migrationId: this.#migrationId,
        bulkToken,
        stream: 0,
      } satisfies FromTarget),
    )
    if (read) socket.resume()
  }

  async frameArrived(): Promise<void> {
    while (this.frames === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** As a process that dies: no close frame. */
  die(): void {
    this.#raw?.terminate()
    for (const socket of this.bulk) socket.terminate()
  }
}
