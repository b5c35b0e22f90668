/**
 * Cuts a set of pages into frames for each stream.
 *
 * A page always travels on the same stream, so that an older copy can't overtake a newer one: blocks of 64
 * neighbouring pages go round the streams in turn. Pages of zeros become runs without payload.
 *
 * A migration of a small job is over before code that is run for each page has been optimized: so as little as
 * possible is done for a page here, and everything else for a run.
 */
import { isZeroPage } from '@godwit/memory'
import { type EncodedRun, LIMITS, PAGE_BYTES, type PageSet, type RunEncoding } from '@godwit/protocol'

const BLOCK_PAGES = LIMITS.maxFramePages

/** The stream on which a page travels. */
export function streamOf(page: number, streams: number): number {
  return Math.floor(page / BLOCK_PAGES) % streams
}

/** The runs of one frame after the other for `stream`, at most `framePages` of payload each. Whether a page is zero is asked when its frame is made. */
export function* planFrames(
  pages: PageSet,
  image: Buffer,
  {
    stream,
    streams,
    framePages = LIMITS.maxFramePages,
  }: { stream: number; streams: number; framePages?: number },
): Generator<EncodedRun[]> {
  let frame = new OpenFrame(framePages)
  for (const { firstPage, pageCount } of pages.runs()) {
    const end = firstPage + pageCount
    for (let page = firstPage; page < end; ) {
      // With several streams a run is cut where the stream changes.
      const stop = streams === 1 ? end : Math.min(end, (Math.floor(page / BLOCK_PAGES) + 1) * BLOCK_PAGES)
      if (streams !== 1 && streamOf(page, streams) !== stream) {
        page = stop
        continue
      }
      for (; page < stop; page++) {
        const encoding = isZeroAt(image, page * PAGE_BYTES) ? 'zero' : 'raw'
        if (frame.add(page, encoding)) continue
        yield frame.runs
        frame = new OpenFrame(framePages)
        frame.add(page, encoding)
      }
    }
  }
  if (frame.runs.length > 0) yield frame.runs
}

/** Most pages of a model begin with something: they are not compared. */
function isZeroAt(image: Buffer, byteOffset: number): boolean {
  return image[byteOffset] === 0 && isZeroPage(image, byteOffset)
}

interface OpenRun extends EncodedRun {
  pageCount: number
}

class OpenFrame {
  readonly runs: OpenRun[] = []
  readonly #maxRawPages: number
  #last: OpenRun | undefined
  #nextPage = 0
  #rawPages = 0

  constructor(maxRawPages: number) {
    this.#maxRawPages = maxRawPages
  }

  /** False when the frame has no room for the page. */
  add(page: number, encoding: RunEncoding): boolean {
    if (encoding === 'raw' && this.#rawPages === this.#maxRawPages) return false
    if (this.#last !== undefined && this.#nextPage === page && this.#last.encoding === encoding) {
      this.#last.pageCount += 1
    } else {
      if (this.runs.length === LIMITS.maxFrameRuns) return false
      this.#last = { firstPage: page, pageCount: 1, encoding }
      this.runs.push(this.#last)
    }
    this.#nextPage = page + 1
    if (encoding === 'raw') this.#rawPages += 1
    return true
  }
}
