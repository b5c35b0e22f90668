/** Goal: all points have room; a logarithmic side has some numbers, never too many, and all within it. Method: ranges at random, and some that are known. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { linearRange, logRange, logTicks, tickTexts } from './axis.ts'

test('decades, with 2 and 5 where there is room; within one, even distances', () => {
  const rounded = (min: number, max: number): number[] =>
    logTicks(min, max).map((tick) => Number(tick.toPrecision(6)))
  expect(rounded(0.15, 2.4)).toEqual([0.2, 0.5, 1, 2])
  expect(rounded(1e-6, 10)).toEqual([1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10])
  expect(rounded(0.92, 1.04)).toEqual([0.95, 1])
  expect(logRange(null, null)).toEqual([1, 10])
})

test('each range has some', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-12, max: 1e6, noNaN: true }),
      fc.double({ min: 1.001, max: 1e12, noNaN: true }),
      (low, by) => {
        const [min, max] = logRange(low, low * by)
        const ticks = logTicks(min, max)
        expect(ticks.length).toBeGreaterThan(0)
        expect(ticks.length).toBeLessThanOrEqual(8)
        for (const tick of ticks) expect(tick >= min * (1 - 1e-9) && tick <= max * (1 + 1e-9)).toBe(true)
      },
    ),
  )
})

test('all points have room, also where they are all alike', () => {
  expect([linearRange(null, null), linearRange(0, 0), linearRange(-1, -1)]).toEqual([
    [0, 1],
    [0, 1],
    [-1.05, -0.95],
  ])
  expect(linearRange(0.02, 2)).toEqual([0, 2 + 1.98 * 0.08])
  const [low, high] = linearRange(0.968, 0.968)
  expect(low < 0.968 && low > 0.9 && high > 0.968 && high < 1.02).toBe(true)
})

test('numbers below each other have as many digits', () => {
  expect(tickTexts([0, 0.5, 1, 1.5], false)).toEqual(['0.0', '0.5', '1.0', '1.5'])
  expect(tickTexts([0, 0.1 + 0.2, 0.6], false)).toEqual(['0.0', '0.3', '0.6'])
  expect(tickTexts([0, 500, 1000], false)).toEqual(['0', '500', '1\u202f000'])
  expect(tickTexts([0.965, 0.97, 0.975], false)).toEqual(['0.965', '0.970', '0.975'])
  expect(tickTexts([0, 1e-6, 2e-6], false)).toEqual(['0', '1e-6', '2e-6'])
  expect(tickTexts([1e-3, 0.01, 0.1, 1, 10_000], true)).toEqual(['0.001', '0.01', '0.1', '1', '10\u202f000'])
  expect(tickTexts([0], false)).toEqual(['0'])
})
