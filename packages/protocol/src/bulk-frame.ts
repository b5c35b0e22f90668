/**
 * The binary frames of a bulk stream: pages on their way from the source's memory to the target's.
 *
 * A frame is one WebSocket message: a header of 32 bytes, the runs, the payload. All numbers are little-endian,
 * as on every machine we run on, so that a frame is written and read where it lies.
 *
 * | offset | bytes | header field |
 * |---|---|---|
 * | 0 | 4 | magic `GDWT` (0x54574447) |
 * | 4 | 1 | protocol version |
 * | 5 | 1 | kind: 1 pages, 2 end of round, 3 delta |
 * | 6 | 1 | codec: 1 raw, 2 xor: one run at least is of this encoding |
 * | 7 | 1 | stream, from 0 |
 * | 8 | 4 | round, from 0; of a delta the attempt, from 1 |
 * | 12 | 4 | sequence in the stream, from 0, without a gap |
 * | 16 | 4 | run count |
 * | 20 | 4 | payload bytes |
 * | 24 | 4 | of a delta: the payload's byte offset in it; else zero |
 * | 28 | 4 | CRC-32 (zlib's) of bytes 0 to 27 and everything after the header |
 *
 * A run is 12 bytes: first page, page count, encoding (1 raw: its pages stand in the payload, in order; 2 zero:
 * no payload, the pages are written as zeros; 3 xor: its pages, with those of all other xor runs, are in the section
 * behind the raw pages, see xor-section.ts). Raw and xor pages of a frame are together no more than fit into one raw.
 * An end-of-round frame has neither runs nor payload, a delta frame has no runs: its payload is a stretch of the delta,
 * whose arrays stand one after the other as `final` names them.
 *
 * In a frame of codec xor the runs ascend and share no page, so that what a page is xored with is what an earlier frame
 * left there, in whatever order the runs are installed.
 *
 * Invariant: whatever bytes come in, `decodeFrame` gives a frame whose every run lies inside the arena, whose
 * payload is exactly what its raw runs need and whose planes are no longer than its xor runs' decoded, or throws a typed
 * error, and allocates nothing by a length it was sent before that length was checked.
 */
import { crc32 } from 'node:zlib'
import { GodwitError } from './errors.ts'
import { LIMITS, MAX_FRAME_PAYLOAD_BYTES } from './limits.ts'
import { PAGE_BYTES } from './pages.ts'
import { readXorSection, writeXorSection, XOR_PLANES, xorSectionBytes } from './xor-section.ts'

export const HEADER_BYTES = 32
export const RUN_BYTES = 12
export const MAX_FRAME_BYTES = HEADER_BYTES + LIMITS.maxFrameRuns * RUN_BYTES + MAX_FRAME_PAYLOAD_BYTES

const MAGIC = 0x54574447
const CHECKSUM_OFFSET = 28

/** Wire numbers: assigned by hand, 0 reserved, never reused. */
const KIND = { pages: 1, roundEnd: 2, delta: 3 } as const
const CODEC = { raw: 1, xor: 2 } as const
const ENCODING = { raw: 1, zero: 2, xor: 3 } as const
const ENCODING_NAMES: readonly (RunEncoding | undefined)[] = [undefined, 'raw', 'zero', 'xor']

export type RunEncoding = keyof typeof ENCODING

export interface EncodedRun {
  readonly firstPage: number
  readonly pageCount: number
  readonly encoding: RunEncoding
}

export interface FrameHeader {
  readonly version: number
  readonly stream: number
  readonly round: number
  readonly sequence: number
}

export type BulkFrame = FrameHeader &
  (
    | {
        readonly kind: 'pages'
        readonly runs: readonly EncodedRun[]
        /** The pages of the raw runs. */
        readonly payload: Uint8Array
        /** Four, of the pages of the xor runs (xor-section.ts); there when there is such a run. */
        readonly planes?: readonly Uint8Array[]
      }
    | { readonly kind: 'roundEnd' }
    /** `round` is the attempt. */
    | { readonly kind: 'delta'; readonly byteOffset: number; readonly payload: Uint8Array }
  )

