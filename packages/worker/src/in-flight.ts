/**
 * Bytes on their way: how many may be, and what that says about the link.
 *
 * A byte is under way from when a frame is handed to a socket until the target says that it is installed. The window
 * is what the link was measured to carry in a round trip, half as much again, and a few frames: enough that the link
 * never waits for us, and little enough that the last pages of a job don't wait for others. While nothing is measured
 * it is LIMITS.windowBytes. A window that is too small measures too small a rate, but its factor makes it grow until the link is full.
 *
 * Invariant: what the target claims to have installed lies between what it claimed before and what was sent.
 */
import { LIMITS, MAX_FRAME_BYTES } from '@godwit/protocol'
import { nowMs } from './clock.ts'

const WINDOW_FACTOR = 1.5
const SPARE_FRAMES = 4
/** A rate is taken from at least so much time with bytes under way. */
const RATE_OVER_MS = 20
/** Weight of the newest rate in the window's moving mean. */
const WEIGHT = 0.5
/** The target's event loop answers within so many milliseconds when the network takes none. */
const SHORTEST_ROUND_TRIP_MS = 0.5

export class InFlight {
  readonly #installed: number[]
  readonly #sent: number[]
  readonly #waiting: (() => void)[] = []
  #busyMs = 0
  #busySinceMs: number | undefined
  #asked = { installed: 0, busyMs: 0 }
  #rated = { installed: 0, busyMs: 0 }
  #bytesPerMs: number | undefined
  #windowBytes: number = LIMITS.windowBytes
  #mostBytes = 0
  #roundTripMs = Number.POSITIVE_INFINITY

  constructor(streams: number) {
    this.#installed = new Array<number>(streams).fill(0)
    this.#sent = new Array<number>(streams).fill(0)
  }

  get sentBytes(): number {
    return sum(this.#sent)
  }

  /** Sent and not installed yet, over all streams. */
  get bytes(): number {
    return this.sentBytes - sum(this.#installed)
  }

  /** The most there ever were. */
  get mostBytes(): number {
    return this.#mostBytes
  }

  get hasRoom(): boolean {
    return this.bytes < this.#windowBytes
  }

  get windowBytes(): number {
    return this.#windowBytes
  }

  /** Bytes installed a millisecond, lately. */
  get bytesPerMs(): number | undefined {
    return this.#bytesPerMs
  }

  /** The shortest counts: later ones contain our own queue. */
  sawRoundTrip(roundTripMs: number): void {
    if (roundTripMs > 0) this.#roundTripMs = Math.min(this.#roundTripMs, roundTripMs)
  }

  sent(stream: number, bytes: number, atMs: number): void {
    this.#sent[stream] = (this.#sent[stream] as number) + bytes
    this.#busySinceMs ??= atMs
    this.#mostBytes = Math.max(this.#mostBytes, this.bytes)
  }

  /** The target's word that `bytes` in all are installed on `stream`. False when it can't be true. */
  installed(stream: number, bytes: number): boolean {
    const [before, sent] = [this.#installed[stream], this.#sent[stream]]
    if (before === undefined || sent === undefined || bytes < before || bytes > sent) return false
    this.#installed[stream] = bytes
    if (this.bytes === 0 && this.#busySinceMs !== undefined) {
      this.#busyMs += nowMs() - this.#busySinceMs
      this.#busySinceMs = undefined
    }
    this.#rate()
    this.wake()
    return true
  }

  /** Bytes installed a millisecond while any were under way, since this was last asked; undefined when none were. */
  takeRate(): number | undefined {
    const now = this.#now()
    const [installed, busyMs] = [now.installed - this.#asked.installed, now.busyMs - this.#asked.busyMs]
    if (installed === 0 || busyMs <= 0) return undefined
    this.#asked = now
    return installed / busyMs
  }

  /** Resolves when something was installed, or `wake` was called. */
  change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  #rate(): void {
    const now = this.#now()
    const [installed, busyMs] = [now.installed - this.#rated.installed, now.busyMs - this.#rated.busyMs]
    if (busyMs < RATE_OVER_MS) return
    this.#rated = now
    const rate = installed / busyMs
    this.#bytesPerMs =
      this.#bytesPerMs === undefined ? rate : this.#bytesPerMs + WEIGHT * (rate - this.#bytesPerMs)
    if (this.#roundTripMs === Number.POSITIVE_INFINITY) return
    const roundTripMs = Math.max(SHORTEST_ROUND_TRIP_MS, this.#roundTripMs)
    const wanted = WINDOW_FACTOR * this.#bytesPerMs * roundTripMs + SPARE_FRAMES * MAX_FRAME_BYTES
    this.#windowBytes = Math.min(LIMITS.maxWindowBytes, wanted)
  }

  #now(): { installed: number; busyMs: number } {
    const underWayMs = this.#busySinceMs === undefined ? 0 : nowMs() - this.#busySinceMs
    return { installed: sum(this.#installed), busyMs: this.#busyMs + underWayMs }
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
