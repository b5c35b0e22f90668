/** Goal: a lost worker is replaced, a failing program is not, and nothing is tried for ever. Method: the rules, one by one. */
import { ERROR_KIND_NAMES, LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { isRestartable, NO_RESTARTS, nextRestart, restartDelayMs } from './restart-policy.ts'

const crash = { kind: 'worker-crashed', calendarMs: 0 } as const

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
    const next = nextRestart(count, { ...crash, acceptedSteps: 7 })
    if (next === undefined) break
    count = next
    delays.push(restartDelayMs(count))
  }
  expect(delays).toHaveLength(LIMITS.maxRestarts)
  expect(delays.slice(0, 4)).toEqual([0, 1, 2, 4].map((factor) => factor * LIMITS.restartDelayMs))
  expect(nextRestart(count, { ...crash, acceptedSteps: 8 })).toEqual({
    total: LIMITS.maxRestarts + 1,
    inARow: 1,
    acceptedSteps: 8,
  })
  expect(restartDelayMs({ ...count, inARow: 50 })).toBe(LIMITS.maxRestartDelayMs)
})

test('a full disk is waited for, ever slower and not for ever, and uses no restarts up', () => {
  const full = { kind: 'disk-full', acceptedSteps: 7 } as const
  let count = nextRestart(NO_RESTARTS, { ...crash, acceptedSteps: 7 }) ?? NO_RESTARTS
  let nowMs = 0
  let tries = 0
  for (;;) {
    const next = nextRestart(count, { ...full, calendarMs: nowMs })
    if (next === undefined) break
    expect(restartDelayMs(next)).toBeGreaterThanOrEqual(
      Math.max(LIMITS.restartDelayMs, restartDelayMs(count)),
    )
    count = next
    nowMs += restartDelayMs(count)
    tries += 1
  }
  expect(nowMs).toBeGreaterThanOrEqual(LIMITS.maxDiskFullMs)
  expect(tries).toBeGreaterThan(LIMITS.maxRestarts)
  expect(count.inARow).toBe(1)
  // Something else went wrong: that counts, and the next full disk is another one.
  const crashed = nextRestart(count, { ...crash, acceptedSteps: 7 })
  expect(crashed).toEqual({ total: count.total + 1, inARow: 2, acceptedSteps: 7 })
  expect(nextRestart(crashed ?? count, { ...full, calendarMs: nowMs })?.diskFull).toEqual({
    sinceMs: nowMs,
    tries: 1,
  })
})
