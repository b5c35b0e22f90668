/**
 * How much each one may ask: so many requests a second, and so many at once. Whoever asks for more is told when to come back; nobody else
 * waits for it.
 */
import { LIMITS } from '@godwit/protocol'

/** One who asks: a token from an address, or an address alone. */
export interface Quota {
  /** Requests that wait for their answers. */
  pending: number
  left: number
  atMs: number
}

export class Quotas {
  readonly #perSecond: number
  readonly #of = new Map<string, Quota>()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** Those that are remembered. */
  get size(): number {
    return this.#of.size
  }

  /** Undefined when `who` has asked too often in the last second. */
  take(who: string, nowMs: number): Quota | undefined {
    const quota = this.#of.get(who) ?? { pending: 0, left: this.#perSecond, atMs: nowMs }
    const earned = ((nowMs - quota.atMs) * this.#perSecond) / 1000
    quota.left = Math.min(this.#perSecond, quota.left + earned)
    quota.atMs = nowMs
    this.#of.delete(who)
    this.#of.set(who, quota)
    this.#forget(nowMs)
    if (quota.left < 1) return undefined
    quota.left -= 1
    return quota
  }

  /** The one that asked longest ago, once it has all of its quota again: it would begin with as much. */
  #forget(nowMs: number): void {
    for (const [who, { pending, atMs }] of this.#of) {
      const isIdle = pending === 0 && nowMs - atMs >= 1000
      if (!isIdle || this.#of.size <= LIMITS.maxQuotas) return
      this.#of.delete(who)
    }
  }
}
