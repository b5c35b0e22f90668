/** So many events a second, and a second's worth at once: whoever has more waits, and is owed nothing for the time before. Nobody waits for more than a second. */
export class Budget {
  readonly #perMs: number
  readonly #most: number
  #left: number
  #atMs: number

  constructor(perSecond: number, nowMs: number) {
    this.#perMs = perSecond / 1000
    this.#most = perSecond
    this.#left = perSecond
    this.#atMs = nowMs
  }

  /** Takes one, in any case. Returns how many milliseconds no further one is due, 0 mostly. */
  take(nowMs: number): number {
    const earned = (nowMs - this.#atMs) * this.#perMs
    this.#atMs = nowMs
    this.#left = Math.max(-this.#most, Math.min(this.#most, this.#left + earned) - 1)
    return this.#left >= 0 ? 0 : -this.#left / this.#perMs
  }
}
