/** Random choices that can be made again: the seed is printed, and GODWIT_SEED sets it. */
import { createHash } from 'node:crypto'

export interface Seeded {
  /** An integer from 0 up to, not including, `limit`. */
  random(limit: number): number
  /** How to run this again. */
  readonly replay: string
}

/** Choices for `purpose`, independent of those for another. */
export function seededSteps(purpose: string): Seeded {
  const seed = process.env.GODWIT_SEED ?? String(Date.now() % 1_000_000)
  const replay = `replay with GODWIT_SEED=${seed}`
  console.log(`${purpose}: ${replay}`)
  let drawn = 0
  return {
    replay,
    random: (limit) => {
      drawn += 1
      const hash = createHash('sha256').update(`${seed}/${purpose}/${drawn}`).digest()
      return hash.readUIntBE(0, 6) % limit
    },
  }
}
