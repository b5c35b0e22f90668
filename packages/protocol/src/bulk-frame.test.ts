/**
 * Goal: pages come out of a frame as they went in, and no bytes from outside get past the decoder.
 * Method: round trips over random runs; mutations of every byte, truncation, and frames re-sealed with a correct
 * checksum around wrong contents, so that the checks behind the checksum are reached as well.
 */
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeFrame,
  type EncodedRun,
  encodePagesFrame,
  encodeRoundEnd,
  encodeXorFrame,
  HEADER_BYTES,
  MAX_FRAME_BYTES,
  RUN_BYTES,
  rawPages,
  xorPages,
} from './bulk-frame.ts'
import { GodwitError } from './errors.ts'
import { LIMITS } from './limits.ts'
import { PAGE_BYTES } from './pages.ts'
import { isWorthXor, PLANE_PAGE_BYTES } from './xor-section.ts'

const pageCount = 50
const image = Uint8Array.from(
  { length: pageCount * PAGE_BYTES },
  (_, index) => (index * 31 + (index >>> 12)) & 255,
)
const header = { version: 1, stream: 3, round: 7, sequence: 0xfffffffe }
const runs: fc.Arbitrary<EncodedRun[]> = fc.array(
  fc.record({
    firstPage: fc.nat(40),
    pageCount: fc.integer({ min: 1, max: 6 }),
    encoding: fc.constantFrom('raw', 'zero'),
  }),
  { maxLength: 10 },
)

function encode(runs: readonly EncodedRun[]): Buffer {
  return Buffer.from(encodePagesFrame(Buffer.alloc(MAX_FRAME_BYTES), header, { runs, image }))
}

function reseal(frame: Buffer): Buffer {
  frame.writeUInt32LE(crc32(frame.subarray(HEADER_BYTES), crc32(frame.subarray(0, 28))), 28)
  return frame
}

test('runs and pages come out as they went in', () => {
  fc.assert(
    fc.property(runs, (list) => {
      const frame = decodeFrame(encode(list), pageCount, 1)
      if (frame.kind !== 'pages') throw new Error(frame.kind)
      expect(frame).toMatchObject({ ...header, runs: list })
      const raw = list.filter((run) => run.encoding === 'raw')
      const expected = raw.map((run) =>
        image.subarray(run.firstPage * PAGE_BYTES, (run.firstPage + run.pageCount) * PAGE_BYTES),
      )
      expect(Buffer.concat(expected).equals(frame.payload)).toBe(true)
      expect(frame.payload.length).toBe(rawPages(list) * PAGE_BYTES)
    }),
  )
})

test('an end of round is a header alone', () => {
  expect(decodeFrame(encodeRoundEnd(header), pageCount, 1)).toEqual({ kind: 'roundEnd', ...header })
})

test('any changed or missing byte is noticed', () => {
  const good = encode([
    { firstPage: 2, pageCount: 2, encoding: 'raw' },
    { firstPage: 9, pageCount: 1, encoding: 'zero' },
  ])
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Buffer.from(good)
      changed.writeUInt8(changed.readUInt8(at) ^ flip, at)
      expect(() => decodeFrame(changed, pageCount, 1)).toThrow(GodwitError)
      expect(() => decodeFrame(good.subarray(0, at), pageCount, 1)).toThrow(GodwitError)
    }),
    { numRuns: 2000 },
  )
})

