/**
 * Simulated time: what will happen, in order. Nothing takes time but waiting, so that an hour passes at once.
 *
 * Invariant: what is due at the same instant happens in the order in which it was planned.
 */

interface Planned {
  readonly atMs: number
  readonly order: number
  action: (() => void) | undefined
}

export class Timeline {
  /** A binary heap, the next one first. */
  readonly #heap: Planned[] = []
  #order = 0
  #nowMs = 0
  /** So many things have happened. */
  happened = 0

  get nowMs(): number {
    return this.#nowMs
  }

  /** Plans `action`; returns what prevents it. */
  after(delayMs: number, action: () => void): () => void {
    const planned: Planned = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, action }
    this.#push(planned)
    return () => {
      planned.action = undefined
    }
  }

  /** Makes the next thing happen; false when there is none up to `untilMs`, where time then stands. */
  step(untilMs: number): boolean {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs)
        return false
      }
      this.#pop()
      if (next.action === undefined) continue
      this.#nowMs = next.atMs
      this.happened += 1
      next.action()
      return true
    }
  }

  #push(planned: Planned): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(planned)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(planned, heap[parent] as Planned)) break
      heap[at] = heap[parent] as Planned
      at = parent
    }
    heap[at] = planned
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Planned
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Planned, heap[child] as Planned)) child += 1
      if (!isBefore(heap[child] as Planned, last)) break
      heap[at] = heap[child] as Planned
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
