/** A terminal for tests: what a person would have read, and a Ctrl-C to press. */
import { Interrupted, type Io } from '../io.ts'

export class CapturedIo implements Io {
  readonly stdout: string[] = []
  readonly stderr: string[] = []
  readonly lives: string[] = []
  readonly screens: string[][] = []
  readonly columns: number | undefined
  readonly #interruption = new AbortController()

  constructor(columns?: number) {
    this.columns = columns
  }

  get interrupted(): AbortSignal {
    return this.#interruption.signal
  }

  out(line: string): void {
    this.stdout.push(...line.split('\n'))
  }

  err(line: string): void {
    this.stderr.push(...line.split('\n'))
  }

  live(line: string): void {
    if (this.columns !== undefined) this.lives.push(line)
  }

  screen(lines: readonly string[]): void {
    if (this.columns === undefined) this.stdout.push(...lines)
    else this.screens.push([...lines])
  }

  interrupt(): void {
    this.#interruption.abort(new Interrupted('SIGINT'))
  }
}
