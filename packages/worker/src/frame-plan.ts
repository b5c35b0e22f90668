/**
 * Cuts a set of pages into frames for each stream.
 *
 * A page always travels on the same stream, so that an older copy can't overtake a newer one: blocks of 64
 * neighbouring pages go round the streams in turn. Pages of zeros become runs without payload.
 */
import { isZeroPage } from '@godwit/memory'
import { type EncodedRun, LIMITS, PAGE_BYTES, type PageSet } from '@godwit/protocol'

const BLOCK_PAGES = LIMITS.maxFramePages

/** The stream on which a page travels. */
export function streamOf(page: number, streams: number): number {
  return Math.floor(page / BLOCK_PAGES) % streams
}

/** The runs of one frame after the other for `stream`. Whether a page is zero is asked when its frame is made. */
export function* planFrames(
  pages: PageSet,
  image: Buffer,
  { stream, streams }: { stream: number; streams: number },
): Generator<EncodedRun[]> {
  let runs: EncodedRun[] = []
  let payloadPages = 0
  for (const page of pagesOf(pages, stream, streams)) {
    const encoding = isZeroPage(image, page * PAGE_BYTES) ? 'zero' : 'raw'
    const last = runs.at(-1)
    const extends_ =
      last !== undefined && last.encoding === encoding && last.firstPage + last.pageCount === page
    const full = encoding === 'raw' ? payloadPages === LIMITS.maxFramePages : false
    if (full || (!extends_ && runs.length === LIMITS.maxFrameRuns)) {
      yield runs
      runs = []
      payloadPages = 0
    }
    if (extends_ && runs.length > 0) runs[runs.length - 1] = { ...last, pageCount: last.pageCount + 1 }
    else runs.push({ firstPage: page, pageCount: 1, encoding })
    if (encoding === 'raw') payloadPages += 1
  }
  if (runs.length > 0) yield runs
}

function* pagesOf(pages: PageSet, stream: number, streams: number): Generator<number> {
  for (const { firstPage, pageCount } of pages.runs()) {
    for (let page = firstPage; page < firstPage + pageCount; page++) {
      if (streams === 1 || streamOf(page, streams) === stream) yield page
    }
  }
}
