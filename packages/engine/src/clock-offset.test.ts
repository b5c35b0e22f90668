/**
 * Goal: the true offset always lies within the interval. Method: random asymmetric delays around a known offset.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ClockEstimate } from './clock-offset.ts'

const delay = fc.double({ min: 0, max: 500, noNaN: true })

test('the true offset lies within the stated error, however asymmetric the path', () => {
  fc.assert(
    fc.property(
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      fc.array(fc.tuple(delay, delay), { minLength: 1, maxLength: 40 }),
      (offset, paths) => {
        const clock = new ClockEstimate()
        let nowMs = 1000
        for (const [there, back] of paths) {
          clock.add({ sentMs: nowMs, atMs: nowMs + there + offset, receivedMs: nowMs + there + back })
          nowMs += there + back + 1
        }
        const estimate = clock.offset
        expect(estimate).toBeDefined()
        if (estimate === undefined) return
        expect(Math.abs(estimate.offsetMs - offset)).toBeLessThanOrEqual(estimate.errorMs + 1e-6)
        const shortest = Math.min(...paths.slice(-16).map(([there, back]) => there + back))
        expect(clock.roundTripMs).toBeCloseTo(shortest, 6)
        expect(estimate.errorMs).toBeLessThanOrEqual(shortest / 2 + 1e-6)
      },
    ),
  )
})

test('after the clocks drifted apart, the newest samples count', () => {
  const clock = new ClockEstimate()
  clock.add({ sentMs: 0, atMs: 100, receivedMs: 1 })
  clock.add({ sentMs: 10, atMs: 115, receivedMs: 11 })
  expect(clock.offset?.offsetMs).toBeCloseTo(104.5)
})

test('there is no offset before the first pong', () => {
  expect(new ClockEstimate().offset).toBeUndefined()
  expect(new ClockEstimate().roundTripMs).toBe(0)
})
