/**
 * One clock for both hosts: the source's. The target's is related to it by an offset that pings bound from both sides.
 *
 * A pong that carries the target's instant `at` was written after the ping left (`sent`) and before the pong came
 * back (`received`): so the offset, target's clock less source's, lies in [at - received, at - sent]. No assumption of
 * symmetric paths is needed, and intervals of several pings intersect (K. Marzullo, Maintaining the Time in a
 * Distributed System, 1984). What is left of the width is the error that the report states.
 */
export interface ClockOffset {
  /** Target's clock less source's, the interval's middle. */
  readonly offsetMs: number
  /** Half the interval's width. */
  readonly errorMs: number
}

export interface PingSample {
  readonly sentMs: number
  readonly atMs: number
  readonly receivedMs: number
}

/** Clocks of two machines drift apart by up to 100 µs a second: only the newest samples bound the offset of now. */
const KEPT_SAMPLES = 16
/** Instants far from 0 are sums that were rounded: intervals that miss each other by less still overlap. */
const ROUNDING_MS = 1e-6

export class ClockEstimate {
  readonly #samples: PingSample[] = []

  add(sample: PingSample): void {
    this.#samples.push(sample)
    if (this.#samples.length > KEPT_SAMPLES) this.#samples.shift()
  }

  /** The shortest round trip among the kept samples, 0 before the first. */
  get roundTripMs(): number {
    return this.#samples.length === 0
      ? 0
      : Math.min(...this.#samples.map(({ sentMs, receivedMs }) => receivedMs - sentMs))
  }

  /** Undefined before the first sample. */
  get offset(): ClockOffset | undefined {
    let [low, high] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
    for (let index = this.#samples.length - 1; index >= 0; index--) {
      const { sentMs, atMs, receivedMs } = this.#samples[index] as PingSample
      const [nextLow, nextHigh] = [Math.max(low, atMs - receivedMs), Math.min(high, atMs - sentMs)]
      // Samples that don't overlap any more: the clocks have drifted since, the newer ones count.
      if (nextLow > nextHigh + ROUNDING_MS) break
      ;[low, high] = [Math.min(nextLow, nextHigh), Math.max(nextLow, nextHigh)]
    }
    if (high === Number.POSITIVE_INFINITY) return undefined
    return { offsetMs: (low + high) / 2, errorMs: (high - low) / 2 }
  }
}
