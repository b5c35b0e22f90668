/**
 * A process of the benchmark's own at one end of a link: it says one JSON value a line, and is told such lines.
 *
 * Its stdin is its leash: `leashed` ends the process when the benchmark is gone, however that went.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import type { RigPlace } from '@godwit/testkit'

export interface Heard {
  readonly value: Record<string, unknown>
  /** When the line came, by `performance.now()` of the benchmark. */
  readonly atMs: number
}

export class Child {
  readonly heard: Heard[] = []
  readonly exited: Promise<number | null>
  readonly #process: ChildProcess
  readonly #events = new EventEmitter().setMaxListeners(100)
  readonly #what: string
  #taken = 0
  #hasEnded = false

  /** Starts the TypeScript file `script` at `place`. */
  constructor(place: RigPlace, script: string, args: readonly string[] = []) {
    const [command, ...rest] = [...place.command, process.execPath, '--import', 'tsx', script, ...args]
    this.#what = [script, ...args].join(' ')
    const child = spawn(command as string, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#process = child
    // A process that has ended is not told anything; that it ended is noticed by whoever waits for it.
    child.stdin.on('error', () => {})
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.heard.push({ value: JSON.parse(line) as Record<string, unknown>, atMs: performance.now() })
      this.#events.emit('change')
    })
    this.exited = once(child, 'close').then(([code]) => {
      this.#hasEnded = true
      this.#events.emit('change')
      return code as number | null
    })
  }

  /** The next line that nobody has asked for yet. */
  async next(): Promise<Heard> {
    await this.until(() => this.heard.length > this.#taken)
    const heard = this.heard[this.#taken] as Heard
    this.#taken += 1
    return heard
  }

  /** Resolves when `ready` is true, asked again after every line. */
  async until(ready: () => boolean): Promise<void> {
    while (!ready()) {
      if (this.#hasEnded) throw new Error(`${this.#what} ended too early (${this.#process.exitCode})`)
      await once(this.#events, 'change')
    }
  }

  tell(value: Record<string, unknown>): void {
    this.#process.stdin?.write(`${JSON.stringify(value)}\n`)
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.exited
  }
}

/** In such a process: calls `told` for each line on stdin, and ends with whoever holds the other end. */
export function leashed(told: (value: Record<string, unknown>) => void = () => {}): void {
  createInterface({ input: process.stdin })
    .on('line', (line) => told(JSON.parse(line) as Record<string, unknown>))
    .on('close', () => process.exit(0))
}

/** In such a process: says one line. */
export function say(value: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
