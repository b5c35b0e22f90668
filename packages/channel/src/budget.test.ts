/** Goal: no second has more events than were allowed, however they come. Method: a clock that is passed in. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Budget } from './budget.ts'

test('a burst of a second, then as many as are earned', () => {
  const budget = new Budget(100, 0)
  for (let event = 0; event < 100; event++) expect(budget.take(0)).toBe(0)
  expect(budget.take(0)).toBeCloseTo(10)
  expect(budget.take(20)).toBe(0)
})

test('whoever waits as it is told has never more than two seconds of them in a second', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 400 }), { maxLength: 300 }), (pausesMs) => {
      const [perSecond, times] = [50, [] as number[]]
      const budget = new Budget(perSecond, 0)
      let nowMs = 0
      for (const pauseMs of pausesMs) {
        nowMs += pauseMs
        times.push(nowMs)
        nowMs += budget.take(nowMs)
      }
      return times.every(
        (from) => times.filter((at) => at >= from && at < from + 1000).length <= 2 * perSecond + 1,
      )
    }),
  )
})
