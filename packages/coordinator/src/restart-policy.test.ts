/** Goal: a lost worker is replaced, a failing program is not, and nothing is tried for ever. Method: the rules, one by one. */
import { ERROR_KIND_NAMES, LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { isRestartable, NO_RESTARTS, nextRestart, restartDelayMs } from './restart-policy.ts'

test('only what came from outside is worth another try', () => {
  expect(ERROR_KIND_NAMES.filter(isRestartable).sort()).toEqual([
    'connection-lost',
    'host-disconnected',
    'internal',
    'peer-stalled',
    'worker-crashed',
  ])
})

test('restarts in a row are limited and ever slower; a new step makes up for them', () => {
  let count = NO_RESTARTS
  const delays: number[] = []
  for (;;) {
    const next = nextRestart(count, 7)
    if (next === undefined) break
    count = next
    delays.push(restartDelayMs(count))
  }
  expect(delays).toHaveLength(LIMITS.maxRestarts)
  expect(delays.slice(0, 4)).toEqual([0, 1, 2, 4].map((factor) => factor * LIMITS.restartDelayMs))
  expect(nextRestart(count, 8)).toEqual({ total: LIMITS.maxRestarts + 1, inARow: 1, acceptedSteps: 8 })
  expect(restartDelayMs({ ...count, inARow: 50 })).toBe(LIMITS.maxRestartDelayMs)
})
