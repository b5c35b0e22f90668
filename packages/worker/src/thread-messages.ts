/**
 * How the pager and the training thread talk.
 *
 * The thread never returns to its event loop while it trains, so it can't be *sent* anything: it looks at a word of
 * shared memory at each boundary, which costs nothing and is noticed within a step. In the other direction messages
 * work at once, because the pager does nothing but wait for events.
 *
 * Invariants: only the pager writes the request bits, but for `hold`, which the thread sets on itself, and `tell`, which it clears; only the thread
 * writes the words about its steps. A waiting thread waits on the request word, so that every change of it wakes the thread.
 */
import type { ArenaLayout } from '@godwit/memory'
import type { ErrorReport, Parameters, ParkPoint, SentDelta } from '@godwit/protocol'
import type { DeltaArray } from './setup-context.ts'

/**
 * Bits of the request word. Above them stands the number of the latest park: a park that is taken back and asked for
 * anew changes the word, so a thread that was about to sleep on the old one does not.
 */
export const REQUEST = {
  /** End before another step is applied. */
  stop: 1,
  /** Park at the next boundary and say so. */
  parkAtBoundary: 2,
  /** Wait at the boundary until outputs are acknowledged. */
  hold: 4,
  /** Compute, but don't apply: the job is not ours yet. */
  gate: 8,
  /** Wait after rehearsal for a state to take over, or to start over. */
  await: 16,
  /** Park after the next `compute` that begins, before its `apply`, and say so. */
  parkBeforeApply: 32,
  /**
   * Park there too, but keep the delta: the state is that of the boundary before, and `compute` may be run again. Or at a boundary where the
   * thread holds.
   */
  parkQuietly: 64,
  /** Tell the program, at the next boundary, what was sent for it. */
  tell: 128,
} as const

const WORDS = {
  request: 0,
  step: 1,
  acknowledged: 2,
  computeMicros: 3,
  deltaBytes: 4,
  stagedBytes: 5,
  throttlePercent: 6,
  count: 7,
} as const

const ANY_PARK = REQUEST.parkAtBoundary | REQUEST.parkBeforeApply | REQUEST.parkQuietly

const PARK_BITS: { readonly [Point in ParkPoint | 'quiet']: number } = {
  boundary: REQUEST.parkAtBoundary,
  preApply: REQUEST.parkBeforeApply,
  quiet: REQUEST.parkQuietly,
}

