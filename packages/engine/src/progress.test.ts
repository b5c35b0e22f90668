/**
 * Goal: what people see goes forward, and what they are told of the time left is a number that means something. Method: the way of one
 * migration, then laws over any facts in any order.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ProgressFacts, percentDone, timeLeftMs } from './progress.ts'

const MiB = 2 ** 20
const facts: ProgressFacts = {
  status: 'active',
  arenaBytes: 1024 * MiB,
  round: 0,
  roundBytes: 1024 * MiB,
  roundSentBytes: 0,
  lastRoundBytes: undefined,
  bytesPerMs: MiB,
  expectedDowntimeMs: undefined,
  limitMs: 10,
  isPaused: false,
}
const later = { ...facts, round: 1, roundSentBytes: 0, lastRoundBytes: 1024 * MiB }

test('the first round is most of the way, and what is left of it most of the time', () => {
  expect(percentDone({ ...facts, status: 'setup' }, 0)).toBe(0)
  expect(percentDone({ ...facts, roundSentBytes: 512 * MiB }, 0)).toBe(36.5)
  expect(timeLeftMs({ ...facts, roundSentBytes: 512 * MiB })).toBe(512)
  const said = [1000, 100, 32, 10].map((expectedDowntimeMs) =>
    Math.round(percentDone({ ...later, roundBytes: MiB, expectedDowntimeMs }, 0)),
  )
  expect(said).toEqual([70, 80, 85, 90])
  expect(percentDone({ ...later, status: 'preSwitchover' }, 0)).toBe(90)
  expect(percentDone({ ...later, status: 'switchover' }, 0)).toBe(95)
})

test('rounds that halve are over in twice their time, rounds that grow never', () => {
  const halves = { ...later, roundBytes: 512 * MiB, expectedDowntimeMs: 512 }
  expect(timeLeftMs(halves)).toBe(512 + 512 + 10)
  expect(timeLeftMs({ ...halves, lastRoundBytes: 512 * MiB })).toBeUndefined()
  expect(timeLeftMs({ ...halves, status: 'preSwitchover' })).toBeUndefined()
  expect(timeLeftMs({ ...halves, isPaused: true })).toBeUndefined()
  expect(timeLeftMs({ ...halves, bytesPerMs: undefined })).toBeUndefined()
  expect(timeLeftMs({ ...halves, roundBytes: MiB, expectedDowntimeMs: 5 })).toBe(1 + 2 + 5)
})

const bytes = fc.integer({ min: 0, max: 2 ** 32 })
const some = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined })
const any: fc.Arbitrary<ProgressFacts> = fc.record({
  status: fc.constantFrom('setup', 'active', 'active', 'preSwitchover', 'switchover'),
  arenaBytes: fc.integer({ min: 4096, max: 2 ** 32 }),
  round: fc.nat(5),
  roundBytes: bytes,
  roundSentBytes: bytes,
  lastRoundBytes: some(bytes),
  bytesPerMs: some(fc.double({ min: 0.001, max: 1e7, noNaN: true })),
  expectedDowntimeMs: some(fc.double({ min: 0, max: 1e9, noNaN: true })),
  limitMs: fc.double({ min: 0.001, max: 1e6, noNaN: true }),
  isPaused: fc.boolean(),
})

test('whatever happens, in any order: it never runs backwards, and the time left is a number of milliseconds or nothing', () => {
  fc.assert(
    fc.property(fc.array(any, { maxLength: 30 }), (way) => {
      let percent = 0
      for (const each of way) {
        const next = percentDone(each, percent)
        expect(next).toBeGreaterThanOrEqual(percent)
        expect(next).toBeLessThanOrEqual(100)
        percent = next
        const left = timeLeftMs(each)
        if (left !== undefined) expect(Number.isFinite(left) && left >= 0, String(left)).toBe(true)
      }
    }),
  )
})

test('more sent of the same round is never further from the end', () => {
  fc.assert(
    fc.property(any, bytes, (each, more) => {
      const further = { ...each, roundSentBytes: each.roundSentBytes + more }
      expect(percentDone(further, 0)).toBeGreaterThanOrEqual(percentDone(each, 0))
      const [left, now] = [timeLeftMs(each), timeLeftMs(further)]
      if (left !== undefined) expect(now).toBeLessThanOrEqual(left)
    }),
  )
})
