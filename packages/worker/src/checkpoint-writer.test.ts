/**
 * Goal: rounds are written while they help, and no longer. Method: single cases of what is left and what was left before.
 */
import { LIMITS, PAGE_BYTES } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { isWorthRound } from './checkpoint-writer.ts'

const SMALL = LIMITS.checkpointCopyBytes / PAGE_BYTES

test('what is small is copied, what is not is written while training runs', () => {
  expect(isWorthRound(SMALL, [])).toBe(false)
  expect(isWorthRound(SMALL + 1, [])).toBe(true)
})

test('rounds end when they no longer shrink, and after so many', () => {
  expect(isWorthRound(50 * SMALL, [100 * SMALL])).toBe(true)
  expect(isWorthRound(90 * SMALL, [100 * SMALL])).toBe(false)
  const halving = Array.from({ length: LIMITS.maxCheckpointRounds }, (_, round) => 2 ** (40 - round))
  expect(isWorthRound(2 * SMALL, halving.slice(1))).toBe(true)
  expect(isWorthRound(2 * SMALL, halving)).toBe(false)
})

test('a round that would leave as much as there is, by what the checkpoint before left, is not written', () => {
  expect(isWorthRound(100 * SMALL, [], 90 * SMALL)).toBe(false)
  expect(isWorthRound(100 * SMALL, [], 50 * SMALL)).toBe(true)
})
