/**
 * The simulated network: which machines hear each other, how long that takes, and who listens where.
 *
 * Connections are as TCP has them: nothing is lost or overtaken within one. What is lost, is lost with the
 * connection; a direction that is cut holds back what was sent until it is whole again, or somebody gives up.
 */
import { LIMITS } from '@godwit/protocol'
import { Connection, type End } from './connection.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'

const SLOWNESS = 20
const MOST_DELAY_MS = 1_500

export interface Dialling {
  open(end: End): void
  failed(): void
}

interface Listener {
  readonly process: Process
  accept(end: End): void
}

/** What a connection is for: faults name it, and its speed depends on it. */
export type Kind = 'agent' | 'worker' | 'control' | 'bulk'

export class Network {
  readonly timeline: Timeline
  readonly #random: Random
  readonly #listeners = new Map<string, Listener>()
  readonly connections = new Set<Connection>()
  /** `from>to`, with how many faults cut it. */
  readonly #cuts = new Map<string, number>()
  /** `process>process`, with how many faults hold back what is said. */
  readonly #holds = new Map<string, number>()
  readonly #waiting: (() => void)[] = []
  /** While so many faults make it so, everything between machines takes longer. */
  slow = 0
  readonly #baseDelayMs: number
  readonly #bytesPerMs: number

  constructor(timeline: Timeline, random: Random, speed: { delayMs: number; bytesPerMs: number }) {
    this.timeline = timeline
    this.#random = random
    this.#baseDelayMs = speed.delayMs
    this.#bytesPerMs = speed.bytesPerMs
  }

  /** One message's way. */
  delayMs(from: Process, to: Process): number {
    if (from.node === to.node) return this.#random.between(0.02, 0.3)
    const tail = this.#random.chance(0.02) ? this.#random.between(1, 10) : 1
    const delayMs = this.#baseDelayMs * this.#random.between(0.8, 1.5) * tail * this.#slowness
    return Math.min(delayMs, MOST_DELAY_MS)
  }

  /** A frame's time on the wire. */
  sendingMs(bytes: number): number {
    return (bytes / this.#bytesPerMs) * this.#slowness
  }

  get #slowness(): number {
    return this.slow > 0 ? SLOWNESS : 1
  }

  isCut(from: Process, to: Process): boolean {
    return from.node !== to.node && (this.#cuts.get(`${from.node}>${to.node}`) ?? 0) > 0
  }

  /** Lets nothing pass from one machine to the other until it is mended. Returns what mends it. */
  cut(from: string, to: string): () => void {
    const key = `${from}>${to}`
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1)
    return () => {
      this.#cuts.set(key, (this.#cuts.get(key) ?? 1) - 1)
      for (const send of this.#waiting.splice(0)) send()
    }
  }

  /** Lets nothing that one process says to the other arrive until it is let go. Returns what lets go. */
  hold({ process, peer }: End): () => void {
    const key = `${process.name}>${peer.process.name}`
    this.#holds.set(key, (this.#holds.get(key) ?? 0) + 1)
    return () => {
      this.#holds.set(key, (this.#holds.get(key) ?? 1) - 1)
      for (const send of this.#waiting.splice(0)) send()
    }
  }

  /** What this end sends has to wait. */
  isBlocked(end: End): boolean {
    const [from, to] = [end.process, end.peer.process]
    return (this.#holds.get(`${from.name}>${to.name}`) ?? 0) > 0 || this.isCut(from, to)
  }

  /** Tried again whenever something was mended. */
  whenMended(send: () => void): void {
    this.#waiting.push(send)
  }

  listen(process: Process, address: string, accept: (end: End) => void): () => void {
    if (this.#listeners.get(address)?.process.isAlive) throw new Error(`${address} is taken`)
    const listener = { process, accept }
    this.#listeners.set(address, listener)
    return () => {
      if (this.#listeners.get(address) === listener) this.#listeners.delete(address)
    }
  }

  /** Addresses at which somebody who lives listens. */
  listening(): string[] {
    return [...this.#listeners].filter(([, { process }]) => process.isAlive).map(([address]) => address)
  }

  dial(from: Process, address: string, kind: Kind, dialling: Dialling): void {
    let isOver = false
    const fail = (): void => {
      if (isOver) return
      isOver = true
      from.hear(() => dialling.failed())
    }
    from.after(LIMITS.connectTimeoutMs, fail)
    const listener = this.#listeners.get(address)
    if (listener?.process.isAlive !== true) {
      from.after(this.#random.between(0.1, 2), fail)
      return
    }
    const { process } = listener
    if (this.isCut(from, process) || this.isCut(process, from)) return
    this.timeline.after(this.delayMs(from, process), () => {
      if (this.#listeners.get(address) !== listener || !process.isAlive) {
        this.timeline.after(this.delayMs(process, from), fail)
        return
      }
      process.hear(() => {
        if (isOver || !from.isAlive) return
        isOver = true
        const connection = new Connection(this, [from, process], kind)
        const [near, far] = connection.ends
        // Lost before it was open.
        near.listen({ message: () => {}, closed: () => dialling.failed() })
        connection.arrive(near, () => {
          if (near.isOpen) dialling.open(near)
        })
        listener.accept(far)
      })
    })
  }
}
