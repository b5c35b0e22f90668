/**
 * Preflights of one dialog, one after the other: each has a worker started at its target. What was seen is kept for as long as nothing changes that it
 * depends on; what is not wanted any more is not asked for.
 *
 * Invariants: of those that count one is under way at most; what comes after the options changed, or after `stop`, is dropped.
 */
import type { PreflightView } from '@godwit/protocol'
import { signal } from '@preact/signals'
import type { AskedOptions } from './migrate-form.ts'
import { keyOf, type Look, type Wish } from './migrate-targets.ts'

export type AskPreflight = (wish: Wish, options: AskedOptions) => Promise<PreflightView>

export class Preflights {
  /** By `keyOf`. */
  readonly looks = signal<ReadonlyMap<string, Look>>(new Map())
  readonly #ask: AskPreflight
  #queue: readonly Wish[] = []
  #options: AskedOptions | undefined
  #generation = 0
  #isLooking = false

  constructor(ask: AskPreflight) {
    this.#ask = ask
  }

  /** In place of what was wanted before. With other options all is looked at anew. */
  want(wishes: readonly Wish[], options: AskedOptions): void {
    if (JSON.stringify(options) !== JSON.stringify(this.#options)) this.#forget()
    this.#options = options
    this.#queue = wishes
    void this.#next()
  }

  /** What is under way is not waited for, and nothing further is asked. What was seen stays. */
  stop(): void {
    this.#generation++
    this.#isLooking = false
    this.#queue = []
    this.looks.value = new Map([...this.looks.peek()].filter(([, { state }]) => state !== 'looking'))
  }

  /** What was seen counts no more. */
  again(): void {
    const wanted = this.#queue
    this.#forget()
    this.#queue = wanted
    void this.#next()
  }

  #forget(): void {
    this.stop()
    this.looks.value = new Map()
  }

  async #next(): Promise<void> {
    const wish = this.#queue.find((each) => !this.looks.peek().has(keyOf(each)))
    if (this.#isLooking || wish === undefined || this.#options === undefined) return
    const generation = this.#generation
    this.#isLooking = true
    this.#put(wish, { state: 'looking' })
    const look = await this.#look(wish, this.#options)
    if (generation !== this.#generation) return
    this.#isLooking = false
    this.#put(wish, look)
    void this.#next()
  }

  async #look(wish: Wish, options: AskedOptions): Promise<Look> {
    try {
      return { state: 'seen', preflight: await this.#ask(wish, options) }
    } catch (error) {
      return { state: 'failed', message: (error as Error).message }
    }
  }

  #put(wish: Wish, look: Look): void {
    this.looks.value = new Map([...this.looks.peek(), [keyOf(wish), look]])
  }
}
