/**
 * What a command may do to the terminal: lines out, lines beside them, one line that is written over, and the
 * person's Ctrl-C. Commands get it handed in, so that a test reads what a person would have read.
 *
 * Results go to stdout and everything that accompanies them to stderr, so that `godwit ps --json | jq` works while a
 * progress bar is shown. The cursor is never hidden and no mode of the terminal is changed: however the process
 * ends, there is nothing to restore but a line that has no end yet.
 */
import { LIMITS } from '@godwit/protocol'
import { cut } from './render/colour.ts'

/** The person pressed Ctrl-C or the system asked us to end. `exitCode` as shells have it: 128 and the signal's number. */
export class Interrupted extends Error {
  readonly exitCode: number

  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`ended by ${signal}`)
    this.exitCode = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }[signal]
  }
}

export interface Io {
  out(line: string): void
  err(line: string): void
  /** Columns of the terminal behind stderr; undefined when there is none and nothing is written over. */
  readonly columns: number | undefined
  /** Shows `line` in place of the one shown before, on stderr. Does nothing without a terminal. */
  live(line: string): void
  /** Shows `lines` in place of those shown so before, on stderr, as many as fit; without a terminal they are printed. */
  screen(lines: readonly string[]): void
  /** Aborted with an `Interrupted` as its reason. */
  readonly interrupted: AbortSignal
}

/** Between two redraws of the live line. */
const REDRAW_MS = 80
const ERASE = '\r\u001b[K'

interface Streams {
  stdout: { write(text: string): unknown }
  stderr: { write(text: string): unknown; isTTY?: boolean; columns?: number; rows?: number }
}

/** The terminal. A live line stays visible until something else is written or `endLive` is called. */
export class Terminal implements Io {
  readonly interrupted: AbortSignal
  readonly #streams: Streams
  #live = false
  /** Of the screen that was shown last, if nothing else was since. */
  #screenLines = 0
  #drawnAtMs = Number.NEGATIVE_INFINITY

  constructor(streams: Streams, interrupted: AbortSignal) {
    this.#streams = streams
    this.interrupted = interrupted
  }

  get columns(): number | undefined {
    const { stderr } = this.#streams
    // A terminal that does not know its width says 0.
    return stderr.isTTY === true ? stderr.columns || 80 : undefined
  }

  out(line: string): void {
    this.endLive()
    this.#screenLines = 0
    this.#streams.stdout.write(`${line}\n`)
  }

  err(line: string): void {
    this.endLive()
    this.#screenLines = 0
    this.#streams.stderr.write(`${line}\n`)
  }

  live(line: string): void {
    const { columns } = this
    const nowMs = performance.now()
    if (columns === undefined || nowMs - this.#drawnAtMs < REDRAW_MS) return
    this.#drawnAtMs = nowMs
    this.#live = true
    // A full line would wrap, and only its last row could be written over.
    this.#streams.stderr.write(ERASE + cut(line, columns - 1))
  }

  screen(lines: readonly string[]): void {
    const { columns } = this
    if (columns === undefined) {
      for (const line of lines) this.out(line)
      return
    }
    this.endLive()
    const { rows = 24 } = this.#streams.stderr
    const shown = lines.slice(0, rows - 1).map((line) => cut(line, columns - 1))
    const back = this.#screenLines === 0 ? '' : `\u001b[${this.#screenLines}A\r\u001b[J`
    this.#screenLines = shown.length
    this.#streams.stderr.write(`${back}${shown.join('\n')}\n`)
  }

  /** Erases the live line. */
  endLive(): void {
    if (!this.#live) return
    this.#live = false
    this.#drawnAtMs = Number.NEGATIVE_INFINITY
    this.#streams.stderr.write(ERASE)
  }
}

/** Settles as `work` does, or rejects with `Interrupted` as soon as the person wants no more. */
export async function untilInterrupted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let stop: () => void = () => {}
  const interrupted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, interrupted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** What is piped in, at most so much of it as a token has; undefined at a terminal. */
export async function pipedInput(): Promise<string | undefined> {
  const { stdin } = process
  if (stdin.isTTY) return undefined
  let text = ''
  for await (const chunk of stdin.setEncoding('utf8')) {
    text += chunk
    if (text.length > LIMITS.maxTokenLength + 2) break
  }
  return text.trim() === '' ? undefined : text
}