/** Copies all of `from` to the beginning of `to`. */
export type CopyBytes = (to: Uint8Array, from: Uint8Array) => void

function set(to: Uint8Array, from: Uint8Array): void {
  to.set(from)
}

/** What a frame of pages is made of. `image` is paged memory or its shadow; `copy` may be a faster one than `set`. */
export interface FramePages {
  readonly runs: readonly EncodedRun[]
  readonly image: Uint8Array
  readonly copy?: CopyBytes | undefined
}

/** Pages whose bytes stand in the payload. */
export function rawPages(runs: readonly EncodedRun[]): number {
  return pagesOf(runs, 'raw')
}

/** Pages that are in the section behind them. */
export function xorPages(runs: readonly EncodedRun[]): number {
  return pagesOf(runs, 'xor')
}

function pagesOf(runs: readonly EncodedRun[], encoding: RunEncoding): number {
  return runs.reduce((pages, run) => pages + (run.encoding === encoding ? run.pageCount : 0), 0)
}

/**
 * Writes a pages frame into `into` (long enough: `MAX_FRAME_BYTES` always is), copying raw runs from `image`, the paged
 * memory or its shadow. Returns the frame's bytes, a view of `into`.
 */
export function encodePagesFrame(
  into: Buffer,
  header: FrameHeader,
  { runs, image, copy }: FramePages,
): Buffer {
  const payloadBytes = rawPages(runs) * PAGE_BYTES
  if (runs.length > LIMITS.maxFrameRuns || payloadBytes > MAX_FRAME_PAYLOAD_BYTES) {
    throw new Error(`a frame of ${runs.length} runs and ${payloadBytes} bytes is over the limit`)
  }
  if (xorPages(runs) > 0) throw new Error('xor runs in a raw frame')
  writeHeader(into, header, { kind: KIND.pages, runCount: runs.length, payloadBytes })
  return seal(into.subarray(0, writeRuns(into, { runs, image, copy })))
}

/**
 * Writes a pages frame of codec xor into `into` (`MAX_FRAME_BYTES` is enough): raw runs copied from `image`, the xor runs'
 * pages as `planes`, which must be worth it (`isWorthXor`). Runs ascend and share no page. Returns the frame's bytes, a view of `into`.
 */
export function encodeXorFrame(
  into: Buffer,
  header: FrameHeader,
  { runs, image, planes, copy }: FramePages & { planes: readonly Uint8Array[] },
): Buffer {
  const raw = rawPages(runs)
  const xor = xorPages(runs)
  const sectionBytes = xorSectionBytes(planes)
  const fits = runs.length <= LIMITS.maxFrameRuns && raw + xor <= LIMITS.maxFramePages
  if (!fits || planes.length !== XOR_PLANES || sectionBytes >= xor * PAGE_BYTES || !areApart(runs)) {
    throw new Error(
      `no xor frame: ${runs.length} runs, ${raw} + ${xor} pages, ${sectionBytes} bytes of planes`,
    )
  }
  const payloadBytes = raw * PAGE_BYTES + sectionBytes
  writeHeader(into, header, { kind: KIND.pages, codec: CODEC.xor, runCount: runs.length, payloadBytes })
  return seal(into.subarray(0, writeXorSection(into, planes, writeRuns(into, { runs, image, copy }))))
}

/** Writes a stretch of a staged delta into `into`; at most `MAX_FRAME_PAYLOAD_BYTES`. Returns the frame's bytes, a view of `into`. */
export function encodeDeltaFrame(
  into: Buffer,
  header: FrameHeader,
  { byteOffset, bytes, copy = set }: { byteOffset: number; bytes: Uint8Array; copy?: CopyBytes },
): Buffer {
  writeHeader(into, header, { kind: KIND.delta, runCount: 0, payloadBytes: bytes.length, byteOffset })
  copy(into.subarray(HEADER_BYTES), bytes)
  return seal(into.subarray(0, HEADER_BYTES + bytes.length))
}

