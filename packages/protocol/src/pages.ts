/**
 * Pages and sets of pages: the unit in which memory is watched, sent and counted.
 *
 * A `PageSet` is a bitmap, because the two things that happen to it are "OR in what the kernel found" and "give
 * me the runs in ascending order", and both are a walk over words. 4 GiB of memory make a bitmap of 128 KiB.
 *
 * Invariant: bits at and past `pageCount` are always zero.
 */
import { GodwitError } from './errors.ts'

/** Bytes in a page: the x86-64 and arm64 base page, and the grain of the kernel's dirty tracking. */
export const PAGE_BYTES = 4096

/** A stretch of neighbouring pages. `pageCount` is at least 1. */
export interface PageRun {
  readonly firstPage: number
  readonly pageCount: number
}

export class PageSet {
  readonly pageCount: number
  readonly #words: Uint32Array
  #size = 0

  /** An empty set of pages numbered from 0 to `pageCount` - 1. */
  constructor(pageCount: number) {
    if (!Number.isInteger(pageCount) || pageCount < 0) throw new RangeError(`page count ${pageCount}`)
    this.pageCount = pageCount
    this.#words = new Uint32Array((pageCount + 31) >>> 5)
  }

  static full(pageCount: number): PageSet {
    const set = new PageSet(pageCount)
    if (pageCount > 0) set.addRun({ firstPage: 0, pageCount })
    return set
  }

  /** Pages in the set. */
  get size(): number {
    return this.#size
  }

  get isFull(): boolean {
    return this.#size === this.pageCount
  }

  has(page: number): boolean {
    return (
      page >= 0 && page < this.pageCount && (((this.#words[page >>> 5] as number) >>> (page & 31)) & 1) === 1
    )
  }

  /** Whether every page of the run is in the set. */
  hasRun({ firstPage, pageCount }: PageRun): boolean {
    for (let page = firstPage; page < firstPage + pageCount; page++) if (!this.has(page)) return false
    return true
  }

  /** Adds every page of the run. Throws `out-of-range` when the run leaves the set's range; then nothing was added. */
  addRun({ firstPage, pageCount }: PageRun): void {
    if (!(firstPage >= 0 && pageCount >= 1 && firstPage + pageCount <= this.pageCount)) {
      throw new GodwitError(
        'out-of-range',
        `pages ${firstPage}+${pageCount} lie outside the ${this.pageCount} pages of the arena`,
      )
    }
    const end = firstPage + pageCount
    for (let page = firstPage; page < end; ) {
      const inWord = page & 31
      const take = Math.min(32 - inWord, end - page)
      const mask = take === 32 ? 0xffffffff : ((1 << take) - 1) << inWord
      this.#or(page >>> 5, mask)
      page += take
    }
  }

  /** ORs `other` in. Both must cover the same number of pages. */
  addAll(other: PageSet): void {
    if (other.pageCount !== this.pageCount)
      throw new RangeError(`sets of ${this.pageCount} and ${other.pageCount} pages`)
    for (let word = 0; word < this.#words.length; word++) this.#or(word, other.#words[word] as number)
  }

  /** Takes out every page of `other`. Both must cover the same number of pages. */
  removeAll(other: PageSet): void {
    if (other.pageCount !== this.pageCount)
      throw new RangeError(`sets of ${this.pageCount} and ${other.pageCount} pages`)
    for (let word = 0; word < this.#words.length; word++) {
      const before = this.#words[word] as number
      const after = (before & ~(other.#words[word] as number)) >>> 0
      this.#words[word] = after
      this.#size += bitCount(after) - bitCount(before)
    }
  }

  clear(): void {
    this.#words.fill(0)
    this.#size = 0
  }

  copy(): PageSet {
    const set = new PageSet(this.pageCount)
    set.addAll(this)
    return set
  }

  /** The set as runs in ascending order, each as long as it can be. */
  *runs(): Generator<PageRun> {
    let firstPage = -1
    for (let word = 0; word < this.#words.length; word++) {
      const bits = this.#words[word] as number
      if (bits === 0 && firstPage < 0) continue
      if (bits === 0xffffffff && firstPage >= 0) continue
      for (let bit = 0; bit < 32; bit++) {
        const page = (word << 5) + bit
        if (((bits >>> bit) & 1) === 1) {
          if (firstPage < 0) firstPage = page
        } else if (firstPage >= 0) {
          yield { firstPage, pageCount: page - firstPage }
          firstPage = -1
        }
      }
    }
    if (firstPage >= 0) yield { firstPage, pageCount: this.pageCount - firstPage }
  }

  #or(word: number, mask: number): void {
    const before = this.#words[word] as number
    const after = (before | mask) >>> 0
    if (after === before) return
    this.#words[word] = after
    this.#size += bitCount(after) - bitCount(before)
  }
}

/** Bits set in a 32-bit word (the parallel sum of Hacker's Delight, section 5-1). */
function bitCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555)
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333)
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
