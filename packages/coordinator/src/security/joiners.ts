/**
 * Places on `/join`, where whoever connects has shown nothing yet: so many in all, and of one address so few that it can't keep all
 * others out.
 */
import { GodwitError, LIMITS } from '@godwit/protocol'

export class Joiners {
  #total = 0
  readonly #of = new Map<string, number>()

  /** Why one more of `address` has no place: `too-busy`. */
  refusal(address: string): GodwitError | undefined {
    if (this.#total >= LIMITS.maxStrangers)
      return new GodwitError('too-busy', 'too many hosts join at once: try again in a while')
    if ((this.#of.get(address) ?? 0) < LIMITS.maxJoinersPerAddress) return undefined
    return new GodwitError(
      'too-busy',
      `${LIMITS.maxJoinersPerAddress} hosts at ${address} join already, which is the limit: try again in a while`,
    )
  }

  /** Takes a place; what it returns gives it back. */
  came(address: string): () => void {
    this.#total += 1
    this.#of.set(address, (this.#of.get(address) ?? 0) + 1)
    return () => {
      this.#total -= 1
      const left = (this.#of.get(address) ?? 0) - 1
      if (left > 0) this.#of.set(address, left)
      else this.#of.delete(address)
    }
  }
}
