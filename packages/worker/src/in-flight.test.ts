/**
 * Goal: the window opens and closes by what the target says is installed, and a target can't say what isn't so.
 * Method: the book-keeping step by step.
 */
import { LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { nowMs } from './clock.ts'
import { InFlight } from './in-flight.ts'

test('there is room until a window full is under way, and again when some of it is installed', () => {
  const inFlight = new InFlight(2)
  expect(inFlight.hasRoom).toBe(true)
  inFlight.sent(0, LIMITS.windowBytes - 10, 0)
  expect(inFlight.hasRoom).toBe(true)
  inFlight.sent(1, 10, 0)
  expect(inFlight.hasRoom).toBe(false)
  expect(inFlight.bytes).toBe(LIMITS.windowBytes)
  expect(inFlight.installed(1, 10)).toBe(true)
  expect(inFlight.hasRoom).toBe(true)
  expect(inFlight.mostBytes).toBe(LIMITS.windowBytes)
})

test('what was not sent, or is less than was said before, or on no stream, is refused', () => {
  const inFlight = new InFlight(1)
  inFlight.sent(0, 100, 0)
  expect(inFlight.installed(0, 101)).toBe(false)
  expect(inFlight.installed(1, 1)).toBe(false)
  expect(inFlight.installed(0, 60)).toBe(true)
  expect(inFlight.installed(0, 59)).toBe(false)
  expect(inFlight.bytes).toBe(40)
})

test('who waits is woken by what is installed', async () => {
  const inFlight = new InFlight(1)
  inFlight.sent(0, 100, 0)
  const change = inFlight.change()
  inFlight.installed(0, 100)
  await change
})

test('a rate is bytes over the time in which some were under way, and is taken once', () => {
  const inFlight = new InFlight(1)
  expect(inFlight.takeRate()).toBeUndefined()
  inFlight.sent(0, 1000, nowMs() - 1)
  inFlight.installed(0, 1000)
  expect(inFlight.takeRate()).toBeGreaterThan(0)
  expect(inFlight.takeRate()).toBeUndefined()
})
