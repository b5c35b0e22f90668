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
  HEADER_BYTES,
  MAX_FRAME_BYTES,
  rawPages,
} from './bulk-frame.ts'
import { GodwitError } from './errors.ts'
import { PAGE_BYTES } from './pages.ts'

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
  return Buffer.from(encodePagesFrame(Buffer.alloc(MAX_FRAME_BYTES), header, runs, image))
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
    ['encoding', u32(3, 40), 'bad-frame'],
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
