/** Goal: how fast a job was is right over any stretch, however it came to be known. Method: steps of known times, by hand and at random. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Speeds } from './speeds.ts'

const all = { from: 0, to: 999 }

test('live steps are added up', () => {
  const speeds = new Speeds()
  for (let step = 0; step < 100; step++) speeds.add(step, step < 50 ? 10 : 20)
  const halves = speeds.within({ from: 0, to: 99 }, 2)
  expect(halves.map(({ fromStep, steps }) => [fromStep, steps])).toEqual([
    [0, 48],
    [48, 52],
  ])
  expect(halves[0]?.stepsPerSecond).toBe(100)
  expect(speeds.within({ from: 200, to: 300 }, 2)).toEqual([])
})

test('a finer history replaces what is known of its steps, and nothing else', () => {
  const speeds = new Speeds()
  speeds.load([{ fromStep: 0, steps: 100, stepsPerSecond: 100 }])
  speeds.load([
    { fromStep: 40, steps: 10, stepsPerSecond: 10 },
    { fromStep: 50, steps: 10, stepsPerSecond: 20 },
  ])
  speeds.add(100, 50)
  expect(speeds.within(all, 1000)).toEqual([
    { fromStep: 0, steps: 40, stepsPerSecond: 100 },
    { fromStep: 40, steps: 10, stepsPerSecond: 10 },
    { fromStep: 50, steps: 10, stepsPerSecond: 20 },
    { fromStep: 60, steps: 40, stepsPerSecond: 100 },
    { fromStep: 100, steps: 1, stepsPerSecond: 20 },
  ])
  speeds.load([])
  expect(speeds.within(all, 1000)).toHaveLength(5)
  speeds.clear()
  expect(speeds.within(all, 1000)).toEqual([])
})

test('however many there are, the whole is as fast as it was', () => {
  fc.assert(
    fc.property(fc.integer({ min: 40_000, max: 60_000 }), fc.integer({ min: 1, max: 7 }), (steps, slow) => {
      const speeds = new Speeds()
      let totalMs = 0
      for (let step = 0; step < steps; step++) {
        const ms = 1 + (step % slow)
        totalMs += ms
        speeds.add(step, ms)
      }
      const [whole, ...others] = speeds.within({ from: 0, to: steps - 1 }, 1)
      expect(others).toEqual([])
      expect(whole?.steps).toBe(steps)
      expect(whole?.stepsPerSecond).toBeCloseTo((1000 * steps) / totalMs, 6)
    }),
    { numRuns: 10 },
  )
})
