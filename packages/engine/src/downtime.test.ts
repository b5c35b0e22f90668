/** Goal: the parts add up to the downtime and none is negative, whatever the clocks' error. Method: random instants. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { downtimeParts, totalDowntimeMs } from './downtime.ts'

const gap = fc.double({ min: 0, max: 50, noNaN: true })

test('the parts are those of the instants and add up', () => {
  const parts = downtimeParts(
    { parkedMs: 100, awakeMs: 101, scannedMs: 103, sentMs: 110 },
    { installedMs: 1115, runningMs: 1118, claimWaitMs: 2 },
    1000,
  )
  expect(parts).toEqual({ parkMs: 1, finalScanMs: 2, finalSendMs: 7, installMs: 5, claimMs: 2, resumeMs: 3 })
  expect(totalDowntimeMs(parts)).toBe(20)
})

test('no part is negative, and a wrong offset never makes the sum shorter than what the source saw itself', () => {
  fc.assert(
    fc.property(
      gap,
      gap,
      gap,
      gap,
      gap,
      gap,
      fc.double({ min: -100, max: 100, noNaN: true }),
      (a, b, c, d, e, claimWaitMs, error) => {
        const source = { parkedMs: 0, awakeMs: a, scannedMs: a + b, sentMs: a + b + c }
        const target = { installedMs: source.sentMs + d, runningMs: source.sentMs + d + e, claimWaitMs }
        const parts = downtimeParts(source, target, error)
        for (const part of Object.values(parts)) expect(part).toBeGreaterThanOrEqual(0)
        expect(totalDowntimeMs(parts)).toBeGreaterThanOrEqual(source.sentMs - 1e-9)
      },
    ),
  )
})
