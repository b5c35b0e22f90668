/**
 * The page codec `xor`: what changed in pages since the copy that the target has, in planes, each LZ4 or stored.
 *
 * How much effort pays depends on the link. LZ4 finds nothing in a plane of noise and is slow to find that out (0.2 GB/s here,
 * most of it page faults in the output that its library allocates anew), so a plane is sampled first: the
 * share of its words that repeat the word before. On Adam's state of three programs, pages of one step:
 *
 * | | all planes | `thorough` | `quick` |
 * |---|---|---|---|
 * | mnist-mlp | 1.32 at 0.19 GB/s | 1.31 at 0.32 | 1.24 at 2.0 |
 * | char-transformer | 1.27 at 0.19 | 1.25 at 2.4 | 1.25 at 2.6 |
 * | word-embeddings | 7.5 at 2.7 | 7.5 at 2.3 | 7.5 at 2.2 |
 *
 * (Ratio, and the speed of LZ4 alone; 64 pages a block. 16 gave 0.01 less, one page 0.04.) With the loops, copies and checksum, `quick`
 * frames 0.43 to 0.56 GB/s where raw frames 1.5 to 1.7, and is installed at 0.9 to 1.0 (`test/bench/codec.ts`).
 *
 * At the target there is no copy to keep: the arena is the base, and pages are xored in place. That is right because
 * nothing writes the arena of a target but what installs frames (the training thread is not let loose before `final` is
 * installed whole), a page's frames come on one stream, and a stream is installed in order.
 *
 * Invariants: nothing is written before every plane has been decoded to exactly the length that the runs say; no number
 * that a peer sent is the size of an allocation (the size that lz4-napi wants before a block is written here). One
 * call decodes `MAX_FRAME_PAYLOAD_BYTES` at most.
 */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import {
  type EncodedRun,
  GodwitError,
  LIMITS,
  MAX_FRAME_PAYLOAD_BYTES,
  PAGE_BYTES,
  PLANE_PAGE_BYTES,
  XOR_PLANES,
  xorPages,
} from '@godwit/protocol'
import { xorFromPlanes, xorIntoPlanes } from './xor-planes.ts'

/** `thorough` compresses whatever gives anything, for links that are slower than that; `quick` only what gives much. */
export type XorEffort = 'quick' | 'thorough'

/** The share of sampled words that repeat from which on a plane is compressed. */
const MIN_REPEATED_SHARE = { quick: 1 / 8, thorough: 1 / 32 } as const
const SAMPLE_EVERY_WORDS = 8
const PAGE_WORDS = PAGE_BYTES / 4
const PLANE_PAGE_WORDS = PLANE_PAGE_BYTES / 4
/** What lz4-napi puts before a block, and wants there: its decoded size, little-endian. */
const LZ4_SIZE_BYTES = 4

type Lz4 = typeof import('lz4-napi')
let lz4: Lz4 | undefined

/** Whether this platform has a binary of the compressor: without it, rounds are sent raw. */
export function isXorPossible(): boolean {
  try {
    return loadLz4() !== undefined
  } catch {
    return false
  }
}

function loadLz4(): Lz4 {
  try {
    // Required here, not imported above: a platform without its binary can still send raw.
    lz4 ??= createRequire(import.meta.url)('lz4-napi') as Lz4
    return lz4
  } catch (cause) {
    throw new GodwitError('internal', 'lz4-napi does not load on this platform: use --codec raw', { cause })
  }
}

/** Encodes at the source. Holds 256 KiB to work in, so keep one. Made only where `isXorPossible`; throws `internal` elsewhere. */
export class XorEncoder {
  readonly #lz4 = loadLz4()
  readonly #planes = new Uint32Array(MAX_FRAME_PAYLOAD_BYTES / 4)

