/**
 * What became of each page of a migration, and a picture of it for whoever looks.
 *
 * Of each run of pages that leaves the round is noted: a byte for each page, written where the set of what has left is written too. A picture is made
 * only while somebody looks, a few times a second, from that and from the pages that wait; nothing is collected for it, so what was written since
 * the latest collection is not yet seen in it.
 *
 * Invariant: nothing is made for `picturesMs` after somebody last said that somebody looks.
 */
import {
  cellsOf,
  type EncodedRun,
  LIMITS,
  PAGE_DIRTY,
  PAGE_LEFT,
  PAGE_ZERO,
  type PagePicture,
  type PageRun,
  pageSentIn,
  pagesPerCellOf,
  runsOfCells,
} from '@godwit/protocol'

/** Unchanged it is told this often, to those who have begun to look meanwhile. */
const UNCHANGED_EVERY_MS = 1_000

export class PagePictures {
  /** What each page was when it was sent last. */
  readonly #sent: Uint8Array
  #round = 0
  #wantedUntilMs = Number.NEGATIVE_INFINITY
  #madeMs = Number.NEGATIVE_INFINITY
  #toldMs = Number.NEGATIVE_INFINITY
  #told: Uint8Array | undefined

  constructor(pageCount: number) {
    this.#sent = new Uint8Array(pageCount)
  }

  /** These pages have left. */
  sent(round: number, { firstPage, pageCount, encoding }: EncodedRun): void {
    this.#round = round
    this.#sent.fill(encoding === 'zero' ? PAGE_ZERO : pageSentIn(round), firstPage, firstPage + pageCount)
  }

  /** Somebody looks. */
  wanted(nowMs: number): void {
    if (nowMs >= this.#wantedUntilMs) this.#told = undefined
    this.#wantedUntilMs = nowMs + LIMITS.picturesMs
  }

  /** Whether one is due. */
  isDue(nowMs: number): boolean {
    return nowMs < this.#wantedUntilMs && nowMs - this.#madeMs >= LIMITS.pictureEveryMs
  }

  /** A picture, unless it is the one that was told a moment ago. `waiting`: pages that are to be sent, once more or for the first time. */
  make(nowMs: number, waiting: Iterable<PageRun>): PagePicture | undefined {
    this.#madeMs = nowMs
    const states = this.#sent.slice()
    for (const { firstPage, pageCount } of waiting) {
      for (let page = firstPage; page < firstPage + pageCount; page++)
        if (states[page] !== PAGE_LEFT) states[page] = PAGE_DIRTY
    }
    const pagesPerCell = pagesPerCellOf(states.length)
    const runs = runsOfCells(cellsOf(states, pagesPerCell))
    const isNew = this.#told === undefined || Buffer.compare(this.#told, runs) !== 0
    if (!isNew && nowMs - this.#toldMs < UNCHANGED_EVERY_MS) return undefined
    this.#told = runs
    this.#toldMs = nowMs
    return { pageCount: states.length, pagesPerCell, round: this.#round, runs }
  }
}
