/**
 * Writes the frames of pages, in the codec that the round takes: what of that is decided, and learnt, is in @godwit/engine,
 * what is done to the pages in @godwit/memory. Here both are brought to the clock and to the wire.
 */
import { codecOfRound, learnFromEncoding, learnFromRound, NOTHING_KNOWN } from '@godwit/engine'
import { copyBytes, FramedImage, isXorPossible } from '@godwit/memory'
import {
  type EncodedRun,
  encodePagesFrame,
  encodeXorFrame,
  type FrameHeader,
  GodwitError,
  type MigrationOptions,
  PAGE_BYTES,
  type RoundCodec,
} from '@godwit/protocol'
import { nowMs } from './clock.ts'

export class FrameEncoder {
  readonly #option: MigrationOptions['codec']
  readonly #framed: FramedImage
  #known = NOTHING_KNOWN
  #isParked = false
  #encodeMs = 0
  #sentXor = false

  /**
   * `spareBytes` is what the host gives besides: xor needs a copy of the arena. Errors, when xor was asked for: `bad-arguments` where this
   * host has no compressor, `out-of-memory` where that copy would be too much.
   */
  constructor(pageCount: number, option: MigrationOptions['codec'], spareBytes: number) {
    const neededBytes = pageCount * PAGE_BYTES
    if (option === 'xor' && neededBytes > spareBytes) {
      throw new GodwitError(
        'out-of-memory',
        `the xor codec needs ${neededBytes} bytes for its copy of what was sent, and the host has ${spareBytes} to give: use --codec raw`,
      )
    }
    if (option === 'xor' && !isXorPossible()) {
      throw new GodwitError('bad-arguments', 'the compressor does not load on this host: use --codec raw')
    }
    this.#option = neededBytes <= spareBytes && isXorPossible() ? option : 'raw'
    this.#framed = new FramedImage(pageCount)
  }

  /** What the round that was begun last was sent in: xor when any of its frames was. */
  get codec(): RoundCodec {
    return this.#sentXor ? 'xor' : 'raw'
  }

  beginRound({ isParked }: { isParked: boolean }): void {
    this.#isParked = isParked
    this.#encodeMs = 0
    this.#sentXor = false
  }

  /** `bytesPerMs`: what the target installed while bytes were under way; undefined when none were. */
  endRound(bytesPerMs: number | undefined, durationMs: number): void {
    if (bytesPerMs === undefined) return
    this.#known = learnFromRound(this.#known, { bytesPerMs, durationMs, encodeMs: this.#encodeMs })
  }

  /** Writes the frame of `runs`, raw and zero as planned, into `into`; the frame must be sent. Returns a view of `into`. */
  encode(into: Buffer, header: FrameHeader, runs: readonly EncodedRun[], image: Buffer): Buffer {
    const how = codecOfRound(this.#known, { option: this.#option, isParked: this.#isParked })
    const beganMs = how.codec === 'xor' ? nowMs() : 0
    const framed = this.#framed.frame(runs, image, how)
    if (how.codec === 'xor') {
      const encodeMs = nowMs() - beganMs
      this.#encodeMs += encodeMs
      if (framed.tried !== undefined)
        this.#known = learnFromEncoding(this.#known, { ...framed.tried, encodeMs })
    }
    const pages = { runs: framed.runs, image: framed.image, copy: copyBytes }
    if (framed.planes === undefined) return encodePagesFrame(into, header, pages)
    this.#sentXor = true
    return encodeXorFrame(into, header, { ...pages, planes: framed.planes })
  }
}
