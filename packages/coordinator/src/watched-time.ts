/**
 * Time in which a coordinator of this cluster ran: the age of what is over, and of what is away, is counted in it.
 *
 * The intuition: a calendar may be set wrong, by years, and be right again a minute later; whoever believed it in between has
 * forgotten everything. So the calendar is asked once in a store's life, for a number to begin with, and from then on time passes as
 * the monotonic clock says. What is reached is written down at every look (forgetting.ts), and the next coordinator goes on from
 * there: time in which none ran counts for nothing, so that what is over is kept longer than was promised, and never shorter.
 *
 * Invariant: while a coordinator runs it grows by what the monotonic clock does; from one coordinator to the next it falls back by no
 * more than the time between two looks.
 */
import { decodeValue } from '@godwit/protocol'
import type { Clock } from './clock.ts'
import type { KeyValueStore } from './key-value.ts'
import { KEYS, writeOf } from './records.ts'

export class WatchedTime {
  readonly #store: KeyValueStore
  readonly #clock: Clock
  readonly #offsetMs: number

  private constructor(store: KeyValueStore, clock: Clock, startMs: number) {
    this.#store = store
    this.#clock = clock
    this.#offsetMs = startMs - clock.nowMs()
  }

  /** Goes on from what an earlier coordinator kept. Errors: those of the store. */
  static async open(store: KeyValueStore, clock: Clock): Promise<WatchedTime> {
    const entry = await store.get(KEYS.watched)
    if (entry !== undefined) {
      const { ms } = decodeValue(entry.value) as { ms: number }
      return new WatchedTime(store, clock, ms)
    }
    const first = new WatchedTime(store, clock, clock.calendarMs())
    await first.keep()
    return first
  }

  /** Milliseconds since some instant that is the same for all coordinators of this store. */
  get nowMs(): number {
    return this.#offsetMs + this.#clock.nowMs()
  }

  /** Errors: those of the store. */
  async keep(): Promise<void> {
    const { key, value } = writeOf(KEYS.watched, { ms: this.nowMs })
    if (value !== undefined) await this.#store.put(key, value)
  }
}