test('a frame sealed correctly around wrong contents is still refused', () => {
  const good = encode([{ firstPage: 2, pageCount: 2, encoding: 'raw' }])
  const u8 = (value: number, at: number) => (frame: Buffer) => frame.writeUInt8(value, at)
  const u32 = (value: number, at: number) => (frame: Buffer) => frame.writeUInt32LE(value, at)
  const cases: [string, (frame: Buffer) => number, string][] = [
    ['magic', u32(1, 0), 'bad-frame'],
    ['kind', u8(9, 5), 'bad-frame'],
    ['codec', u8(9, 6), 'bad-frame'],
    ['reserved', u32(1, 24), 'bad-frame'],
    ['version', u8(2, 4), 'protocol-version'],
    ['runs over the limit', u32(0xffffffff, 16), 'too-large'],
    ['payload over the limit', u32(0xffffffff, 20), 'too-large'],
    ['payload that is not there', u32(PAGE_BYTES, 20), 'bad-frame'],
    ['first page outside', u32(pageCount, 32), 'out-of-range'],
    ['page count that overflows', u32(0xffffffff, 36), 'out-of-range'],
    ['no pages', u32(0, 36), 'out-of-range'],
    ['fewer pages than payload', u32(1, 36), 'bad-frame'],
    ['encoding', u32(4, 40), 'bad-frame'],
    ['an xor run in a raw frame', u32(3, 40), 'bad-frame'],
    ['codec xor without an xor run', u8(2, 6), 'bad-frame'],
    ['zero run with payload', u32(2, 40), 'bad-frame'],
    ['an end of round with data', u8(2, 5), 'bad-frame'],
  ]
  for (const [name, change, kind] of cases) {
    const frame = Buffer.from(good)
    change(frame)
    expect(() => decodeFrame(reseal(frame), pageCount, 1), name).toThrow(expect.objectContaining({ kind }))
  }
  expect(() => decodeFrame(Buffer.alloc(MAX_FRAME_BYTES + 1), pageCount, 1)).toThrow(
    expect.objectContaining({ kind: 'too-large' }),
  )
})

