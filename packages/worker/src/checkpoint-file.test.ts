/**
 * Goal: what is read of a checkpoint's files is what was written, or a typed error. Method: properties over manifests, over segments cut into
 * pieces of any size, and over bytes that are none.
 */
import {
  type CheckpointManifest,
  encodePagesFrame,
  encodeRoundEnd,
  LIMITS,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
} from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeManifest,
  encodeManifest,
  FRAME_VERSION,
  type PagesFrame,
  SegmentFrames,
  segmentFile,
  segmentName,
} from './checkpoint-file.ts'
import { identity, manifestAt } from './support/checkpointed-job.ts'

const manifests: fc.Arbitrary<CheckpointManifest> = fc.record({
  workload: fc.constant('job'),
  identity: fc.constant(identity),
  step: fc.nat(),
  epoch: fc.integer({ min: 1, max: 1_000_000 }),
  smallState: fc.uint8Array({ maxLength: 1000 }),
  spool: fc.array(
    fc.record({
      step: fc.nat(),
      epoch: fc.integer({ min: 1, max: 9 }),
      loss: fc.float({ noNaN: true, noDefaultInfinity: true }),
      stepMs: fc.double({ noNaN: true, noDefaultInfinity: true }),
    }),
    { maxLength: 20 },
  ),
  segments: fc.array(
    fc.record({
      file: fc.integer({ min: 1, max: 2 ** 31 }).map((number) => segmentFile(3, number)),
      byteLength: fc.nat(),
      digest: fc.constant('a'.repeat(64)),
    }),
    { minLength: 1, maxLength: LIMITS.maxCheckpointSegments },
  ),
})

test('a manifest comes back bit for bit', () => {
  fc.assert(
    fc.property(manifests, (manifest) => {
      const read = decodeManifest(encodeManifest(manifest))
      expect(read).toEqual(manifest)
      for (const [index, { loss }] of manifest.spool.entries())
        expect(Object.is(read.spool[index]?.loss, loss)).toBe(true)
    }),
  )
})

test('bytes that are no manifest are refused as such', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(() => decodeManifest(Buffer.from(bytes))).toThrow(
        expect.objectContaining({ kind: 'checkpoint-unusable' }),
      )
    }),
  )
  const later = encodeManifest(
    manifestAt(1, [{ file: 'pages-1.bin', byteLength: 1, digest: 'a'.repeat(64) }]),
  )
  later.writeUInt32LE(2, 4)
  expect(() => decodeManifest(later)).toThrow('use the release that wrote it')
})

test('a manifest that nobody could read is not written', () => {
  const manifest = manifestAt(1, [])
  manifest.smallState = new Uint8Array(LIMITS.maxCheckpointManifestBytes)
  expect(() => encodeManifest(manifest)).toThrow('the limit is')
})

test('the largest manifest that is written can be read', () => {
  const manifest = manifestAt(5, [{ file: 'pages-1-1.bin', byteLength: 1, digest: 'a'.repeat(64) }])
  const rest = encodeManifest({ ...manifest, smallState: new Uint8Array() }).length
  // The length of longer bytes takes four bytes more.
  const most = { ...manifest, smallState: new Uint8Array(LIMITS.maxCheckpointManifestBytes - rest - 3) }
  expect(encodeManifest(most)).toHaveLength(LIMITS.maxCheckpointManifestBytes)
  expect(decodeManifest(encodeManifest(most)).smallState).toHaveLength(most.smallState.length)
})

test('segments are named by numbers, and nothing else is', () => {
  expect(segmentName(segmentFile(3, 12))).toEqual({ epoch: 3, number: 12 })
  expect(segmentName('pages-12.bin')).toEqual({ epoch: 0, number: 12 })
  for (const file of [
    'pages-0.bin',
    'pages-01.bin',
    'pages-x.bin',
    'checkpoint.bin',
    'pages-1.bin.bak',
    '../pages-1.bin',
  ])
    expect(segmentName(file)).toBeUndefined()
})

const image = Buffer.alloc(200 * PAGE_BYTES)
for (let page = 0; page < 200; page++) image.fill(page, page * PAGE_BYTES, (page + 1) * PAGE_BYTES)

function frame(sequence: number, firstPage: number, pageCount: number): Buffer {
  const runs = [{ firstPage, pageCount, encoding: 'raw' as const }]
  const header = { version: FRAME_VERSION, stream: 0, round: 0, sequence }
  return encodePagesFrame(Buffer.alloc(MAX_FRAME_BYTES), header, { runs, image })
}

test('frames come out of pieces of any size', () => {
  const runs = fc.array(fc.tuple(fc.nat(100), fc.integer({ min: 1, max: 64 })), {
    minLength: 1,
    maxLength: 5,
  })
  fc.assert(
    fc.property(runs, fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1 }), (written, sizes) => {
      const bytes = Buffer.concat(written.map(([first, count], sequence) => frame(sequence, first, count)))
      const frames = new SegmentFrames(200)
      const read: [number, number, boolean][] = []
      for (let at = 0, piece = 0; at < bytes.length; piece++) {
        const size = sizes[piece % sizes.length] as number
        for (const { runs: found, payload } of frames.read(
          bytes.subarray(at, at + size),
        ) as Generator<PagesFrame>) {
          const { firstPage, pageCount } = found[0] as PagesFrame['runs'][number]
          const is = Buffer.from(payload).equals(
            image.subarray(firstPage * PAGE_BYTES, (firstPage + pageCount) * PAGE_BYTES),
          )
          read.push([firstPage, pageCount, is])
        }
        at += size
      }
      frames.end()
      expect(read).toEqual(written.map(([first, count]) => [first, count, true]))
    }),
    { numRuns: 30 },
  )
})

test('what is no segment is refused', () => {
  const read = (bytes: Buffer): void => {
    const frames = new SegmentFrames(200)
    for (const _ of frames.read(bytes));
    frames.end()
  }
  const unusable = expect.objectContaining({ kind: 'checkpoint-unusable' })
  expect(() => read(frame(0, 0, 1).subarray(0, 20))).toThrow('ends within a frame')
  expect(() => read(frame(1, 0, 1))).toThrow('frame 1 stands where 0 is due')
  expect(() => read(encodeRoundEnd({ version: FRAME_VERSION, stream: 0, round: 0, sequence: 0 }))).toThrow(
    'none of pages',
  )
  expect(() => read(Buffer.alloc(100, 0xff))).toThrow(unusable)
  expect(() => read(Buffer.alloc(100))).toThrow(unusable)
  expect(() => read(frame(0, 150, 64))).toThrow(unusable)
})
