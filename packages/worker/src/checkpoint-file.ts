/**
 * The two files that a checkpoint is made of, as bytes. No IO here.
 *
 * `pages-<epoch>-<n>.bin`, a segment (`pages-<n>.bin` in earlier releases): frames as they would go over a bulk stream (bulk-frame.ts: each with its checksum), numbered from 0. A
 * checkpoint is installed like a stream is: segment after segment, frame after frame, a later page over an earlier.
 *
 * `checkpoint.bin`, the manifest: names the segments with their lengths and digests, and holds all that is not pages. Little-endian:
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 4 | magic `GDWC` (0x43574447) |
 * | 4 | 4 | version of the format: 1 |
 * | 8 | 4 | bytes of the body |
 * | 12 | 4 | zero |
 * | 16 | 32 | SHA-256 of bytes 0 to 15 and of the body |
 * | 48 | | body: `checkpointManifest` in the codec of messages |
 *
 * Invariant: whatever bytes come in, either they are what was written or a `checkpoint-unusable` says why not.
 */
import { createHash } from 'node:crypto'
import {
  type BulkFrame,
  type CheckpointManifest,
  checkMessage,
  checkpointManifest,
  decodeFrame,
  decodeValue,
  encodeValue,
  GodwitError,
  HEADER_BYTES,
  LIMITS,
  MAX_FRAME_BYTES,
  RUN_BYTES,
} from '@godwit/protocol'

export const MANIFEST_FILE = 'checkpoint.bin'
/** Of the frames in a segment: it says what this format is made of, not what two workers speak. */
export const FRAME_VERSION = 1

const MAGIC = 0x43574447
const FORMAT_VERSION = 1
const DIGEST_AT = 16
const BODY_AT = 48

export type PagesFrame = Extract<BulkFrame, { kind: 'pages' }>

/** By the epoch of who writes it: two workers in one folder do not write to each other's. */
export function segmentFile(epoch: number, number: number): string {
  return `pages-${epoch}-${number}.bin`
}

/** Of a manifest that is being written. */
export function newManifestFile(epoch: number): string {
  return `checkpoint-${epoch}.new`
}

/** The number of a segment's file, and the epoch: 0 in the names of earlier releases. Undefined for any other file. */
export function segmentName(file: string): { epoch: number; number: number } | undefined {
  const [, epoch = '0', digits] = /^pages-(?:([1-9]\d{0,15})-)?([1-9]\d{0,9})\.bin$/.exec(file) ?? []
  return digits === undefined ? undefined : { epoch: Number(epoch), number: Number(digits) }
}

/** The epoch of who writes, or wrote, a checkpoint's file that is not yet, or no longer, the manifest; undefined for any other file. */
export function epochOf(file: string): number | undefined {
  const [isNew, epoch = '0'] = /^checkpoint(?:-([1-9]\d{0,15}))?\.new$/.exec(file) ?? []
  return isNew === undefined ? segmentName(file)?.epoch : Number(epoch)
}

/** Whether a later release wrote it, whose checkpoint is not ours to replace. */
export function isOfNewerFormat(bytes: Buffer): boolean {
  return bytes.length >= 8 && bytes.readUInt32LE(0) === MAGIC && bytes.readUInt32LE(4) > FORMAT_VERSION
}

/** Throws `too-large`: nobody could read it again. */
export function encodeManifest(manifest: CheckpointManifest): Buffer {
  const body = encodeValue(manifest)
  const bytes = Buffer.alloc(BODY_AT + body.length)
  if (bytes.length > LIMITS.maxCheckpointManifestBytes)
    throw new GodwitError(
      'too-large',
      `a checkpoint's manifest of ${bytes.length} bytes, the limit is ${LIMITS.maxCheckpointManifestBytes}`,
    )
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt32LE(FORMAT_VERSION, 4)
  bytes.writeUInt32LE(body.length, 8)
  body.copy(bytes, BODY_AT)
  digestOf(bytes).copy(bytes, DIGEST_AT)
  return bytes
}