const REQUEST_BITS = 8
const REQUEST_MASK = (1 << REQUEST_BITS) - 1

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

  /** What is asked for: bits, the number of the latest park, and the word to wait on. */
  get requested(): { readonly bits: number; readonly park: number; readonly word: number } {
    const word = Atomics.load(this.#words, WORDS.request)
    return { bits: word & REQUEST_MASK, park: word >>> REQUEST_BITS, word }
  }

  /** Thread: sleeps until the request word is no longer `word`, or for so long. */
  waitForChange(word: number, timeoutMs = Number.POSITIVE_INFINITY): void {
    Atomics.wait(this.#words, WORDS.request, word, timeoutMs)
  }

  /** Pager: takes this park back, unless it has been replaced by another. */
  resume(park: number): void {
    for (;;) {
      const before = Atomics.load(this.#words, WORDS.request)
      if (before >>> REQUEST_BITS !== park) return
      if (Atomics.compareExchange(this.#words, WORDS.request, before, before & ~ANY_PARK) !== before) continue
      Atomics.notify(this.#words, WORDS.request)
      return
    }
  }

  /** Pager: asks for a park and returns its number, which no park of this worker had before. */
  park(point: ParkPoint | 'quiet'): number {
    const bit = PARK_BITS[point]
    for (;;) {
      const before = Atomics.load(this.#words, WORDS.request)
      const number = ((before >>> REQUEST_BITS) + 1) & (0xffffffff >>> REQUEST_BITS)
      const after = (number << REQUEST_BITS) | (before & REQUEST_MASK & ~ANY_PARK) | bit
      if (Atomics.compareExchange(this.#words, WORDS.request, before, after) !== before) continue
      Atomics.notify(this.#words, WORDS.request)
      return number
    }
  }

  /** Steps applied. */
  get step(): number {
    return Atomics.load(this.#words, WORDS.step)
  }

  set step(step: number) {
    Atomics.store(this.#words, WORDS.step, step)
  }

  /** The last `compute`, as the thread measured it; undefined before the first, or for a program that steps as a whole. */
  get lastCompute(): { readonly computeMs: number; readonly deltaBytes: number } | undefined {
    const computeMs = Atomics.load(this.#words, WORDS.computeMicros) / 1000
    if (computeMs === 0) return undefined
    return { computeMs, deltaBytes: Atomics.load(this.#words, WORDS.deltaBytes) }
  }

  /** Thread. */
  computed(computeMs: number, deltaBytes: number): void {
    Atomics.store(this.#words, WORDS.deltaBytes, deltaBytes)
    Atomics.store(this.#words, WORDS.computeMicros, Math.max(1, Math.round(computeMs * 1000)))
  }

  /** Bytes of the delta in hand that are staged; the thread sets it to 0 before it says that it is parked. */
  get stagedBytes(): number {
    return Atomics.load(this.#words, WORDS.stagedBytes)
  }

  set stagedBytes(bytes: number) {
    Atomics.store(this.#words, WORDS.stagedBytes, bytes)
  }

  /** Pager: the share of its time that the thread is to idle between steps. */
  get throttlePercent(): number {
    return Atomics.load(this.#words, WORDS.throttlePercent)
  }

  set throttlePercent(percent: number) {
    Atomics.store(this.#words, WORDS.throttlePercent, percent)
    Atomics.notify(this.#words, WORDS.request)
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
  /** The digest of the bundle that it is the program of. */
  readonly bundle: string | undefined
  readonly parameters: Parameters
  readonly steps: number
  readonly mode: 'fresh' | 'incoming' | 'restored'
}

/** From the pager, read by the thread when it is woken from `await`. */
export interface TakeOver {
  readonly type: 'takeOver'
  readonly step: number
  readonly smallState: Uint8Array
  /** The step's delta, already computed, and where its arrays are staged. */
  readonly delta?: { readonly sent: SentDelta; readonly staging: SharedArrayBuffer } | undefined
}

/** From the pager when a migration begins, read by the thread when it parks with a delta in hand. */
export interface Staging {
  readonly type: 'staging'
  readonly memory: SharedArrayBuffer
}

/** From the pager, read by a restored worker's thread in place of a state: there is none, begin with the steps that were rehearsed. */
export interface StartOver {
  readonly type: 'startOver'
}

/** From the pager, read by the thread at the next boundary: what its program is to know. */
export type ToProgram =
  /** The job is about to move. Answered by `noticed`. */
  | {
      readonly type: 'notice'
      readonly notice: number
      readonly from: string
      readonly to: string
      readonly expectedDowntimeMs: number | undefined
    }
  /** It does not, after all. */
  | { readonly type: 'stays' }

/** From the pager, read by the thread at the next boundary: it will be asked to park soon. */
export interface RehearsePark {
  readonly type: 'rehearsePark'
}

export type ToThread = TakeOver | Staging | StartOver | RehearsePark | ToProgram

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
      /** Undefined for a program that steps as a whole. */
      readonly deltaArrays: ReadonlyMap<string, DeltaArray> | undefined
      /** It wants to know of its moves. */
      readonly tellsProgram: boolean
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
      readonly park: number
      readonly step: number
      readonly parkedMs: number
      readonly smallState: Uint8Array
      /** Parked before `apply`: what is in hand. Its arrays are being staged. */
      readonly delta?: SentDelta | undefined
    }
  /** The program was told, and has had its steps; or failed, and gets none. */
  | { readonly type: 'noticed'; readonly notice: number; readonly failed: boolean }
  /** For the log. What the thread itself prints waits in it for as long as it trains. */
  | { readonly type: 'hookFailed'; readonly message: string }
  /** Goes on with a state that was taken over. */
  | { readonly type: 'resumed'; readonly atMs: number }
  /** The first delta is computed and the gate is closed: waiting since then. */
  | { readonly type: 'atGate'; readonly atMs: number }
  /** The state can't be handed over: it would not arrive as it is. The thread waits to be told to go on. */
  | { readonly type: 'parkFailed'; readonly park: number; readonly error: ErrorReport }
  | { readonly type: 'ended'; readonly steps: number; readonly stateDigest: string }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly error: ErrorReport; readonly step: number }
