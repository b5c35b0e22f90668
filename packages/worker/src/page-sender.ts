/**
 * Sends rounds of pages over the bulk connections, never more ahead of the target than the window.
 *
 * The window counts bytes that the target has *installed*, not what left our buffers: the last pages of a job must
 * not stand behind megabytes that wait in kernel buffers. It is also what bounds memory here, and what measures
 * the link: bytes installed while bytes were under way.
 *
 * Invariants: a stream's frames leave in sequence; a frame's buffer is used again only when its socket let go of
 * it; a page of a stopped round that did not leave is in what `sendRound` returns.
 */
import type { WebSocket } from '@godwit/channel'
import {
  type EncodedRun,
  encodePagesFrame,
  encodeRoundEnd,
  HEADER_BYTES,
  LIMITS,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
  PageSet,
  RUN_BYTES,
  rawPages,
} from '@godwit/protocol'
import { nowMs } from './clock.ts'
import { planFrames } from './frame-plan.ts'

/** After so many frames in a row the event loop gets its turn. */
const FRAMES_PER_TURN = 4

export interface SentRound {
  readonly wireBytes: number
  /** Pages that did not leave because the round was stopped. */
  readonly rest: PageSet
}

export class PageSender {
  readonly #streams: readonly WebSocket[]
  readonly #version: number
  readonly #nextSequences: number[]
  readonly #installed: number[]
  readonly #sent: number[]
  readonly #freeBuffers: Buffer[] = []
  readonly #waiting: (() => void)[] = []
  #busyMs = 0
  #busySinceMs: number | undefined
  #rated = { installed: 0, busyMs: 0 }
  #bytesPerMs: number | undefined
  #stopped = false
  #left = new PageSet(0)

  constructor(streams: readonly WebSocket[], version: number) {
    this.#streams = streams
    this.#version = version
    this.#nextSequences = streams.map(() => 0)
    this.#installed = streams.map(() => 0)
    this.#sent = streams.map(() => 0)
  }

  /** By stream: the sequence of the last frame handed to the socket. */
  get lastSequences(): number[] {
    return this.#nextSequences.map((next) => next - 1)
  }

  /** Pages of the current round, or the last one, that have left. */
  get roundPagesSent(): number {
    return this.#left.size
  }

  get sentBytes(): number {
    return sum(this.#sent)
  }

  /** Sent and not installed yet, over all streams. */
  get bytesInFlight(): number {
    return this.sentBytes - sum(this.#installed)
  }

  /** The rate that `takeRate` gave last. */
  get bytesPerMs(): number | undefined {
    return this.#bytesPerMs
  }

  /** Bytes installed a millisecond while any were under way, since this was last asked; undefined when none were. */
  takeRate(): number | undefined {
    const now = {
      installed: sum(this.#installed),
      busyMs: this.#busyMs + (this.#busySinceMs === undefined ? 0 : nowMs() - this.#busySinceMs),
    }
    const installed = now.installed - this.#rated.installed
    const busyMs = now.busyMs - this.#rated.busyMs
    if (installed === 0 || busyMs <= 0) return undefined
    this.#rated = now
    this.#bytesPerMs = installed / busyMs
    return this.#bytesPerMs
  }

  /** The target's word that `bytes` in all are installed on `stream`. False when it can't be true. */
  installed(stream: number, bytes: number): boolean {
    const [before, sent] = [this.#installed[stream], this.#sent[stream]]
    if (before === undefined || sent === undefined || bytes < before || bytes > sent) return false
    this.#installed[stream] = bytes
    if (this.bytesInFlight === 0 && this.#busySinceMs !== undefined) {
      this.#busyMs += nowMs() - this.#busySinceMs
      this.#busySinceMs = undefined
    }
    for (const wake of this.#waiting.splice(0)) wake()
    return true
  }

  /** Ends the round that is being sent, if there is one, as soon as each stream's current frame has left. */
  stop(): void {
    this.#stopped = true
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Sends `pages` as they stand in `image`. Resolves when the last byte was handed to the sockets. */
  async sendRound(round: number, pages: PageSet, image: Buffer): Promise<SentRound> {
    this.#stopped = false
    const before = this.sentBytes
    const left = new PageSet(pages.pageCount)
    this.#left = left
    await Promise.all(
      this.#streams.map((_, stream) => this.#sendStream(stream, round, { pages, image, left })),
    )
    return { wireBytes: this.sentBytes - before, rest: without(pages, left) }
  }

  async #sendStream(
    stream: number,
    round: number,
    { pages, image, left }: { pages: PageSet; image: Buffer; left: PageSet },
  ): Promise<void> {
    let frames = 0
    for (const runs of planFrames(pages, image, { stream, streams: this.#streams.length })) {
      if (this.bytesInFlight >= LIMITS.windowBytes) await this.#windowOpen()
      if (this.#stopped) return
      this.#sendFrame(stream, round, runs, image)
      for (const run of runs) left.addRun(run)
      frames += 1
      if (frames % FRAMES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    this.#send(stream, encodeRoundEnd(this.#header(stream, round)))
  }

  #sendFrame(stream: number, round: number, runs: readonly EncodedRun[], image: Buffer): void {
    const header = this.#header(stream, round)
    if (rawPages(runs) === 0) {
      // Small: a frame's buffer would be held for a few bytes, and the window counts bytes on the wire.
      this.#send(
        stream,
        encodePagesFrame(Buffer.alloc(HEADER_BYTES + runs.length * RUN_BYTES), header, runs, image),
      )
      return
    }
    const buffer = this.#freeBuffers.pop() ?? Buffer.allocUnsafeSlow(MAX_FRAME_BYTES)
    this.#send(stream, encodePagesFrame(buffer, header, runs, image), () => this.#freeBuffers.push(buffer))
  }

  #send(stream: number, frame: Buffer, gone?: () => void): void {
    this.#sent[stream] = (this.#sent[stream] as number) + frame.length
    this.#busySinceMs ??= nowMs()
    this.#streams[stream]?.send(frame, { binary: true, compress: false }, gone)
  }

  #header(
    stream: number,
    round: number,
  ): { version: number; stream: number; round: number; sequence: number } {
    const sequence = this.#nextSequences[stream] as number
    this.#nextSequences[stream] = sequence + 1
    return { version: this.#version, stream, round, sequence }
  }

  async #windowOpen(): Promise<void> {
    while (this.bytesInFlight >= LIMITS.windowBytes && !this.#stopped) await this.#change()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function without(pages: PageSet, gone: PageSet): PageSet {
  const rest = new PageSet(pages.pageCount)
  if (gone.size === pages.size) return rest
  for (const { firstPage, pageCount } of pages.runs()) {
    for (let page = firstPage; page < firstPage + pageCount; page++) {
      if (!gone.has(page)) rest.addRun({ firstPage: page, pageCount: 1 })
    }
  }
  return rest
}

/** Bytes of pages as they lie in memory. */
export function pageBytesOf(pages: number): number {
  return pages * PAGE_BYTES
}
