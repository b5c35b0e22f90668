/** Goal: a list of rounds stays short enough for a message and keeps its totals. Method: more rounds than it holds. */
import { LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { addRound } from './rounds.ts'

test('many rounds share entries, and nothing is lost from the totals', () => {
  const one = {
    startMs: 7,
    pages: 1,
    pageBytes: 4096,
    wireBytes: 4140,
    durationMs: 0.5,
    steps: 2,
    codec: 'raw',
  } as const
  let rounds: ReturnType<typeof addRound> = []
  const count = 5 * LIMITS.maxRounds + 7
  for (let round = 0; round < count; round++) {
    rounds = addRound(rounds, one)
    expect(rounds.length).toBeLessThanOrEqual(LIMITS.maxRounds)
  }
  // Of those that share an entry the first says when it began.
  for (const { startMs } of rounds) expect(startMs).toBe(7)
  expect(rounds.at(-1)).toEqual(one)
  expect(rounds.reduce((sum, { pages }) => sum + pages, 0)).toBe(count)
  expect(rounds.reduce((sum, { steps }) => sum + steps, 0)).toBe(2 * count)
})
