/** Goal: nobody asks more than so often, for whatever others ask, and what is remembered of them is bounded. Method: a clock that the test turns. */
import { LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { Quotas } from './quotas.ts'

test('a second’s worth at once, and then as it is earned; each its own', () => {
  const quotas = new Quotas(3)
  const taken = (who: string, nowMs: number): boolean => quotas.take(who, nowMs) !== undefined
  expect([taken('a', 0), taken('a', 0), taken('a', 0), taken('a', 0)]).toEqual([true, true, true, false])
  expect(taken('b', 0)).toBe(true)
  expect([taken('a', 300), taken('a', 400), taken('a', 500)]).toEqual([false, true, false])
  // Nothing is saved up.
  expect([1, 2, 3, 4].map(() => taken('a', 60_000))).toEqual([true, true, true, false])
})

test('those that have asked for nothing in a second are forgotten, beyond so many', () => {
  const quotas = new Quotas(3)
  const waits = quotas.take('waits', 0)
  if (waits !== undefined) waits.pending = 1
  for (let count = 0; count < 2 * LIMITS.maxQuotas; count++) quotas.take(`w${count}`, count / 10)
  expect(quotas.size).toBeGreaterThan(LIMITS.maxQuotas)
  if (waits !== undefined) waits.pending = 0
  for (let count = 0; count < LIMITS.maxQuotas; count++) quotas.take('one', 60_000 + count)
  expect(quotas.size).toBeLessThanOrEqual(LIMITS.maxQuotas)
})