/** Throws `checkpoint-unusable`. */
export function decodeManifest(bytes: Buffer): CheckpointManifest {
  if (bytes.length < BODY_AT) unusable(`its manifest has ${bytes.length} bytes, fewer than a head`)
  if (bytes.readUInt32LE(0) !== MAGIC) unusable('its manifest does not begin like one')
  const version = bytes.readUInt32LE(4)
  if (version !== FORMAT_VERSION)
    unusable(
      `it is of format ${version} and this release reads ${FORMAT_VERSION}: use the release that wrote it`,
    )
  if (bytes.readUInt32LE(8) !== bytes.length - BODY_AT)
    unusable(`its manifest has ${bytes.length} bytes and says that it has others`)
  if (!digestOf(bytes).equals(bytes.subarray(DIGEST_AT, BODY_AT)))
    unusable('its manifest is not what was written: the digest differs')
  try {
    return checkMessage(checkpointManifest, decodeValue(bytes.subarray(BODY_AT)))
  } catch (cause) {
    return unusable(`its manifest makes no sense: ${(cause as Error).message}`)
  }
}

/**
 * Reads a segment's frames out of pieces of its file, whatever their size. What a frame holds is a view of a buffer that the next piece is
 * written into.
 */
export class SegmentFrames {
  readonly #pageCount: number
  /** The beginning of a frame that ends in a later piece. */
  readonly #open = Buffer.alloc(MAX_FRAME_BYTES)
  #openBytes = 0
  #nextSequence = 0

  constructor(pageCount: number) {
    this.#pageCount = pageCount
  }

  /** The frames that end in `piece`. Throws `checkpoint-unusable`. */
  *read(piece: Buffer): Generator<PagesFrame> {
    for (let at = 0; at < piece.length; ) {
      const needed = this.#openBytes < HEADER_BYTES ? HEADER_BYTES : frameBytes(this.#open)
      const taken = Math.min(needed - this.#openBytes, piece.length - at)
      piece.copy(this.#open, this.#openBytes, at, at + taken)
      this.#openBytes += taken
      at += taken
      if (this.#openBytes < HEADER_BYTES || this.#openBytes < frameBytes(this.#open)) continue
      yield this.#frame(this.#open.subarray(0, this.#openBytes))
      this.#openBytes = 0
    }
  }

  /** Throws `checkpoint-unusable` when the file ended within a frame. */
  end(): void {
    if (this.#openBytes > 0) unusable('one of its files ends within a frame')
  }

  #frame(bytes: Buffer): PagesFrame {
    let frame: BulkFrame
    try {
      frame = decodeFrame(bytes, this.#pageCount, FRAME_VERSION)
    } catch (cause) {
      return unusable(`one of its frames can't be read: ${(cause as Error).message}`)
    }
    if (frame.kind !== 'pages' || frame.planes !== undefined)
      return unusable('one of its frames is none of pages')
    if (frame.sequence !== this.#nextSequence)
      unusable(`frame ${frame.sequence} stands where ${this.#nextSequence} is due`)
    this.#nextSequence += 1
    return frame
  }
}

/** Of the frame that begins here, by its header alone. Throws `checkpoint-unusable` when no frame is so long. */
function frameBytes(header: Buffer): number {
  const bytes = HEADER_BYTES + header.readUInt32LE(16) * RUN_BYTES + header.readUInt32LE(20)
  return bytes <= MAX_FRAME_BYTES
    ? bytes
    : unusable(`a frame of ${bytes} bytes: the limit is ${MAX_FRAME_BYTES}`)
}

function digestOf(manifest: Buffer): Buffer {
  return createHash('sha256')
    .update(manifest.subarray(0, DIGEST_AT))
    .update(manifest.subarray(BODY_AT))
    .digest()
}

export function unusable(why: string): never {
  throw new GodwitError('checkpoint-unusable', `the checkpoint can't be used: ${why}`)
}
