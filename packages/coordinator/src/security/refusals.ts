/**
 * What anybody can cause as often as they like must not fill the disk: so many entries a second are let through, and how many
 * were not is told by the next one that is.
 */
import { type AuditEntry, LIMITS } from '@godwit/protocol'

export class Refusals {
  #left: number = LIMITS.maxNotedPerSecond
  #atMs = 0
  #withheld = 0

  /** What to write down now. `nowMs` by a monotonic clock. */
  take(entry: AuditEntry, nowMs: number): AuditEntry[] {
    const earned = ((nowMs - this.#atMs) * LIMITS.maxNotedPerSecond) / 1000
    this.#left = Math.min(LIMITS.maxNotedPerSecond, this.#left + earned)
    this.#atMs = nowMs
    if (this.#left < 1) {
      this.#withheld += 1
      return []
    }
    this.#left -= 1
    if (this.#withheld === 0) return [entry]
    const withheld: AuditEntry = {
      atMs: entry.atMs,
      who: 'unknown',
      address: '',
      action: 'withheld',
      subject: `${this.#withheld} entries like these came too fast to be written down`,
      outcome: 'too-busy',
    }
    this.#withheld = 0
    return [withheld, entry]
  }
}
