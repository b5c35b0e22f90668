/**
 * Who follows what programs print: each a cursor into the lines that are kept, so that old ones and new ones take the same way, and one
 * who reads slowly falls behind instead of filling our memory.
 *
 * Invariant: a follower is told each line once and in order, unless it fell behind by more than is kept.
 */
import type { Followed } from './client-connection.ts'
import type { Clock } from './clock.ts'
import { HIGH_WATER_BYTES, type Sink } from './output-feed.ts'
import type { ProgramLogs } from './program-logs.ts'

/** How long a full buffer is left alone. */
const DRAIN_MS = 20

export interface LogFeedEdge {
  readonly logs: ProgramLogs
  readonly clock: Clock
  /** The job is over, and no worker of it can print any more. */
  isOver(workload: string): boolean
  failed(error: unknown): void
}

export class LogFeed {
  readonly #edge: LogFeedEdge
  readonly #followers = new Map<string, Set<LogFollower>>()

  constructor(edge: LogFeedEdge) {
    this.#edge = edge
  }

  follow(workload: string, sink: Sink, fromLine: number): Followed {
    const followers = this.#followers.get(workload) ?? new Set()
    this.#followers.set(workload, followers)
    const follower = new LogFollower(this.#edge, { workload, sink, fromLine }, () => {
      followers.delete(follower)
      if (followers.size === 0) this.#followers.delete(workload)
    })
    followers.add(follower)
    return follower
  }

  /** There are new lines, or it may be over. */
  changed(workload: string): void {
    for (const follower of this.#followers.get(workload) ?? []) follower.pump()
  }

  close(): void {
    for (const followers of this.#followers.values()) for (const each of followers) each.stop()
  }
}

class LogFollower implements Followed {
  readonly #edge: LogFeedEdge
  readonly #workload: string
  readonly #sink: Sink
  readonly #left: () => void
  #nextLine: number
  #state: 'waiting' | 'idle' | 'reading' | 'readAgain' | 'stopped' = 'waiting'
  #cancelDrain: () => void = () => {}

  constructor(
    edge: LogFeedEdge,
    { workload, sink, fromLine }: { workload: string; sink: Sink; fromLine: number },
    left: () => void,
  ) {
    this.#edge = edge
    this.#workload = workload
    this.#sink = sink
    this.#nextLine = fromLine
    this.#left = left
  }

  start(): void {
    if (this.#state !== 'waiting') return
    this.#state = 'idle'
    this.pump()
  }

  stop(): void {
    this.#state = 'stopped'
    this.#cancelDrain()
    this.#left()
  }

  pump(): void {
    if (this.#state === 'reading') this.#state = 'readAgain'
    if (this.#state !== 'idle') return
    this.#state = 'reading'
    this.#read().catch((error: unknown) => {
      this.stop()
      this.#edge.failed(error)
    })
  }

  async #read(): Promise<void> {
    for (;;) {
      await this.#drained()
      // Asked before they are read: what comes later is read again.
      const isOver = this.#edge.isOver(this.#workload)
      const { lines, nextLine } = await this.#edge.logs.read(this.#workload, this.#nextLine)
      if (this.#isStopped) return
      this.#nextLine = Math.max(this.#nextLine, (lines.at(-1)?.line ?? -1) + 1)
      const isAll = this.#nextLine >= nextLine
      if (lines.length > 0 || (isAll && isOver))
        this.#sink.send({ kind: 'logs', lines, isOver: isAll && isOver })
      if (!isAll || this.#wantsMore()) continue
      this.#state = 'idle'
      return
    }
  }

  get #isStopped(): boolean {
    return this.#state === 'stopped'
  }

  #wantsMore(): boolean {
    if (this.#state !== 'readAgain') return false
    this.#state = 'reading'
    return true
  }

  async #drained(): Promise<void> {
    while (!this.#isStopped && this.#sink.bufferedBytes() > HIGH_WATER_BYTES) {
      await new Promise<void>((resolve) => {
        const cancel = this.#edge.clock.after(DRAIN_MS, resolve)
        this.#cancelDrain = () => {
          cancel()
          resolve()
        }
      })
    }
  }
}
