/** Goal: delays grow, stay bounded and differ. Method: the ends of their range. */
import { LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { reconnectDelayMs } from './backoff.ts'

test('delays double up to the limit and are spread', () => {
  expect(reconnectDelayMs(0, 1)).toBe(LIMITS.reconnectDelayMs)
  expect(reconnectDelayMs(0, 0)).toBe(LIMITS.reconnectDelayMs / 2)
  expect(reconnectDelayMs(1, 1)).toBe(2 * LIMITS.reconnectDelayMs)
  expect(reconnectDelayMs(10_000, 1)).toBe(LIMITS.maxReconnectDelayMs)
})
