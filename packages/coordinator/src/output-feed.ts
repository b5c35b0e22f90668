/**
 * What followers of a workload are sent: its accepted steps, each once and in order, and changes of it and its
 * migration.
 *
 * A follower is a cursor into the history, nothing more: old steps and new ones take the same way, and one that
 * reads slowly falls behind instead of filling our memory. Changes wait for the cursor, as their latest version
 * only, so that nobody hears of an end before the last step.
 *
 * Invariants: a follower gets each step at most once, in order, without a gap unless the history forgot; of its
 * backlog at most about `HIGH_WATER_BYTES` lie in our buffers.
 */
import { type ClientEvent, LIMITS, type MigrationView, type WorkloadView } from '@godwit/protocol'
import type { Clock } from './clock.ts'
import type { OutputHistory } from './output-history.ts'

export const HIGH_WATER_BYTES = LIMITS.maxControlMessageBytes
/** How long a full buffer is left alone. */
const DRAIN_MS = 10
/** The least time between two changes of a workload that say nothing but "further". */
export const MODEST_INTERVAL_MS = 200

/** Where a follower's events go. */
export interface Sink {
  send(event: ClientEvent): void
  bufferedBytes(): number
}

export class Follower {
  readonly #feed: OutputFeed
  readonly #sink: Sink
  #cursor: number
  #started = false
  #workloadChanged = false
  readonly #migrations = new Map<string, MigrationView>()
  #cancelDrain: (() => void) | undefined

  /** From `fromStep` on, or from the next step to be accepted. Nothing is sent before `start`. */
  constructor(feed: OutputFeed, sink: Sink, fromStep: number) {
    this.#feed = feed
    this.#sink = sink
    this.#cursor = fromStep
  }

  /** Called once the reply that announces the events is sent. The backlog ends with the workload as it is. */
  start(): void {
    this.#started = true
    this.#workloadChanged = true
    this.pump()
  }

  stop(): void {
    this.#cancelDrain?.()
    this.#feed.remove(this)
  }

  workloadChanged(): void {
    this.#workloadChanged = true
  }

  migrationChanged(view: MigrationView): void {
    this.#migrations.set(view.id, view)
  }

  /** Sends what there is, as far as the sink takes it. */
  pump(): void {
    if (!this.#started || this.#cancelDrain !== undefined) return
    const { history } = this.#feed
    while (this.#cursor < history.nextStep) {
      if (this.#sink.bufferedBytes() > HIGH_WATER_BYTES) {
        this.#cancelDrain = this.#feed.clock.after(DRAIN_MS, () => {
          this.#cancelDrain = undefined
          this.pump()
        })
        return
      }
      const outputs = history.read(this.#cursor, LIMITS.maxOutputsPerMessage)
      this.#cursor = Math.max(this.#cursor, history.firstStep) + outputs.length
      this.#sink.send({ kind: 'steps', outputs })
    }
    for (const migration of this.#migrations.values()) this.#sink.send({ kind: 'migration', migration })
    this.#migrations.clear()
    if (!this.#workloadChanged) return
    this.#workloadChanged = false
    this.#sink.send({ kind: 'workload', workload: this.#feed.view() })
  }
}

export class OutputFeed {
  readonly history: OutputHistory
  readonly view: () => WorkloadView
  readonly #followers = new Set<Follower>()
  readonly clock: Clock
  readonly #changed: () => void
  #cancelModest: (() => void) | undefined
  #lastToldMs = Number.NEGATIVE_INFINITY

  /** `view` gives the workload as it is when it is asked; `changed` is told as often as followers are. */
  constructor(
    history: OutputHistory,
    view: () => WorkloadView,
    clock: Clock,
    changed: () => void = () => {},
  ) {
    this.clock = clock
    this.#changed = changed
    this.history = history
    this.view = view
  }

  /** `fromStep` undefined: from the next step on. */
  follow(sink: Sink, fromStep: number | undefined): Follower {
    const follower = new Follower(this, sink, fromStep ?? this.history.nextStep)
    this.#followers.add(follower)
    return follower
  }

  remove(follower: Follower): void {
    this.#followers.delete(follower)
  }

  /** Steps were added to the history. The workload's own progress follows at a modest rate. */
  stepsAdded(): void {
    for (const follower of this.#followers) follower.pump()
    if (this.#cancelModest !== undefined) return
    const restMs = this.#lastToldMs + MODEST_INTERVAL_MS - this.clock.nowMs()
    if (restMs <= 0) this.workloadChanged()
    else this.#cancelModest = this.clock.after(restMs, () => this.workloadChanged())
  }

  /** Status, host or epoch changed: told at once. */
  workloadChanged(): void {
    this.#cancelModest?.()
    this.#cancelModest = undefined
    this.#lastToldMs = this.clock.nowMs()
    this.#changed()
    for (const follower of this.#followers) {
      follower.workloadChanged()
      follower.pump()
    }
  }

  migrationChanged(view: MigrationView): void {
    for (const follower of this.#followers) {
      follower.migrationChanged(view)
      follower.pump()
    }
  }

  close(): void {
    this.#cancelModest?.()
    for (const follower of [...this.#followers]) follower.stop()
  }
}