  /**
   * The four planes of the pages of the xor runs in `runs` (one frame's), whose present bytes become the base in
   * passing: each word of `image` is read once. Planes that are stored are views, good until the next call.
   */
  encode(
    runs: readonly EncodedRun[],
    { image, base, effort }: { image: Uint8Array; base: Uint8Array; effort: XorEffort },
  ): Uint8Array[] {
    const pageCount = xorPages(runs)
    assert(pageCount >= 1 && pageCount <= LIMITS.maxFramePages, `${pageCount} xor pages in a frame`)
    const words = { image: wordsOf(image), base: wordsOf(base), planes: this.#planes }
    for (const stretch of stretches(runs, pageCount)) xorIntoPlanes(words, stretch)
    const planeWords = pageCount * PLANE_PAGE_WORDS
    return Array.from({ length: XOR_PLANES }, (_, plane) => {
      const firstWord = plane * planeWords
      return this.#compressPlane(this.#planes.subarray(firstWord, firstWord + planeWords), effort)
    })
  }

  #compressPlane(plane: Uint32Array, effort: XorEffort): Uint8Array {
    const stored = bytesOf(plane)
    if (repeatedShare(plane) < MIN_REPEATED_SHARE[effort]) return stored
    const block = this.#lz4.compressSync(stored).subarray(LZ4_SIZE_BYTES)
    return block.length < stored.length ? block : stored
  }
}

/** Decodes at the target. Holds 320 KiB to work in, so keep one. Throws as the encoder does. */
export class XorDecoder {
  readonly #lz4 = loadLz4()
  readonly #planes = new Uint32Array(MAX_FRAME_PAYLOAD_BYTES / 4)
  readonly #block = Buffer.allocUnsafeSlow(LZ4_SIZE_BYTES + MAX_FRAME_PAYLOAD_BYTES / XOR_PLANES)

  /**
   * Installs the xor runs of a frame in `base`, the arena; other runs are passed over. `runs` and `planes` are as
   * `decodeFrame` gave them. Throws `bad-frame` when a plane is no LZ4 block of the right size; then nothing was written.
   */
  install(runs: readonly EncodedRun[], planes: readonly Uint8Array[], base: Uint8Array): void {
    const pageCount = xorPages(runs)
    if (pageCount > LIMITS.maxFramePages || planes.length !== XOR_PLANES)
      throw new GodwitError('bad-frame', `${planes.length} planes for ${pageCount} xor pages`)
    const planeBytes = pageCount * PLANE_PAGE_BYTES
    const decoded = bytesOf(this.#planes)
    for (const [index, plane] of planes.entries())
      decoded.set(this.#decodePlane(plane, planeBytes), index * planeBytes)
    const words = { planes: this.#planes, base: wordsOf(base) }
    for (const stretch of stretches(runs, pageCount)) xorFromPlanes(words, stretch)
  }

  #decodePlane(plane: Uint8Array, planeBytes: number): Uint8Array {
    if (plane.length === planeBytes) return plane
    if (plane.length > planeBytes)
      throw new GodwitError('bad-frame', `a plane of ${plane.length} bytes where ${planeBytes} are`)
    this.#block.writeUInt32LE(planeBytes)
    this.#block.set(plane, LZ4_SIZE_BYTES)
    let decoded: Uint8Array
    try {
      decoded = this.#lz4.uncompressSync(this.#block.subarray(0, LZ4_SIZE_BYTES + plane.length))
    } catch (cause) {
      throw new GodwitError('bad-frame', 'a plane is no LZ4 block of its size', { cause })
    }
    if (decoded.length !== planeBytes)
      throw new GodwitError('bad-frame', `a plane of ${decoded.length} bytes decoded where ${planeBytes} are`)
    return decoded
  }
}

/** Where the pages of the xor runs lie in memory, and one behind the other in the planes. */
function* stretches(runs: readonly EncodedRun[], pageCount: number) {
  let page = 0
  for (const run of runs) {
    if (run.encoding !== 'xor') continue
    yield {
      firstWord: run.firstPage * PAGE_WORDS,
      wordCount: run.pageCount * PAGE_WORDS,
      planeWord: page * PLANE_PAGE_WORDS,
      planeWords: pageCount * PLANE_PAGE_WORDS,
    }
    page += run.pageCount
  }
}

function repeatedShare(plane: Uint32Array): number {
  let sampled = 0
  let repeated = 0
  for (let word = 1; word < plane.length; word += SAMPLE_EVERY_WORDS) {
    sampled += 1
    if (plane[word] === plane[word - 1]) repeated += 1
  }
  return repeated / sampled
}

function bytesOf(words: Uint32Array): Buffer {
  return Buffer.from(words.buffer, words.byteOffset, words.byteLength)
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
}
