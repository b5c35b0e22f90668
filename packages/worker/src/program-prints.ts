/**
 * What a program prints goes to the worker's file at once, and no faster than a log can be kept.
 *
 * A thread's own `process.stdout` hands its text to the main thread and waits for an answer in its event loop, to which the training thread
 * never returns: all but the first line would lie in memory until the job ends. So it is written from here. A rehearsal prints nothing, as its
 * outputs are no outputs; what it would have printed last is shown where it fails.
 *
 * Invariants: over any time no more than `maxPrintedBytesPerSecond` and a burst are written; what is cut is said, where it begins and how much
 * it was; printing never fails.
 */
import { writeSync } from 'node:fs'
import { LIMITS } from '@godwit/protocol'
import { nowMs } from './clock.ts'

/** Characters of a rehearsal's that are shown where it fails. */
const MUTED_TAIL = 4096
const MS_PER_S = 1000

export interface PrintsEdge {
  write(text: string): void
  nowMs(): number
}

export class ProgramPrints {
  readonly #edge: PrintsEdge
  #isMuted: boolean
  #muted = ''
  #allowance: number = LIMITS.maxPrintedBurstBytes
  #lookedMs: number
  #cutBytes = 0
  #isLineOpen = false

  constructor(edge: PrintsEdge, isMuted: boolean) {
    this.#edge = edge
    this.#isMuted = isMuted
    this.#lookedMs = edge.nowMs()
  }

  print(text: string): void {
    if (this.#isMuted) {
      this.#muted = (this.#muted + text).slice(-MUTED_TAIL)
      return
    }
    const bytes = Buffer.byteLength(text)
    this.#refill()
    if (bytes > this.#allowance) {
      if (this.#cutBytes === 0)
        this.#note(`more than ${LIMITS.maxPrintedBytesPerSecond / 1024} KiB a second: what follows is cut`)
      this.#cutBytes += bytes
      return
    }
    if (this.#cutBytes > 0) this.#note(`${this.#cutBytes} bytes were cut here`)
    this.#cutBytes = 0
    this.#allowance -= bytes
    this.#write(text)
  }

  /** From now on it is the job that prints. */
  begin(): void {
    this.#isMuted = false
    this.#muted = ''
  }

  /** The rehearsal has failed. */
  reveal(): void {
    const text = this.#muted
    this.begin()
    if (text !== '') this.print(text.endsWith('\n') ? text : `${text}\n`)
  }

  #refill(): void {
    const now = this.#edge.nowMs()
    const more = ((now - this.#lookedMs) * LIMITS.maxPrintedBytesPerSecond) / MS_PER_S
    this.#allowance = Math.min(LIMITS.maxPrintedBurstBytes, this.#allowance + more)
    this.#lookedMs = now
  }

  #note(what: string): void {
    this.#write(`${this.#isLineOpen ? '\n' : ''}[godwit: ${what}]\n`)
  }

  #write(text: string): void {
    if (text === '') return
    this.#isLineOpen = !text.endsWith('\n')
    this.#edge.write(text)
  }
}

/** Takes over both streams of this thread; both go to the worker's one file. */
export function takeOverStreams(isMuted: boolean): ProgramPrints {
  const prints = new ProgramPrints({ write: writeOut, nowMs }, isMuted)
  for (const stream of [process.stdout, process.stderr]) {
    stream.write = (chunk: string | Uint8Array, encoding?: unknown, done?: unknown): boolean => {
      prints.print(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())
      const written = typeof encoding === 'function' ? encoding : done
      if (typeof written === 'function') process.nextTick(written as () => void)
      return true
    }
  }
  return prints
}

function writeOut(text: string): void {
  try {
    writeSync(1, text)
  } catch {
    // A full disk takes a line, not a job.
  }
}
