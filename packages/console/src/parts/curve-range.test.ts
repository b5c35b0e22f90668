/** Goal: a range never leaves what there is, whatever is pressed. Method: each key, at the edges too; then keys at random. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rangeByKey, rangeWithin, zoomed } from './curve-range.ts'

const extent = { from: 0, to: 1000 }

test('what is dragged over is shown, in either direction', () => {
  expect(rangeWithin(extent, 200, 400)).toEqual({ from: 200, to: 400 })
  expect(rangeWithin(extent, 400, 200)).toEqual({ from: 200, to: 400 })
  expect(rangeWithin(extent, -50, 2000)).toBeUndefined()
  expect(rangeWithin(extent, 500, 501)).toEqual({ from: 496, to: 506 })
  expect(rangeWithin({ from: 0, to: 3 }, 1, 2)).toBeUndefined()
})

test('keys', () => {
  const middle = { from: 400, to: 600 }
  expect(rangeByKey('+', extent, undefined)).toEqual({ from: 250, to: 750 })
  expect(rangeByKey('-', extent, middle)).toEqual({ from: 300, to: 700 })
  expect(rangeByKey('ArrowLeft', extent, middle)).toEqual({ from: 360, to: 560 })
  expect(rangeByKey('ArrowRight', extent, { from: 900, to: 1000 })).toEqual({ from: 900, to: 1000 })
  expect(rangeByKey('Home', extent, middle)).toEqual({ from: 0, to: 200 })
  expect(rangeByKey('End', extent, middle)).toEqual({ from: 800, to: 1000 })
  expect(rangeByKey('0', extent, middle)).toBeUndefined()
  expect([rangeByKey('Escape', extent, undefined), rangeByKey('x', extent, middle)]).toEqual([
    'ignored',
    'ignored',
  ])
})

test('what is zoomed at stays where it is', () => {
  expect(zoomed(extent, { from: 0, to: 800 }, 0.5, 200)).toEqual({ from: 100, to: 500 })
})

test('no sequence of keys leads out of the curve', () => {
  const keys = ['+', '-', 'ArrowLeft', 'ArrowRight', 'Home', 'End', '0'] as const
  fc.assert(
    fc.property(fc.nat(5000), fc.nat(5000), fc.array(fc.constantFrom(...keys)), (from, span, pressed) => {
      const whole = { from, to: from + span }
      let range: ReturnType<typeof rangeWithin>
      for (const key of pressed) {
        const next = rangeByKey(key, whole, range)
        if (next === 'ignored') continue
        range = next
        if (range === undefined) continue
        expect(range.from).toBeGreaterThanOrEqual(whole.from)
        expect(range.to).toBeLessThanOrEqual(whole.to)
        expect(range.to - range.from).toBeGreaterThanOrEqual(10)
      }
    }),
  )
})
