/**
 * Sends rounds of pages, and a delta, over the bulk connections, never more ahead of the target than the window.
 *
 * The window counts bytes that the target has *installed*, not what left our buffers: the last pages of a job must
 * not stand behind megabytes that wait in kernel buffers. It is about what the link carries in a round trip, and a few
 * frames. It is also what bounds memory here, and what measures the link: bytes installed while bytes were under way.
 * Where bandwidth is limited a frame also waits for its turn in the pace that all streams share.
 *
 * Invariants: a stream's frames leave in sequence; a frame's buffer is used again only when its socket let go of
 * it; a page of a stopped round that did not leave is in what `sendRound` returns.
 */
import { crashPoint, HEADER_ROOM } from '@godwit/channel'
import { copyBytes } from '@godwit/memory'
import {
  type EncodedRun,
  encodeDeltaFrame,
  encodeRoundEnd,
  HEADER_BYTES,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
  PageSet,
  type RoundCodec,
  RUN_BYTES,
  rawPages,
} from '@godwit/protocol'
import { nowMs } from './clock.ts'
import type { FrameEncoder } from './frame-encoder.ts'
import { planFrames } from './frame-plan.ts'
import { InFlight } from './in-flight.ts'
import { Pacing } from './pacing.ts'
import type { PagePictures } from './page-pictures.ts'

/** What is used of a bulk connection: channel's `FrameWriter`. */
export interface FrameSocket {
  /** A frame behind `HEADER_ROOM` bytes. */
  send(piece: Buffer, gone?: () => void): void
}

export interface SentRound {
  readonly wireBytes: number
  readonly codec: RoundCodec
  /** Installed a millisecond while bytes were under way, or what the pace allows when that is less; undefined when none were. */
  readonly bytesPerMs: number | undefined
  /** Pages that did not leave because the round was stopped. */
  readonly rest: PageSet
}

/** Frames in a row while the job stands. */
const FRAMES_PER_TURN_PARKED = 4

/** A delta that the training thread is still staging. */
export interface StagedDelta {
  readonly memory: SharedArrayBuffer
  readonly byteLength: number
  /** How much of it is in place. */
  stagedBytes(): number
}

export class PageSender {
  readonly inFlight: InFlight
  readonly #streams: readonly FrameSocket[]
  readonly #version: number
  readonly #encoder: FrameEncoder
  readonly #pacing: Pacing
  readonly #nextSequences: number[]
  readonly #freeBuffers: Buffer[] = []
  readonly #pictures: PagePictures | undefined
  #isStopped = false
  #pages = new PageSet(0)
  #left = new PageSet(0)

  constructor(
    streams: readonly FrameSocket[],
    version: number,
    {
      encoder,
      pacing = new Pacing(),
      pictures,
    }: { encoder: FrameEncoder; pacing?: Pacing; pictures?: PagePictures },
  ) {
    this.#streams = streams
    this.#version = version
    this.#encoder = encoder
    this.#pacing = pacing
    this.#pictures = pictures
    this.#nextSequences = streams.map(() => 0)
    this.inFlight = new InFlight(streams.length)
  }

  /** By stream: the sequence of the last frame handed to the socket. */
  get lastSequences(): number[] {
    return this.#nextSequences.map((next) => next - 1)
  }

  /** Pages of the current round, or the last one, that have left. */
  get roundPagesSent(): number {
    return this.#left.size
  }

  /** Pages of the current round that have not left. */
  get unsent(): PageSet {
    const unsent = this.#pages.copy()
    unsent.removeAll(this.#left)
    return unsent
  }

  /** Ends what is being sent, if anything is, as soon as each stream's current frame has left. */
  stop(): void {
    this.#isStopped = true
    this.inFlight.wake()
    this.#pacing.wake()
  }

  /** Sends `pages` as they stand in `image`. Resolves when the last byte was handed to the sockets. */
  async sendRound(
    round: number,
    pages: PageSet,
    { image, isParked }: { image: Buffer; isParked: boolean },
  ): Promise<SentRound> {
    const beganMs = nowMs()
    this.#encoder.beginRound({ isParked })
    this.#isStopped = false
    const before = this.inFlight.sentBytes
    const left = new PageSet(pages.pageCount)
    this.#left = left
    this.#pages = pages
    await Promise.all(
      this.#streams.map((_, stream) => this.#sendStream(stream, round, { pages, image, left, isParked })),
    )
    const rest = pages.copy()
    rest.removeAll(left)
    const bytesPerMs = this.#paced(this.inFlight.takeRate())
    this.#encoder.endRound(bytesPerMs, nowMs() - beganMs)
    const wireBytes = this.inFlight.sentBytes - before
    return { wireBytes, codec: this.#encoder.codec, bytesPerMs, rest }
  }

  /** Sends the delta of this attempt while it is being staged. Returns its bytes on the wire, fewer when it was stopped. */
  async sendDelta(attempt: number, delta: StagedDelta): Promise<number> {
    const before = this.inFlight.sentBytes
    const bytes = new Uint8Array(delta.memory, 0, delta.byteLength)
    const frameBytes = this.#pacing.framePages * PAGE_BYTES
    for (let at = 0, frames = 0; at < bytes.length && !this.#isStopped; ) {
      const end = Math.min(delta.stagedBytes(), at + frameBytes)
      if (end > at && (end === bytes.length || end - at === frameBytes)) {
        await this.#room()
        const stream = frames++ % this.#streams.length
        const payload = bytes.subarray(at, end)
        this.#sendBuffered(stream, (buffer) =>
          encodeDeltaFrame(buffer, this.#header(stream, attempt), {
            byteOffset: at,
            bytes: payload,
            copy: copyBytes,
          }),
        )
        at = end
      }
      await turn()
    }
    return this.inFlight.sentBytes - before
  }

