import { LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { streamsFor } from './streams.ts'

test('a long link gets several streams, a short one needs no more than one', () => {
  expect([0, 0.1, 5].map(streamsFor)).toEqual([1, 1, 1])
  const ofLong = streamsFor(150)
  expect(ofLong).toBeGreaterThan(1)
  expect(ofLong).toBeLessThanOrEqual(LIMITS.maxStreams)
})
