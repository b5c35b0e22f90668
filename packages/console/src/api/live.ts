/**
 * The WebSocket of events, for as long as one connection lasts: requests with one reply each, and whatever comes by itself.
 *
 * A browser doesn't show pings, and a connection whose other end has gone may stay open for an hour. So when nothing came for a while something
 * is asked, and without any answer it counts as gone.
 *
 * Invariants: every request settles; `lost` is called once, and nothing is heard after it.
 */
import type { FromClient, ToClient } from '@godwit/protocol'
import { EVENTS_PATH, LIMITS } from '@godwit/protocol/light'
import { Refusal } from './ask.ts'

export type LiveRequest = FromClient['request']
type Heard = Exclude<ToClient, { type: 'reply' | 'failed' }>

export interface LiveHandlers {
  opened(): void
  heard(message: Heard): void
  lost(): void
}

interface Pending {
  resolve(result: unknown): void
  reject(error: Refusal): void
}

/** Asks nothing of anybody: nobody follows a job by this name. */
const NUDGE: LiveRequest = { op: 'unfollow', workload: 'nobody' }

export class LiveConnection {
  readonly #socket: WebSocket
  readonly #handlers: LiveHandlers
  readonly #pending = new Map<number, Pending>()
  readonly #watch: ReturnType<typeof setInterval>
  #nextId = 1
  #heardMs = performance.now()
  #isOver = false

  /** `protocols`: those of the WebSocket, by which a browser shows its token. */
  constructor(protocols: string[], handlers: LiveHandlers) {
    this.#handlers = handlers
    const url = new URL(EVENTS_PATH, location.href)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    this.#socket = new WebSocket(url, protocols)
    this.#socket.onopen = () => handlers.opened()
    this.#socket.onmessage = ({ data }) => this.#receive(String(data))
    this.#socket.onclose = () => this.#end()
    this.#watch = setInterval(() => this.#look(), LIMITS.heartbeatIntervalMs)
  }

  ask(request: LiveRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#isOver || this.#socket.readyState !== WebSocket.OPEN) return reject(gone())
      const id = this.#nextId++
      this.#pending.set(id, { resolve, reject })
      this.#socket.send(JSON.stringify({ type: 'request', id, request } satisfies FromClient))
    })
  }

  close(): void {
    this.#socket.close()
    this.#end()
  }

  #receive(text: string): void {
    if (this.#isOver) return
    this.#heardMs = performance.now()
    const message = JSON.parse(text) as ToClient
    if (message.type !== 'reply' && message.type !== 'failed') return this.#handlers.heard(message)
    const pending = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if (message.type === 'reply') pending?.resolve(message.result)
    else pending?.reject(new Refusal(message.error.kind, message.error.message))
  }

  #look(): void {
    const silentMs = performance.now() - this.#heardMs
    if (silentMs > LIMITS.heartbeatTimeoutMs) return this.close()
    if (silentMs > LIMITS.heartbeatTimeoutMs / 2 && this.#pending.size === 0) this.ask(NUDGE).catch(() => {})
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearInterval(this.#watch)
    for (const { reject } of this.#pending.values()) reject(gone())
    this.#pending.clear()
    this.#handlers.lost()
  }
}

function gone(): Refusal {
  return new Refusal(
    'connection-lost',
    'the connection to the coordinator is lost: what runs goes on without it',
  )
}
