/**
 * Goal: over all streams each page of a set is framed exactly once, in order, on its stream, and no frame is over its
 * limits. Method: a property over random sets, zero pages and numbers of streams, against an oracle that looks at single
 * pages; and the cases in which a limit cuts.
 */
import { type EncodedRun, LIMITS, PAGE_BYTES, PageSet, rawPages } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planFrames, streamOf } from './frame-plan.ts'

/** An image in which exactly the pages of `raw` hold something: one byte, the first or the last. */
function imageOf(pageCount: number, raw: (page: number) => boolean): Buffer {
  const image = Buffer.alloc(pageCount * PAGE_BYTES)
  for (let page = 0; page < pageCount; page++) {
    if (raw(page)) image[page * PAGE_BYTES + (page % 2 === 0 ? 0 : PAGE_BYTES - 1)] = 1
  }
  return image
}

function setOf(pageCount: number, pages: Iterable<number>): PageSet {
  const set = new PageSet(pageCount)
  for (const page of pages) set.addRun({ firstPage: page, pageCount: 1 })
  return set
}

function pagesIn(runs: readonly EncodedRun[]): { page: number; encoding: string }[] {
  return runs.flatMap(({ firstPage, pageCount, encoding }) =>
    Array.from({ length: pageCount }, (_, index) => ({ page: firstPage + index, encoding })),
  )
}

/** Whether `page` could have gone into `frame` as well. */
function hasRoomFor(frame: readonly EncodedRun[], { firstPage, encoding }: EncodedRun): boolean {
  const last = frame.at(-1) as EncodedRun
  const joins = last.encoding === encoding && last.firstPage + last.pageCount === firstPage
  const fits = encoding === 'zero' || rawPages(frame) < LIMITS.maxFramePages
  return fits && (joins || frame.length < LIMITS.maxFrameRuns)
}

/** Throws unless `frames` are what `stream` has to send. */
function checkPlan(
  frames: readonly (readonly EncodedRun[])[],
  expected: readonly { page: number; encoding: string }[],
): void {
  expect(frames.flatMap(pagesIn)).toEqual(expected)
  for (const [index, frame] of frames.entries()) {
    expect(frame.length).toBeGreaterThan(0)
    expect(frame.length).toBeLessThanOrEqual(LIMITS.maxFrameRuns)
    expect(rawPages(frame)).toBeLessThanOrEqual(LIMITS.maxFramePages)
    for (const [at, run] of frame.entries()) {
      const before = frame[at - 1]
      if (before === undefined) continue
      const joins = before.firstPage + before.pageCount === run.firstPage
      expect(joins && before.encoding === run.encoding, 'two runs that are one').toBe(false)
    }
    const next = frames[index + 1]?.[0]
    if (next !== undefined) expect(hasRoomFor(frame, next), 'a frame that was cut too early').toBe(false)
  }
}

const PAGES = 700
/** Long stretches and single pages: both occur in real dirty sets. */
const stretches = fc.array(
  fc.record({
    first: fc.integer({ min: 0, max: PAGES - 1 }),
    length: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: PAGES })),
    stride: fc.integer({ min: 1, max: 3 }),
  }),
  { maxLength: 12 },
)

function pagesOf(all: readonly { first: number; length: number; stride: number }[]): Set<number> {
  return new Set(
    all.flatMap(({ first, length, stride }) =>
      Array.from({ length }, (_, index) => first + index * stride).filter((page) => page < PAGES),
    ),
  )
}

test('each page of the set is framed once, in order, on its stream, as what it is, within the limits', () => {
  fc.assert(
    fc.property(
      stretches,
      stretches,
      fc.integer({ min: 1, max: LIMITS.maxStreams }),
      (dirty, raw, streams) => {
        const [pages, rawOnes] = [pagesOf(dirty), pagesOf(raw)]
        const image = imageOf(PAGES, (page) => rawOnes.has(page))
        const set = setOf(PAGES, pages)
        const inOrder = [...pages].sort((a, b) => a - b)
        let framed = 0
        for (let stream = 0; stream < streams; stream++) {
          const frames = [...planFrames(set, image, { stream, streams })]
          const expected = inOrder
            .filter((page) => Math.floor(page / 64) % streams === stream)
            .map((page) => ({ page, encoding: rawOnes.has(page) ? 'raw' : 'zero' }))
          checkPlan(frames, expected)
          framed += expected.length
        }
        expect(framed).toBe(set.size)
      },
    ),
    { numRuns: 60 },
  )
})

test('the oracle finds a page that is missing, out of order, wrong, or in a frame that was cut too early', () => {
  const zero = (firstPage: number, pageCount = 1): EncodedRun => ({ firstPage, pageCount, encoding: 'zero' })
  const two = [
    { page: 3, encoding: 'zero' },
    { page: 5, encoding: 'zero' },
  ]
  checkPlan([[zero(3), zero(5)]], two)
  expect(() => checkPlan([[zero(3)]], two)).toThrow()
  expect(() => checkPlan([[zero(5), zero(3)]], two)).toThrow()
  expect(() => checkPlan([[zero(3), { ...zero(5), encoding: 'raw' }]], two)).toThrow()
  expect(() => checkPlan([[zero(3)], [zero(5)]], two)).toThrow('a frame that was cut too early')
  const neighbours = [
    { page: 3, encoding: 'zero' },
    { page: 4, encoding: 'zero' },
  ]
  expect(() => checkPlan([[zero(3), zero(4)]], neighbours)).toThrow('two runs that are one')
})

test('an empty set makes no frame', () => {
  expect([
    ...planFrames(
      new PageSet(10),
      imageOf(10, () => true),
      { stream: 0, streams: 1 },
    ),
  ]).toEqual([])
})

test('a frame is full at 64 raw pages; zero pages between them take no room', () => {
  const image = imageOf(300, (page) => page % 3 !== 2)
  const frames = [...planFrames(PageSet.full(300), image, { stream: 0, streams: 1 })]
  expect(frames.map((frame) => rawPages(frame))).toEqual([64, 64, 64, 8])
  const small = [...planFrames(PageSet.full(300), image, { stream: 0, streams: 1, framePages: 16 })]
  expect(small.map((frame) => rawPages(frame))).toEqual([...new Array(12).fill(16), 8])
  expect(small.flatMap(pagesIn)).toEqual(frames.flatMap(pagesIn))
})

test('a frame is cut when its runs are as many as it may have', () => {
  const pages = 2 * (LIMITS.maxFrameRuns + 10)
  const set = setOf(
    pages,
    Array.from({ length: pages / 2 }, (_, index) => 2 * index),
  )
  const frames = [...planFrames(set, Buffer.alloc(pages * PAGE_BYTES), { stream: 0, streams: 1 })]
  expect(frames.map((frame) => frame.length)).toEqual([LIMITS.maxFrameRuns, 10])
})

test('however large, memory of zeros is one run', () => {
  const image = Buffer.alloc(5000 * PAGE_BYTES)
  expect([...planFrames(PageSet.full(5000), image, { stream: 0, streams: 1 })]).toEqual([
    [{ firstPage: 0, pageCount: 5000, encoding: 'zero' }],
  ])
})

test('blocks of 64 neighbouring pages go round the streams in turn', () => {
  expect([0, 63, 64, 191, 192].map((page) => streamOf(page, 3))).toEqual([0, 0, 1, 2, 0])
})