  async #sendStream(
    stream: number,
    round: number,
    { pages, image, left, isParked }: { pages: PageSet; image: Buffer; left: PageSet; isParked: boolean },
  ): Promise<void> {
    const { framePages } = this.#pacing
    let frames = 0
    for (const runs of planFrames(pages, image, { stream, streams: this.#streams.length, framePages })) {
      await this.#room()
      if (this.#isStopped) return
      this.#sendPages(stream, round, runs, image)
      for (const run of runs) {
        left.addRun(run)
        this.#pictures?.sent(round, run)
      }
      // A park, or an acknowledgement, is heard between two frames; once parked there is less to hear, and no time.
      frames += 1
      if (!isParked || frames % FRAMES_PER_TURN_PARKED === 0) await turn()
      if (this.#isStopped) return
    }
    this.#send(
      stream,
      Buffer.concat([Buffer.alloc(HEADER_ROOM), encodeRoundEnd(this.#header(stream, round))]),
    )
  }

  #sendPages(stream: number, round: number, runs: readonly EncodedRun[], image: Buffer): void {
    const header = this.#header(stream, round)
    if (rawPages(runs) > 0) {
      this.#sendBuffered(stream, (buffer) => this.#encoder.encode(buffer, header, runs, image))
      return
    }
    // Small: a frame's buffer would be held for a few bytes, and the window counts bytes on the wire.
    const buffer = Buffer.alloc(HEADER_ROOM + HEADER_BYTES + runs.length * RUN_BYTES)
    this.#send(
      stream,
      pieceOf(buffer, (room) => this.#encoder.encode(room, header, runs, image)),
    )
  }

  #sendBuffered(stream: number, encode: (buffer: Buffer) => Buffer): void {
    const buffer = this.#freeBuffers.pop() ?? Buffer.alloc(HEADER_ROOM + MAX_FRAME_BYTES)
    this.#send(stream, pieceOf(buffer, encode), () => this.#freeBuffers.push(buffer))
  }

  #send(stream: number, piece: Buffer, gone?: () => void): void {
    const frameBytes = piece.length - HEADER_ROOM
    this.inFlight.sent(stream, frameBytes, nowMs())
    this.#pacing.left(frameBytes)
    crashPoint('before-send:frame')
    this.#streams[stream]?.send(piece, gone)
    crashPoint('after-send:frame')
  }

  #header(
    stream: number,
    round: number,
  ): { version: number; stream: number; round: number; sequence: number } {
    const sequence = this.#nextSequences[stream] as number
    this.#nextSequences[stream] = sequence + 1
    return { version: this.#version, stream, round, sequence }
  }

  /** Resolves when the window and the pace have room for a frame, or the round was stopped. */
  async #room(): Promise<void> {
    while (!this.#isStopped) {
      if (!this.inFlight.hasRoom) await this.inFlight.change()
      else if (this.#pacing.mustWait) await this.#pacing.change()
      else return
    }
  }

  /** A frame that waited for its turn is under way no longer than another: the link alone would promise too much. */
  #paced(bytesPerMs: number | undefined): number | undefined {
    return bytesPerMs && Math.min(bytesPerMs, this.#pacing.allowedBytesPerMs)
  }
}

/** A frame with the room before it, as it stands in `buffer`. */
function pieceOf(buffer: Buffer, encode: (room: Buffer) => Buffer): Buffer {
  return buffer.subarray(0, HEADER_ROOM + encode(buffer.subarray(HEADER_ROOM)).length)
}

/** Lets the event loop take its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Bytes of pages as they lie in memory. */
export function pageBytesOf(pages: number): number {
  return pages * PAGE_BYTES
}
