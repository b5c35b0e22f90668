/**
 * How the pager and the training thread talk.
 *
 * The thread never returns to its event loop while it trains, so it can't be *sent* anything: it looks at a word of
 * shared memory at each boundary, which costs nothing and is noticed within a step. In the other direction messages
 * work at once, because the pager does nothing but wait for events.
 *
 * Invariants: only the pager writes the request bits, but for `hold`, which the thread sets on itself; only the thread writes
 * the step word. A waiting thread waits on the request word, so that every change of it wakes the thread.
 */
import type { ArenaLayout } from '@godwit/memory'
import type { ErrorReport, Parameters } from '@godwit/protocol'

/** Bits of the request word. */
export const REQUEST = {
  /** End at the next boundary. */
  stop: 1,
  /** Park at the next boundary and say so. */
  park: 2,
  /** Wait at the boundary until outputs are acknowledged. */
  hold: 4,
  /** Compute, but don't apply: the job is not ours yet. */
  gate: 8,
  /** Wait after rehearsal for a state to take over. */
  await: 16,
} as const

const WORDS = { request: 0, attempt: 1, step: 2, acknowledged: 3, count: 4 } as const

/** The words both threads share. */
export class ControlWords {
  readonly #words: Int32Array

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(WORDS.count * Int32Array.BYTES_PER_ELEMENT)) {
    this.#words = new Int32Array(buffer)
  }

  get buffer(): SharedArrayBuffer {
    return this.#words.buffer as SharedArrayBuffer
  }

  /** Pager: sets and clears bits, and wakes the thread. */
  request(change: { set?: number; clear?: number }): void {
    if (change.set !== undefined) Atomics.or(this.#words, WORDS.request, change.set)
    if (change.clear !== undefined) Atomics.and(this.#words, WORDS.request, ~change.clear)
    Atomics.notify(this.#words, WORDS.request)
  }

  get requested(): number {
    return Atomics.load(this.#words, WORDS.request)
  }

  /** Thread: sleeps until the request word is no longer `seen`. */
  waitForChange(seen: number): void {
    Atomics.wait(this.#words, WORDS.request, seen)
  }

  /** The number of the park that is asked for. */
  get attempt(): number {
    return Atomics.load(this.#words, WORDS.attempt)
  }

  set attempt(attempt: number) {
    Atomics.store(this.#words, WORDS.attempt, attempt)
  }

  /** Steps applied. */
  get step(): number {
    return Atomics.load(this.#words, WORDS.step)
  }

  set step(step: number) {
    Atomics.store(this.#words, WORDS.step, step)
  }

  /** Steps whose outputs are acknowledged. */
  get acknowledged(): number {
    return Atomics.load(this.#words, WORDS.acknowledged)
  }

  /** Pager: lets a thread that holds look again. Only ever forward. */
  acknowledge(steps: number): void {
    if (steps <= this.acknowledged) return
    Atomics.store(this.#words, WORDS.acknowledged, steps)
    this.request({ clear: REQUEST.hold })
  }
}

/** What the thread is started with. */
export interface ThreadStart {
  readonly memory: WebAssembly.Memory
  readonly control: SharedArrayBuffer
  readonly programFile: string
  readonly parameters: Parameters
  readonly steps: number
  readonly mode: 'fresh' | 'incoming'
}

/** From the pager, read by the thread when it is woken from `await`. */
export interface TakeOver {
  readonly step: number
  readonly smallState: Uint8Array
}

export type FromThread =
  /** Setup is done, nothing is computed yet. */
  | {
      readonly type: 'loaded'
      readonly layout: ArenaLayout
      readonly program: string
      readonly programDigest: string
      readonly parametersDigest: string
      readonly dataDigests: Record<string, string>
      readonly mathDigests: Record<string, string>
    }
  /** The first steps, or their rehearsal, are done. */
  | { readonly type: 'prepared'; readonly rehearsalDigest: string }
  | {
      readonly type: 'step'
      readonly step: number
      readonly loss: number
      readonly metrics?: Record<string, number>
      readonly stepMs: number
    }
  | {
      readonly type: 'parked'
      readonly attempt: number
      readonly step: number
      readonly parkedMs: number
      readonly smallState: Uint8Array
    }
  /** Goes on with a state that was taken over. */
  | { readonly type: 'resumed'; readonly atMs: number }
  /** The gate is open and the first apply comes next. */
  | { readonly type: 'gatePassed'; readonly waitedMs: number }
  | { readonly type: 'ended'; readonly steps: number; readonly stateDigest: string }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly error: ErrorReport; readonly step: number }
