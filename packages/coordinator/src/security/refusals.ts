/**
 * What anybody can cause as often as they like must not fill the disk: so many entries a second are let through, of strangers so many
 * bytes a day too, and how many were not is told by the next one that is, past the day's bytes once an hour.
 */
import { type AuditEntry, LIMITS } from '@godwit/protocol'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** What the log adds to an entry: the hash of the line before, and a newline. */
const LINE_EXTRA_BYTES = 80

export class Refusals {
  readonly #whose: string
  readonly #maxBytesPerDay: number
  #left: number = LIMITS.maxNotedPerSecond
  #atMs = 0
  #dayAtMs = 0
  #dayBytes = 0
  #writtenAtMs = 0
  #withheld = 0

  /** `whose` says in the line that counts them whose they were. */
  constructor(whose: string, maxBytesPerDay = Number.POSITIVE_INFINITY) {
    this.#whose = whose
    this.#maxBytesPerDay = maxBytesPerDay
  }

  /** What to write down now. `nowMs` by a monotonic clock. */
  take(entry: AuditEntry, nowMs: number): AuditEntry[] {
    if (nowMs - this.#dayAtMs >= DAY_MS) {
      this.#dayAtMs = nowMs
      this.#dayBytes = 0
    }
    const isFull = this.#dayBytes >= this.#maxBytesPerDay
    if (!this.#mayWrite(nowMs) || (isFull && nowMs - this.#writtenAtMs < HOUR_MS)) {
      this.#withheld += 1
      return []
    }
    this.#left -= 1
    this.#writtenAtMs = nowMs
    if (isFull) this.#withheld += 1
    const taken = [...this.#counted(entry.atMs), ...(isFull ? [] : [entry])]
    for (const each of taken) this.#dayBytes += Buffer.byteLength(JSON.stringify(each)) + LINE_EXTRA_BYTES
    return taken
  }

  #mayWrite(nowMs: number): boolean {
    const earned = ((nowMs - this.#atMs) * LIMITS.maxNotedPerSecond) / 1000
    this.#left = Math.min(LIMITS.maxNotedPerSecond, this.#left + earned)
    this.#atMs = nowMs
    return this.#left >= 1
  }

  /** How many were withheld since the last one, if any were. */
  #counted(atMs: number): AuditEntry[] {
    if (this.#withheld === 0) return []
    const subject = `${this.#withheld} entries of ${this.#whose} were too many to be written down`
    this.#withheld = 0
    return [{ atMs, who: 'unknown', address: '', action: 'withheld', subject, outcome: 'too-busy' }]
  }
}