/** The in-band marker that ends a round on one stream. */
export function encodeRoundEnd(header: FrameHeader): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES)
  writeHeader(frame, header, { kind: KIND.roundEnd, runCount: 0, payloadBytes: 0 })
  return seal(frame)
}

/**
 * Reads one frame of the connection's protocol version, for an arena of `pageCount` pages. The payload is a view of `bytes`.
 *
 * Errors: `bad-frame` (too short, magic, kind, codec, encoding, lengths that don't add up), `protocol-version`,
 * `too-large`, `bad-checksum`, `out-of-range` (a run outside the arena).
 */
export function decodeFrame(bytes: Buffer, pageCount: number, expectedVersion: number): BulkFrame {
  if (bytes.length < HEADER_BYTES) bad(`${bytes.length} bytes are no header`)
  if (bytes.length > MAX_FRAME_BYTES)
    throw new GodwitError('too-large', `a frame of ${bytes.length} bytes, the limit is ${MAX_FRAME_BYTES}`)
  if (bytes.readUInt32LE(0) !== MAGIC) bad('the magic number is missing')
  const version = bytes.readUInt8(4)
  const kind = bytes.readUInt8(5)
  const codec = bytes.readUInt8(6)
  const runCount = bytes.readUInt32LE(16)
  const payloadBytes = bytes.readUInt32LE(20)
  if (runCount > LIMITS.maxFrameRuns)
    throw new GodwitError('too-large', `${runCount} runs in a frame, the limit is ${LIMITS.maxFrameRuns}`)
  if (payloadBytes > MAX_FRAME_PAYLOAD_BYTES)
    throw new GodwitError(
      'too-large',
      `${payloadBytes} payload bytes, the limit is ${MAX_FRAME_PAYLOAD_BYTES}`,
    )
  const payloadAt = HEADER_BYTES + runCount * RUN_BYTES
  if (bytes.length !== payloadAt + payloadBytes)
    bad(`${bytes.length} bytes where header and lengths say ${payloadAt + payloadBytes}`)
  if (checksum(bytes) !== bytes.readUInt32LE(CHECKSUM_OFFSET))
    throw new GodwitError('bad-checksum', 'the frame is not what was sent: its checksum differs')
  if (version !== expectedVersion) {
    throw new GodwitError(
      'protocol-version',
      `a frame of version ${version} where ${expectedVersion} is spoken`,
    )
  }
  const header = {
    version,
    stream: bytes.readUInt8(7),
    round: bytes.readUInt32LE(8),
    sequence: bytes.readUInt32LE(12),
  }
  const byteOffset = bytes.readUInt32LE(24)
  if (kind === KIND.delta) {
    if (codec !== CODEC.raw || runCount !== 0 || payloadBytes === 0) bad('a delta that is none')
    return { kind: 'delta', ...header, byteOffset, payload: bytes.subarray(payloadAt) }
  }
  if (byteOffset !== 0) bad('the reserved field is set')
  if (kind === KIND.roundEnd) {
    if (runCount !== 0 || payloadBytes !== 0) bad('an end of round carries data')
    return { kind: 'roundEnd', ...header }
  }
  if (kind !== KIND.pages) bad(`unknown frame kind ${kind}`)
  if (codec !== CODEC.raw && codec !== CODEC.xor) bad(`unknown codec ${codec}`)
  const runs: EncodedRun[] = []
  for (let at = HEADER_BYTES; at < payloadAt; at += RUN_BYTES) runs.push(readRun(bytes, at, pageCount))
  const payload = bytes.subarray(payloadAt)
  const rawBytes = rawPages(runs) * PAGE_BYTES
  const xor = xorPages(runs)
  if (xor > 0 !== (codec === CODEC.xor)) bad(`${xor} xor pages in a frame of codec ${codec}`)
  if (xor === 0) {
    if (rawBytes !== payloadBytes) bad(`${payloadBytes} payload bytes for ${rawBytes} of raw pages`)
    return { kind: 'pages', ...header, runs, payload }
  }
  if (rawBytes + xor * PAGE_BYTES > MAX_FRAME_PAYLOAD_BYTES)
    throw new GodwitError(
      'too-large',
      `${rawBytes} bytes of raw pages and ${xor} xor pages in a frame, the limit is ${LIMITS.maxFramePages} pages`,
    )
  if (rawBytes > payloadBytes) bad(`${payloadBytes} payload bytes for ${rawBytes} of raw pages`)
  if (!areApart(runs)) bad('runs of an xor frame that do not ascend')
  const planes = readXorSection(payload.subarray(rawBytes), xor)
  return { kind: 'pages', ...header, runs, payload: payload.subarray(0, rawBytes), planes }
}

