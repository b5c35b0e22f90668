/**
 * Rounds over simulated bulk connections: frames in sequence on each stream, never more ahead of the target than a
 * window, stopped between two frames. Pages are read as they stand when their frame leaves, as the kernel's tracker
 * allows; a page of a stopped round that did not leave is handed back.
 *
 * Invariant: within a migration a page always travels on the same stream.
 */
import { type BulkFrame, PAGE_BYTES, PageSet } from '@godwit/protocol'
import type { End } from './connection.ts'
import type { Process } from './process.ts'

const FRAME_PAGES = 4
const WINDOW_BYTES = 24 * PAGE_BYTES
const HEADER_BYTES = 32
/** What a frame costs the sender. */
const FRAME_MS = 0.3
const EMPTY = new Uint8Array(0)

/** What travels on a simulated bulk connection: the frame as the engine knows it, and the pages' content beside it. */
export interface SimFrame {
  readonly type: 'frame'
  readonly frame: BulkFrame
  readonly values: readonly (readonly [page: number, value: number])[]
  readonly bytes: number
}

export interface Sent {
  readonly wireBytes: number
  readonly rest: PageSet
  readonly bytesPerMs: number | undefined
}

export class PageSender {
  readonly #process: Process
  readonly #streams: readonly End[]
  readonly #sequences: number[]
  readonly #sent: number[]
  readonly #installed: number[]
  readonly #waiting: (() => void)[] = []
  #isStopped = false
  /** With bytes under way: what the rate is measured over. */
  #busyMs = 0
  #busySinceMs: number | undefined
  #asked = { installed: 0, busyMs: 0 }
  mostInFlight = 0

  constructor(process: Process, streams: readonly End[]) {
    this.#process = process
    this.#streams = streams
    this.#sequences = streams.map(() => 0)
    this.#sent = streams.map(() => 0)
    this.#installed = streams.map(() => 0)
  }

  get lastSequences(): number[] {
    return this.#sequences.map((next) => next - 1)
  }

  get sentBytes(): number {
    return this.#sent.reduce((sum, each) => sum + each, 0)
  }

  get bytesInFlight(): number {
    return this.sentBytes - this.#installed.reduce((sum, each) => sum + each, 0)
  }

  /** False when the target claims what was never sent. */
  installed(stream: number, bytes: number): boolean {
    const before = this.#installed[stream]
    if (before === undefined || bytes < before || bytes > (this.#sent[stream] as number)) return false
    this.#installed[stream] = bytes
    if (this.bytesInFlight === 0 && this.#busySinceMs !== undefined) {
      this.#busyMs += this.#process.nowMs() - this.#busySinceMs
      this.#busySinceMs = undefined
    }
    this.#wake()
    return true
  }

  stop(): void {
    this.#isStopped = true
    this.#wake()
  }

  sendRound(round: number, pages: PageSet, memory: Int32Array, done: (sent: Sent) => void): void {
    const bytesBefore = this.sentBytes
    this.#isStopped = false
    const left = new PageSet(pages.pageCount)
    let open = this.#streams.length
    const finish = (): void => {
      open -= 1
      if (open > 0) return
      const rest = pages.copy()
      rest.removeAll(left)
      done({ wireBytes: this.sentBytes - bytesBefore, rest, bytesPerMs: this.#takeRate() })
    }
    this.#streams.forEach((_, stream) => {
      const mine = [...pagesOf(pages)].filter((page) => page % this.#streams.length === stream)
      this.#sendStream({ stream, round, mine, memory, left }, finish)
    })
  }

  /** Bytes installed a millisecond since this was last asked, while any were under way. */
  #takeRate(): number | undefined {
    const underWayMs = this.#busySinceMs === undefined ? 0 : this.#process.nowMs() - this.#busySinceMs
    const now = { installed: this.sentBytes - this.bytesInFlight, busyMs: this.#busyMs + underWayMs }
    const [installed, busyMs] = [now.installed - this.#asked.installed, now.busyMs - this.#asked.busyMs]
    if (installed === 0 || busyMs <= 0) return undefined
    this.#asked = now
    return installed / busyMs
  }

  /** In two frames, so that one can be late. */
  sendDelta(attempt: number, bytes: Uint8Array, done: (wireBytes: number) => void): void {
    const before = this.sentBytes
    const half = bytes.length >> 1
    const parts = [
      [0, half],
      [half, bytes.length],
    ] as const
    const next = (index: number): void => {
      const part = parts[index]
      if (part === undefined || this.#isStopped) return done(this.sentBytes - before)
      const stream = index % this.#streams.length
      const payload = bytes.slice(part[0], part[1])
      const frame = { ...this.#header(stream, attempt), kind: 'delta', byteOffset: part[0], payload } as const
      this.#send(stream, { type: 'frame', frame, values: [], bytes: HEADER_BYTES + payload.length })
      this.#process.after(FRAME_MS, () => next(index + 1))
    }
    next(0)
  }

  #sendStream(
    job: { stream: number; round: number; mine: number[]; memory: Int32Array; left: PageSet },
    done: () => void,
  ): void {
    const { stream, round, mine, memory, left } = job
    if (this.#isStopped) return done()
    if (this.bytesInFlight >= WINDOW_BYTES) {
      this.#waiting.push(() => this.#sendStream(job, done))
      return
    }
    const pages = mine.slice(0, FRAME_PAGES)
    if (pages.length === 0) {
      const frame = { ...this.#header(stream, round), kind: 'roundEnd' } as const
      this.#send(stream, { type: 'frame', frame, values: [], bytes: HEADER_BYTES })
      return done()
    }
    const runs = pages.map((page) => ({ firstPage: page, pageCount: 1, encoding: 'raw' as const }))
    const frame = { ...this.#header(stream, round), kind: 'pages', runs, payload: EMPTY } as const
    const values = pages.map((page) => [page, memory[page] as number] as const)
    const bytes = HEADER_BYTES + pages.length * PAGE_BYTES
    this.#send(stream, { type: 'frame', frame, values, bytes })
    for (const run of runs) left.addRun(run)
    this.#process.after(FRAME_MS, () => this.#sendStream({ ...job, mine: mine.slice(FRAME_PAGES) }, done))
  }

  #header(stream: number, round: number): Pick<BulkFrame, 'version' | 'stream' | 'round' | 'sequence'> {
    const sequence = this.#sequences[stream] as number
    this.#sequences[stream] = sequence + 1
    return { version: 1, stream, round, sequence }
  }

  #send(stream: number, frame: SimFrame): void {
    this.#sent[stream] = (this.#sent[stream] as number) + frame.bytes
    this.#busySinceMs ??= this.#process.nowMs()
    this.mostInFlight = Math.max(this.mostInFlight, this.bytesInFlight)
    this.#streams[stream]?.send(frame, frame.bytes)
  }

  #wake(): void {
    for (const look of this.#waiting.splice(0)) look()
  }
}

function* pagesOf(set: PageSet): Generator<number> {
  for (const { firstPage, pageCount } of set.runs()) {
    for (let page = firstPage; page < firstPage + pageCount; page++) yield page
  }
}
