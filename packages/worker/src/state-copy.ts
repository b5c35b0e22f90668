/**
 * The last pages of a checkpoint, copied into memory: what the thread stands for, or no longer has to.
 *
 * What a step writes it writes in `apply`. A program that splits its step computes for a while after that, and writes nothing: so the thread is asked
 * to park at the end of that, pages are copied meanwhile, and when it stands next to nothing is left. (A program that rewrites 64 MiB a step
 * stood for 25 ms and more when it was parked right after writing them.) Nothing is lost with the delta that was computed by then: `compute` reads
 * the state that is saved and runs as often as it is asked.
 *
 * The copy is a second image of the arena, of which only pages that are in it are ever touched: address space costs nothing.
 *
 * Invariants: a page is collected before it is copied; when `finish` returns, each page of `pages` is here as it was then.
 */
import { copyBytes, type Subscription } from '@godwit/memory'
import { GodwitError, PAGE_BYTES, PageSet } from '@godwit/protocol'

/** Copied in one go while training runs: a fraction of a millisecond. */
const SLICE_PAGES = 256

export class StateCopy {
  readonly image: Buffer
  /** All that is in the copy. */
  readonly pages: PageSet
  readonly #subscription: Subscription
  readonly #mostBytes: number
  readonly #taken: PageSet
  readonly #left: PageSet

  /**
   * Of `pages` and of what is dirtied from now on, which is added to `taken`. `mostBytes`: what the host gives for it. Throws `out-of-memory`,
   * as everything here does, when it is more.
   */
  constructor(
    subscription: Subscription,
    { pages, taken, mostBytes }: { pages: PageSet; taken: PageSet; mostBytes: number },
  ) {
    this.#subscription = subscription
    this.#taken = taken
    this.#mostBytes = mostBytes
    this.pages = pages.copy()
    this.#left = pages.copy()
    this.#checkSize()
    this.image = Buffer.allocUnsafeSlow(pages.pageCount * PAGE_BYTES)
  }

  /** Takes what was dirtied since. */
  collect(): void {
    const dirtied = this.#subscription.take()
    this.#taken.addAll(dirtied)
    this.pages.addAll(dirtied)
    this.#left.addAll(dirtied)
    this.#checkSize()
  }

  /** Copies some of what was collected; false when nothing was left to copy. */
  copySome(): boolean {
    if (this.#left.size === 0) return false
    const slice = new PageSet(this.#left.pageCount)
    for (const { firstPage, pageCount } of this.#left.runs()) {
      slice.addRun({ firstPage, pageCount: Math.min(pageCount, SLICE_PAGES - slice.size) })
      if (slice.size === SLICE_PAGES) break
    }
    this.#copy(slice)
    return true
  }

  /** While the thread stands: the rest. */
  finish(): void {
    this.collect()
    this.#copy(this.#left)
  }

  #copy(pages: PageSet): void {
    const from = this.#subscription.image()
    for (const { firstPage, pageCount } of pages.runs()) {
      const [start, end] = [firstPage * PAGE_BYTES, (firstPage + pageCount) * PAGE_BYTES]
      copyBytes(this.image.subarray(start), from.subarray(start, end))
    }
    if (pages === this.#left) pages.clear()
    else this.#left.removeAll(pages)
  }

  #checkSize(): void {
    const bytes = this.pages.size * PAGE_BYTES
    if (bytes <= this.#mostBytes) return
    throw new GodwitError(
      'out-of-memory',
      `a checkpoint copies what a step writes, ${bytes} bytes here, and the host has ${this.#mostBytes} to give besides the job: give it more`,
    )
  }
}
