/**
 * Several at once may want to know what was written (a migration, a checkpoint), but collecting is destructive:
 * what one is told the tracker forgets. So nobody collects alone. What is found is ORed into a pending set for
 * each subscriber, and each takes from its own.
 *
 * The tracker is armed from the first subscriber to the last one's end: no cost at rest.
 *
 * Invariant: a page written while a subscription lasts is in its pending set from the next collect until it is
 * taken, whoever collected.
 */
import assert from 'node:assert/strict'
import { type PageRun, PageSet } from '@godwit/protocol'
import type { DirtyTracker } from './dirty-tracker.ts'

export class DirtyPages {
  readonly #tracker: DirtyTracker
  readonly #pending = new Map<Subscription, PageSet>()

  constructor(tracker: DirtyTracker) {
    this.#tracker = tracker
  }

  /** Pages watched while anybody subscribes. */
  get pageCount(): number {
    return this.#tracker.pageCount
  }

  get subscriberCount(): number {
    return this.#pending.size
  }

  /**
   * Joins with an empty pending set: what was written before is in `image`, which a subscriber copies whole when it
   * starts, after this call. Arms the tracker for the first. Throws as `arm` and `collect` do; then nobody joined.
   */
  subscribe(): Subscription {
    if (this.#pending.size === 0) this.#tracker.arm()
    else this.#collect() // What was written so far is the others' alone, and the shadow is as of now.
    const subscription: Subscription = {
      pageCount: this.#tracker.pageCount,
      image: () => {
        this.#pendingOf(subscription)
        return this.#tracker.image
      },
      pendingPageCount: () => this.#pendingOf(subscription).size,
      pendingPages: () => this.#pendingOf(subscription).runs(),
      collect: () => {
        this.#pendingOf(subscription)
        this.#collect()
      },
      take: () => {
        this.#pendingOf(subscription)
        this.#collect()
        const taken = this.#pendingOf(subscription)
        this.#pending.set(subscription, new PageSet(this.#tracker.pageCount))
        return taken
      },
      putBack: (pages) => this.#pendingOf(subscription).addAll(pages),
      end: () => {
        if (this.#pending.delete(subscription) && this.#pending.size === 0) this.#tracker.disarm()
      },
    }
    this.#pending.set(subscription, new PageSet(this.#tracker.pageCount))
    return subscription
  }

  #collect(): void {
    const written = this.#tracker.collect()
    if (written.size === 0) return
    for (const pending of this.#pending.values()) pending.addAll(written)
  }

  #pendingOf(subscription: Subscription): PageSet {
    const pending = this.#pending.get(subscription)
    assert(pending !== undefined, 'this subscription has ended')
    return pending
  }
}

/** One subscriber's view of what was written. Everything but `end` fails an assertion after `end`. */
export interface Subscription {
  readonly pageCount: number
  /** What pages are copied from (DirtyTracker.image). Ask again after another `subscribe` or `end`: arming anew replaces it. */
  image(): Buffer
  /** Pages pending as of the last collect; collects nothing. */
  pendingPageCount(): number
  /** The same pages, as runs: to be read at once. */
  pendingPages(): Iterable<PageRun>
  /** Asks the tracker, so that `pendingPageCount` is up to date; takes nothing. */
  collect(): void
  /** Collects, returns the pending set and starts a new, empty one. Copy the pages after this call, from `image`. */
  take(): PageSet
  /** Returns pages that were taken and didn't reach their receiver: the next take has them again. */
  putBack(pages: PageSet): void
  /** Leaves; the last to leave disarms the tracker. Harmless when repeated. */
  end(): void
}