/** Whether each run begins behind the end of the one before. */
function areApart(runs: readonly EncodedRun[]): boolean {
  let end = 0
  for (const { firstPage, pageCount } of runs) {
    if (firstPage < end) return false
    end = firstPage + pageCount
  }
  return true
}

/** Writes the runs, and behind them the pages of the raw ones. Returns where those end. */
function writeRuns(into: Buffer, { runs, image, copy = set }: FramePages): number {
  let at = HEADER_BYTES
  let payloadAt = HEADER_BYTES + runs.length * RUN_BYTES
  for (const { firstPage, pageCount, encoding } of runs) {
    into.writeUInt32LE(firstPage, at)
    into.writeUInt32LE(pageCount, at + 4)
    into.writeUInt32LE(ENCODING[encoding], at + 8)
    at += RUN_BYTES
    if (encoding !== 'raw') continue
    copy(
      into.subarray(payloadAt),
      image.subarray(firstPage * PAGE_BYTES, (firstPage + pageCount) * PAGE_BYTES),
    )
    payloadAt += pageCount * PAGE_BYTES
  }
  return payloadAt
}

function readRun(bytes: Buffer, at: number, arenaPages: number): EncodedRun {
  const firstPage = bytes.readUInt32LE(at)
  const pageCount = bytes.readUInt32LE(at + 4)
  const number = bytes.readUInt32LE(at + 8)
  const encoding = ENCODING_NAMES[number]
  if (pageCount === 0 || firstPage + pageCount > arenaPages) {
    throw new GodwitError(
      'out-of-range',
      `pages ${firstPage}+${pageCount} in an arena of ${arenaPages} pages`,
    )
  }
  if (encoding === undefined) bad(`unknown run encoding ${number}`)
  return { firstPage, pageCount, encoding }
}

function writeHeader(
  into: Buffer,
  header: FrameHeader,
  body: { kind: number; codec?: number; runCount: number; payloadBytes: number; byteOffset?: number },
): void {
  into.writeUInt32LE(MAGIC, 0)
  into.writeUInt8(header.version, 4)
  into.writeUInt8(body.kind, 5)
  into.writeUInt8(body.codec ?? CODEC.raw, 6)
  into.writeUInt8(header.stream, 7)
  into.writeUInt32LE(header.round, 8)
  into.writeUInt32LE(header.sequence, 12)
  into.writeUInt32LE(body.runCount, 16)
  into.writeUInt32LE(body.payloadBytes, 20)
  into.writeUInt32LE(body.byteOffset ?? 0, 24)
}

function seal(frame: Buffer): Buffer {
  frame.writeUInt32LE(checksum(frame), CHECKSUM_OFFSET)
  return frame
}

function checksum(frame: Buffer): number {
  return crc32(frame.subarray(HEADER_BYTES), crc32(frame.subarray(0, CHECKSUM_OFFSET)))
}

function bad(what: string): never {
  throw new GodwitError('bad-frame', what)
}
