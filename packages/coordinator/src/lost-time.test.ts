/** Goal: lost time is what the design says it is. Method: examples, and one law: usual steps lose the downtime alone. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { beginLostTime, countStep, type LostTime, lostTimeMs, SETTLING_STEPS } from './lost-time.ts'

const NOW = { acceptedSteps: 30, fromStep: 20, workloadEnded: false, downtimeMs: 40 }

function counted(before: number[], during: [step: number, stepMs: number][], fromStep = 20): LostTime {
  return during.reduce(
    (lost, [step, stepMs]) => countStep(lost, { step, stepMs }, fromStep),
    beginLostTime(before),
  )
}

test('the excess over the median before, plus the downtime', () => {
  const lost = counted(
    [10, 10, 500, 12, 8],
    [
      [18, 13],
      [19, 9],
      [20, 30],
    ],
  )
  expect(lostTimeMs(lost, NOW)).toBe(3 - 1 + 20 + 40)
  expect(counted([10, 20], []).usualStepMs).toBe(15)
})

test('null until ten steps after the switchover, or the end', () => {
  const lost = counted([10], [[20, 10]])
  expect(lostTimeMs(lost, { ...NOW, acceptedSteps: 29 })).toBeNull()
  expect(lostTimeMs(lost, { ...NOW, acceptedSteps: 29, workloadEnded: true })).toBe(40)
})

test('steps after the ten do not count, and nothing can be said without a step before', () => {
  expect(
    lostTimeMs(
      counted(
        [10],
        [
          [19 + SETTLING_STEPS, 11],
          [20 + SETTLING_STEPS, 999],
        ],
      ),
      NOW,
    ),
  ).toBe(41)
  expect(lostTimeMs(counted([], [[20, 10]]), NOW)).toBeNull()
})

test('steps that take as long as before lose exactly the downtime', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.nat(64), fc.nat(20), (stepMs, before, during) => {
      const steps = Array.from({ length: during }, (_, index): [number, number] => [15 + index, stepMs])
      const lost = counted(new Array(before + 1).fill(stepMs), steps)
      expect(lostTimeMs(lost, NOW)).toBe(NOW.downtimeMs)
    }),
  )
})
