/** Goal: the smallest limit holds, the gentle one only while nobody hurries, and a wait ends when it is told to. Method: the real clock, never waited for. */
import { LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { Pacing } from './pacing.ts'

const SLOW = 1_000_000

test('without a limit nothing waits and frames are as large as they may be', async () => {
  const pacing = new Pacing()
  pacing.left(1e9)
  expect(pacing.mustWait).toBe(false)
  expect(pacing.framePages).toBe(LIMITS.maxFramePages)
  expect(pacing.allowedBytesPerMs).toBe(Number.POSITIVE_INFINITY)
  await pacing.change()
})

test("the smaller of the migration's limit and the host's share holds, and slow ones are sent in small frames", () => {
  const pacing = new Pacing(SLOW)
  expect(pacing.allowedBytesPerMs).toBe(SLOW / 1000)
  expect(pacing.framePages).toBe(LIMITS.slowFramePages)
  pacing.hostBandwidth = SLOW / 2
  expect(pacing.allowedBytesPerMs).toBe(SLOW / 2000)
  pacing.hostBandwidth = SLOW * 2
  expect(pacing.allowedBytesPerMs).toBe(SLOW / 1000)
  pacing.hostBandwidth = undefined
  expect(pacing.allowedBytesPerMs).toBe(SLOW / 1000)
})

test('what keeps training from being slowed down does not hold once a park is asked for', () => {
  const pacing = new Pacing()
  pacing.gentleBytesPerMs = 100
  pacing.left(10_000_000)
  expect(pacing.mustWait).toBe(true)
  expect(pacing.allowedBytesPerMs).toBe(Number.POSITIVE_INFINITY)
  pacing.hurries = true
  expect(pacing.mustWait).toBe(false)
})

test('a wait of hours ends at once when the sender stops, or when a limit is lifted', async () => {
  const pacing = new Pacing(LIMITS.minBandwidth)
  pacing.hostBandwidth = LIMITS.minBandwidth / 2
  pacing.left(1e9)
  expect(pacing.mustWait).toBe(true)
  const [first, second] = [pacing.change(), pacing.change()]
  pacing.wake()
  await Promise.all([first, second])
  const third = pacing.change()
  pacing.hostBandwidth = undefined
  await third
  expect(pacing.mustWait, 'what has left is still owed').toBe(true)
})
