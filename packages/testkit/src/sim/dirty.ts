/** Which pages were written, as the memory room tells it: pending for one subscriber until they are taken. */
import { PageSet } from '@godwit/protocol'

export class Dirty {
  readonly pageCount: number
  readonly #subscriptions = new Set<Subscription>()

  constructor(pageCount: number) {
    this.pageCount = pageCount
  }

  write(page: number): void {
    for (const { pending } of this.#subscriptions) pending.addRun({ firstPage: page, pageCount: 1 })
  }

  subscribe(): Subscription {
    const subscription = new Subscription(this.pageCount, () => this.#subscriptions.delete(subscription))
    this.#subscriptions.add(subscription)
    return subscription
  }
}

export class Subscription {
  pending: PageSet
  readonly end: () => void

  constructor(pageCount: number, end: () => void) {
    this.pending = new PageSet(pageCount)
    this.end = end
  }

  take(): PageSet {
    const pages = this.pending
    this.pending = new PageSet(pages.pageCount)
    return pages
  }

  putBack(pages: PageSet): void {
    this.pending.addAll(pages)
  }
}