/** Ascending runs with gaps, one of them xor at least, within what a frame takes. */
const xorRuns: fc.Arbitrary<EncodedRun[]> = fc
  .array(
    fc.record({
      gap: fc.nat(2),
      pageCount: fc.integer({ min: 1, max: 4 }),
      encoding: fc.constantFrom('raw', 'zero', 'xor'),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((steps) => {
    let end = 0
    return steps.map(({ gap, pageCount, encoding }) => {
      const firstPage = end + gap
      end = firstPage + pageCount
      return { firstPage, pageCount, encoding } as const
    })
  })
  .filter((runs) => xorPages(runs) > 0)

/** Planes of `pages` pages, the first two stored, the others of some length in between. */
function planesOf(pages: number, share = 0.5): Uint8Array[] {
  const whole = pages * PLANE_PAGE_BYTES
  return [whole, whole, Math.ceil(whole * share), 1].map((length, plane) =>
    new Uint8Array(length).fill(plane),
  )
}

function encodeXor(runs: readonly EncodedRun[], planes = planesOf(xorPages(runs))): Buffer {
  return Buffer.from(encodeXorFrame(Buffer.alloc(MAX_FRAME_BYTES), header, { runs, image, planes }))
}

test('raw, zero and xor runs come out of one frame as they went in', () => {
  fc.assert(
    fc.property(xorRuns, fc.double({ min: 0.01, max: 1, noNaN: true }), (list, share) => {
      const planes = planesOf(xorPages(list), share)
      const frame = decodeFrame(encodeXor(list, planes), pageCount, 1)
      if (frame.kind !== 'pages') throw new Error(frame.kind)
      expect(frame).toMatchObject({ ...header, runs: list })
      const raw = list.filter((run) => run.encoding === 'raw')
      const expected = raw.map((run) =>
        image.subarray(run.firstPage * PAGE_BYTES, (run.firstPage + run.pageCount) * PAGE_BYTES),
      )
      expect(Buffer.concat(expected).equals(frame.payload)).toBe(true)
      expect(frame.planes?.map((plane) => [...plane])).toEqual(planes.map((plane) => [...plane]))
    }),
  )
})

test('what can not travel is not encoded', () => {
  const run = (firstPage: number, pages: number, encoding: EncodedRun['encoding']): EncodedRun => ({
    firstPage,
    pageCount: pages,
    encoding,
  })
  const stored = Array.from({ length: 4 }, () => new Uint8Array(PLANE_PAGE_BYTES))
  expect(isWorthXor(stored, 1)).toBe(false)
  expect(() => encodeXor([run(0, 1, 'xor')], stored)).toThrow()
  expect(() => encodeXor([run(0, 1, 'xor')], planesOf(1).slice(1))).toThrow()
  expect(() => encodeXor([run(0, 2, 'xor'), run(1, 1, 'raw')])).toThrow()
  expect(() => encodeXor([run(0, LIMITS.maxFramePages, 'xor'), run(64, 1, 'raw')])).toThrow()
  expect(() => encode([run(0, 1, 'xor')])).toThrow()
})

test('an xor frame sealed correctly around wrong contents is still refused', () => {
  const good = encodeXor([
    { firstPage: 2, pageCount: 1, encoding: 'raw' },
    { firstPage: 3, pageCount: 2, encoding: 'xor' },
  ])
  const sectionAt = HEADER_BYTES + 2 * RUN_BYTES + PAGE_BYTES
  const u32 = (value: number, at: number) => (frame: Buffer) => frame.writeUInt32LE(value, at)
  const cases: [string, (frame: Buffer) => number, string][] = [
    ['codec raw', (frame) => frame.writeUInt8(1, 6), 'bad-frame'],
    ['a codec that is none', (frame) => frame.writeUInt8(3, 6), 'bad-frame'],
    ['a reserved field', u32(1, 24), 'bad-frame'],
    ['runs that overlap', u32(1, 44), 'bad-frame'],
    ['a page twice', u32(2, 44), 'bad-frame'],
    ['xor pages outside', u32(pageCount - 1, 44), 'out-of-range'],
    ['xor pages that overflow', u32(0xffffffff, 48), 'out-of-range'],
    ['more xor pages than a frame holds', u32(64, 48), 'out-of-range'],
    ['fewer xor pages than planes', u32(1, 48), 'bad-frame'],
    ['raw pages that the payload has not', u32(2, 36), 'bad-frame'],
    ['all zero', u32(2, 52), 'bad-frame'],
    ['all raw', u32(1, 52), 'bad-frame'],
    ['an empty plane', u32(0, sectionAt), 'bad-frame'],
    ['a plane that is longer than its pages', u32(2 * PLANE_PAGE_BYTES + 1, sectionAt), 'bad-frame'],
    ['a plane that goes on behind the frame', u32(2 * PLANE_PAGE_BYTES, sectionAt + 12), 'bad-frame'],
    ['a plane of four billion bytes', u32(0xffffffff, sectionAt + 4), 'bad-frame'],
    ['bytes behind the planes', u32(1, sectionAt + 8), 'bad-frame'],
  ]
  expect(decodeFrame(good, pageCount, 1)).toMatchObject({ kind: 'pages' })
  for (const [name, change, kind] of cases) {
    const frame = Buffer.from(good)
    change(frame)
    expect(() => decodeFrame(reseal(frame), pageCount, 1), name).toThrow(expect.objectContaining({ kind }))
  }
})

test('a frame may not decode to more than it could carry raw', () => {
  const big = encodeXor([{ firstPage: 0, pageCount: 40, encoding: 'xor' }])
  const frame = Buffer.from(big)
  frame.writeUInt32LE(LIMITS.maxFramePages + 1, HEADER_BYTES + 4)
  expect(() => decodeFrame(reseal(frame), 1000, 1)).toThrow(expect.objectContaining({ kind: 'too-large' }))
})

test('whatever stands behind the header of a sealed frame, the decoder answers or throws a typed error', () => {
  const anyNumber = fc.oneof(fc.nat(4), fc.nat(70), fc.nat(0xffffffff))
  const body = fc.record({
    codec: fc.integer({ min: 0, max: 3 }),
    runs: fc.array(fc.tuple(anyNumber, anyNumber, fc.nat(4)), { maxLength: 4 }),
    // Often nothing, so that some of them are whole frames.
    lengths: fc.oneof(
      fc.constant([]),
      fc.array(fc.oneof(anyNumber, fc.constant(PLANE_PAGE_BYTES)), { maxLength: 5 }),
    ),
    pages: fc.nat(2),
    tail: fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ maxLength: 40 })),
  })
  let decoded = 0
  fc.assert(
    fc.property(body, ({ codec, runs, lengths, pages, tail }) => {
      const words = Uint32Array.from([...runs.flat(), ...lengths])
      const rest = Buffer.concat([Buffer.from(words.buffer), Buffer.alloc(pages * PAGE_BYTES), tail])
      const frame = Buffer.concat([encodeRoundEnd(header), rest])
      frame.writeUInt8(1, 5)
      frame.writeUInt8(codec, 6)
      frame.writeUInt32LE(runs.length, 16)
      frame.writeUInt32LE(rest.length - runs.length * RUN_BYTES, 20)
      try {
        decodeFrame(reseal(frame), pageCount, 1)
        decoded += 1
      } catch (error) {
        expect(error).toBeInstanceOf(GodwitError)
      }
    }),
    { numRuns: 3000 },
  )
  expect(decoded).toBeGreaterThan(0)
})
