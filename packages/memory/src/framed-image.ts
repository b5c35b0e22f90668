/**
 * What the target has of each page, or is about to get: the image *last framed*, which is what the xor codec xors with.
 *
 * It is a copy of the arena in ordinary memory, as large as the arena, and kept explicitly: no dirty tracker has it. The arena
 * moved on while the last frame travelled; the shadow of `compare` is as of the last collect, which may lie behind or
 * before what was framed of a page. Nothing is allocated before a round wants xor. A page not framed since then has no base: it
 * goes raw once, or as zeros, which gives it one.
 *
 * Pages are framed from this copy, not from the arena, so that what is sent and what becomes the base are the same
 * bytes even while the training thread writes on: each byte of the arena is read once.
 *
 * Invariants: a page has a base exactly when its bytes here are those of the last frame made of it; every frame of a migration goes
 * through `frame`, in the order in which frames are sent on their stream, and what `frame` returned is sent. (A
 * frame that is not sent ends the migration, and this with it; nothing of it is carried into the next.)
 */
import assert from 'node:assert/strict'
import {
  type EncodedRun,
  GodwitError,
  isWorthXor,
  LIMITS,
  PAGE_BYTES,
  type RoundCodec,
  xorPages,
  xorSectionBytes,
} from '@godwit/protocol'
import { type XorEffort, XorEncoder } from './xor-codec.ts'

/** What to write a frame from: with `planes` an xor frame, without a raw one. */
export interface FramedRuns {
  readonly runs: readonly EncodedRun[]
  /** Where the pages of the raw runs are copied from. */
  readonly image: Uint8Array
  /** Good until the next call of `frame`. */
  readonly planes?: readonly Uint8Array[]
  /** What the codec made of the pages that have a base, also when it was not worth sending; absent when there were none. */
  readonly tried?: { readonly pageBytes: number; readonly wireBytes: number }
}

export class FramedImage {
  readonly pageCount: number
  /** A byte a page: 1 when it has a base. */
  readonly #hasBase: Uint8Array
  #kept: { readonly base: Buffer; readonly encoder: XorEncoder } | undefined

  constructor(pageCount: number) {
    this.pageCount = pageCount
    this.#hasBase = new Uint8Array(pageCount)
  }

  hasBase(page: number): boolean {
    return this.#hasBase[page] === 1
  }

  /**
   * Decides how the pages of one frame travel. `runs` are raw and zero, in ascending order; `image` is what the tracker
   * wants frames filled from. With codec raw they come back as they are, and what is kept of them is given up, which
   * costs next to nothing. With codec xor, pages with a base become xor runs unless that would not make the frame shorter. Zero runs
   * stay; the page is noted as zeros, whatever it has become meanwhile.
   *
   * Throws GodwitError `out-of-memory` when the copy can't be had; nothing has changed then, and raw still works.
   */
  frame(
    runs: readonly EncodedRun[],
    image: Uint8Array,
    { codec, effort = 'quick' }: { codec: RoundCodec; effort?: XorEffort },
  ): FramedRuns {
    if (codec === 'raw') {
      if (this.#kept !== undefined) for (const run of runs) this.#mark(run, 0)
      return { runs, image }
    }
    assert(image.length === this.pageCount * PAGE_BYTES, `an image of ${image.length} bytes`)
    this.#kept ??= { base: this.#allocate(), encoder: new XorEncoder() }
    const { base, encoder } = this.#kept
    const split = this.#split(runs)
    const planes = xorPages(split) > 0 ? encoder.encode(split, { image, base, effort }) : undefined
    for (const run of split) {
      assert(run.firstPage + run.pageCount <= this.pageCount, `no page ${run.firstPage} + ${run.pageCount}`)
      if (run.encoding === 'xor') continue
      const [from, to] = [run.firstPage * PAGE_BYTES, (run.firstPage + run.pageCount) * PAGE_BYTES]
      if (run.encoding === 'zero') base.fill(0, from, to)
      else base.set(image.subarray(from, to), from)
      this.#mark(run, 1)
    }
    if (planes === undefined) return { runs, image: base }
    const pageBytes = xorPages(split) * PAGE_BYTES
    if (!isWorthXor(planes, xorPages(split)))
      return { runs, image: base, tried: { pageBytes, wireBytes: pageBytes } }
    return { runs: split, image: base, planes, tried: { pageBytes, wireBytes: xorSectionBytes(planes) } }
  }

  /** `runs` with pages that have a base as xor runs; as they were if that would be too many. */
  #split(runs: readonly EncodedRun[]): readonly EncodedRun[] {
    const split: EncodedRun[] = []
    for (const run of runs) {
      assert(run.encoding !== 'xor', 'whether a page is xored is decided here')
      if (run.encoding === 'zero') {
        split.push(run)
        continue
      }
      const end = run.firstPage + run.pageCount
      for (let page = run.firstPage; page < end; ) {
        const firstPage = page
        const hasBase = this.hasBase(page)
        while (page < end && this.hasBase(page) === hasBase) page++
        split.push({ firstPage, pageCount: page - firstPage, encoding: hasBase ? 'xor' : 'raw' })
      }
    }
    return split.length <= LIMITS.maxFrameRuns ? split : runs
  }

  #mark({ firstPage, pageCount }: EncodedRun, value: 0 | 1): void {
    this.#hasBase.fill(value, firstPage, firstPage + pageCount)
  }

  #allocate(): Buffer {
    const byteLength = this.pageCount * PAGE_BYTES
    try {
      return Buffer.allocUnsafeSlow(byteLength)
    } catch (cause) {
      throw new GodwitError(
        'out-of-memory',
        `The xor codec needs ${byteLength} bytes for its copy of what was sent: free as much memory, or use --codec raw.`,
        { cause },
      )
    }
  }
}
