/**
 * What the page codec makes of real training state: `node --import tsx test/bench/codec.ts [--program NAME ...] [--runs N] [--steps N]`.
 *
 * Each program takes some steps, and the pages that `--steps` more write are framed: once against what the target has of
 * them, once raw. Ratio is page bytes for each byte of payload. Speeds are of page bytes: encode is all that the source does between the arena
 * and the socket (`frame`, the frame's bytes, its checksum), decode all from a frame's bytes to the target's arena. So `raw` is
 * the floor under the other rows, and the link on which xor begins to pay lies below their slower column.
 */

import { parseArgs } from 'node:util'
import { FramedImage, isZeroPage, XorDecoder, type XorEffort } from '@godwit/memory'
import {
  decodeFrame,
  type EncodedRun,
  encodePagesFrame,
  encodeXorFrame,
  LIMITS,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
  type RoundCodec,
} from '@godwit/protocol'
import { loadBare } from './bare-program.ts'

/** Steps before the measured ones: enough that moments are no zeros. */
const WARM_STEPS: Record<string, number> = { 'mnist-mlp': 30, 'char-transformer': 4, 'word-embeddings': 300 }

const { values } = parseArgs({
  options: {
    program: { type: 'string', multiple: true, default: Object.keys(WARM_STEPS) },
    runs: { type: 'string', default: '5' },
    steps: { type: 'string', default: '1' },
  },
})

interface Row {
  readonly codec: string
  readonly wireBytes: number
  readonly encodeMs: number
  readonly decodeMs: number
}

for (const name of values.program) {
  const { before, after } = await imagesOf(name, Number(values.steps))
  const frames = dirtyFrames(before, after)
  const pages = frames.flat().length
  console.log(`${name}: ${pages} of ${before.length / PAGE_BYTES} pages written by ${values.steps} step(s)`)
  for (const [codec, effort] of [
    ['raw', 'quick'],
    ['xor', 'quick'],
    ['xor', 'thorough'],
  ] as const) {
    const rows = Array.from({ length: Number(values.runs) }, () =>
      measure({ codec, effort, before, after, frames }),
    )
    console.log(line(rows, pages * PAGE_BYTES))
  }
}

/** The arena after the warm steps, and after `steps` more. */
async function imagesOf(name: string, steps: number): Promise<{ before: Buffer; after: Buffer }> {
  const program = await loadBare(name, {})
  const { paged } = program
  const state = program.steps.init()
  const take = (count: number): Buffer => {
    for (let step = 0; step < count; step++) program.step(state)
    return Buffer.from(paged)
  }
  return { before: take(WARM_STEPS[name] ?? 10), after: take(steps) }
}

/** The pages that differ, in frames as full as they may be, page by page as runs. */
function dirtyFrames(before: Buffer, after: Buffer): EncodedRun[][] {
  const runs: EncodedRun[] = []
  for (let at = 0; at < before.length; at += PAGE_BYTES) {
    if (before.compare(after, at, at + PAGE_BYTES, at, at + PAGE_BYTES) === 0) continue
    runs.push({ firstPage: at / PAGE_BYTES, pageCount: 1, encoding: isZeroPage(after, at) ? 'zero' : 'raw' })
  }
  return Array.from({ length: Math.ceil(runs.length / LIMITS.maxFramePages) }, (_, frame) =>
    runs.slice(frame * LIMITS.maxFramePages, (frame + 1) * LIMITS.maxFramePages),
  )
}

function measure({
  codec,
  effort,
  before,
  after,
  frames,
}: {
  codec: RoundCodec
  effort: XorEffort
  before: Buffer
  after: Buffer
  frames: readonly EncodedRun[][]
}): Row {
  const pageCount = before.length / PAGE_BYTES
  const framed = new FramedImage(pageCount)
  const target = Buffer.from(before)
  const header = { version: 1, stream: 0, round: 0, sequence: 0 }
  for (const runs of frames) framed.frame(runs, before, { codec })
  let wireBytes = 0
  const encoded: Buffer[] = []
  const into = frames.map(() => Buffer.alloc(MAX_FRAME_BYTES, 1))
  const beganMs = performance.now()
  for (const [index, planned] of frames.entries()) {
    const { runs, image, planes } = framed.frame(planned, after, { codec, effort })
    const buffer = into[index] as Buffer
    encoded.push(
      planes === undefined
        ? encodePagesFrame(buffer, header, { runs, image })
        : encodeXorFrame(buffer, header, { runs, image, planes }),
    )
  }
  const encodedMs = performance.now()
  const decoder = new XorDecoder()
  for (const bytes of encoded) {
    wireBytes += bytes.length
    const frame = decodeFrame(bytes, pageCount, 1)
    if (frame.kind !== 'pages') throw new Error(frame.kind)
    install(frame, target)
    if (frame.planes !== undefined) decoder.install(frame.runs, frame.planes, target)
  }
  const decodedMs = performance.now()
  if (!target.equals(after)) throw new Error(`${codec}: the target holds something else`)
  return {
    codec: codec === 'raw' ? codec : `xor ${effort}`,
    wireBytes,
    encodeMs: encodedMs - beganMs,
    decodeMs: decodedMs - encodedMs,
  }
}

function install(
  { runs, payload }: { runs: readonly EncodedRun[]; payload: Uint8Array },
  target: Buffer,
): void {
  let at = 0
  for (const { firstPage, pageCount, encoding } of runs) {
    const [from, length] = [firstPage * PAGE_BYTES, pageCount * PAGE_BYTES]
    if (encoding === 'zero') target.fill(0, from, from + length)
    if (encoding !== 'raw') continue
    target.set(payload.subarray(at, at + length), from)
    at += length
  }
}

function line(rows: readonly Row[], pageBytes: number): string {
  const median = (of: (row: Row) => number): number =>
    rows.map(of).toSorted((a, b) => a - b)[Math.floor(rows.length / 2)] as number
  const speed = (ms: number): string => `${(pageBytes / ms / 1e6).toFixed(2)} GB/s`.padStart(10)
  const ratio = (pageBytes / median(({ wireBytes }) => wireBytes)).toFixed(2)
  const [encode, decode] = [median(({ encodeMs }) => encodeMs), median(({ decodeMs }) => decodeMs)]
  return `  ${(rows[0]?.codec ?? '').padEnd(14)} ratio ${ratio}   encode ${speed(encode)}   decode ${speed(decode)}`
}
