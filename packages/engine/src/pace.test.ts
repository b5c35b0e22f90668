/**
 * Goal: no window of time sees more bytes than its rates carry, a few milliseconds more, and one frame; and a link that
 * is asked for all it may carry gets it. Method: properties over random frames, pauses, late timers and changes of the rate, on a
 * simulated clock; the oracle adds up each window by itself.
 */
import { LIMITS } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { atRate, letGo, unpaced, waitMs } from './pace.ts'

/** What happens next: a frame that is sent as soon as it may, some time later than that; or another rate. */
const happenings = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        bytes: fc.integer({ min: 32, max: 262_144 }),
        lateMs: fc.double({ min: 0, max: 30, noNaN: true }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ bytesPerMs: fc.double({ min: 64, max: 1e6, noNaN: true }) }) },
  ),
  { minLength: 1, maxLength: 60 },
)

interface Left {
  readonly atMs: number
  readonly bytes: number
  /** What the rates have carried from the beginning up to then. */
  readonly carriedBytes: number
}

/** The worst window's bytes over what its rates carried. */
function worstExcessBytes(left: readonly Left[]): number {
  let worst = 0
  for (const [from, first] of left.entries()) {
    let bytes = 0
    for (const each of left.slice(from)) {
      bytes += each.bytes
      worst = Math.max(worst, bytes - (each.carriedBytes - first.carriedBytes))
    }
  }
  return worst
}

test('over any window the bytes let go are within what its rates carry, a burst, and a frame', () => {
  fc.assert(
    fc.property(happenings, fc.double({ min: 64, max: 1e6, noNaN: true }), (all, firstRate) => {
      let nowMs = 1000
      let rate = firstRate
      let pace = atRate(unpaced(nowMs), rate, nowMs)
      let [carriedBytes, highest, largest] = [0, rate, 0]
      const left: Left[] = []
      for (const next of all) {
        if ('bytesPerMs' in next) {
          rate = next.bytesPerMs
          highest = Math.max(highest, rate)
          pace = atRate(pace, rate, nowMs)
          continue
        }
        const tookMs = Math.max(0, waitMs(pace, nowMs)) + next.lateMs
        nowMs += tookMs
        carriedBytes += tookMs * rate
        pace = letGo(pace, next.bytes, nowMs)
        largest = Math.max(largest, next.bytes)
        left.push({ atMs: nowMs, bytes: next.bytes, carriedBytes })
      }
      const allowed = LIMITS.paceBurstMs * highest + largest
      expect(worstExcessBytes(left)).toBeLessThanOrEqual(allowed * (1 + 1e-9))
    }),
  )
})

test('the oracle finds a pacer that lets too much go', () => {
  const [atMs, carriedBytes] = [0, 0]
  expect(
    worstExcessBytes([
      { atMs, bytes: 100, carriedBytes },
      { atMs, bytes: 100, carriedBytes },
    ]),
  ).toBe(200)
  expect(
    worstExcessBytes([
      { atMs, bytes: 100, carriedBytes },
      { atMs: 1, bytes: 100, carriedBytes: 90 },
    ]),
  ).toBe(110)
})

test('timers that are late by less than the burst cost no bandwidth', () => {
  const rate = 5000
  const frame = 65_536
  let nowMs = 0
  let pace = atRate(unpaced(nowMs), rate, nowMs)
  let bytes = 0
  for (let sent = 0; sent < 1000; sent++) {
    const wait = waitMs(pace, nowMs)
    if (wait > 0) nowMs += wait + (sent % 3) * 0.4 * LIMITS.paceBurstMs
    pace = letGo(pace, frame, nowMs)
    bytes += frame
  }
  expect(bytes / nowMs / rate).toBeGreaterThan(0.98)
  expect(bytes / nowMs / rate).toBeLessThan(1.02)
})

test('without a limit nothing waits, and a limit that comes later starts with nothing owed', () => {
  let pace = letGo(unpaced(0), 1e9, 0)
  expect(waitMs(pace, 0)).toBe(0)
  pace = atRate(pace, 1000, 0)
  expect(waitMs(pace, 0)).toBeLessThanOrEqual(0)
  pace = letGo(pace, 100_000, 0)
  expect(waitMs(pace, 0)).toBeCloseTo(100 - LIMITS.paceBurstMs, 9)
  expect(waitMs(atRate(pace, 10_000, 50), 50), 'the rest at ten times the rate').toBeCloseTo(
    5 - LIMITS.paceBurstMs,
    9,
  )
  expect(waitMs(atRate(pace, undefined, 50), 50)).toBe(0)
})
