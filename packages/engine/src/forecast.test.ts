/**
 * Goal: the switchover begins when it is allowed and another round would not help. Method: rounds as jobs make them.
 */
import { expect, test } from 'vitest'
import { decide, expectedDowntimeMs, learn, noForecast } from './forecast.ts'

const arenaPages = 10_000
const limitMs = 300
/** 4 KiB a millisecond makes a page a millisecond. */
const pagePerMs = 4096

function after(...rounds: { pendingPages: number; steps: number; bytesPerMs?: number }[]) {
  return rounds.reduce(
    (forecast, round) => learn(forecast, { bytesPerMs: 100 * pagePerMs, ...round }),
    noForecast(arenaPages),
  )
}

test('nothing is decided before a round was measured', () => {
  expect(decide(noForecast(arenaPages), limitMs, 0)).toEqual({ park: false })
})

test('goes on while rounds shrink, parks when they no longer do', () => {
  let forecast = after({ pendingPages: 5000, steps: 20 })
  for (const pendingPages of [3900, 3000, 2300]) {
    expect(decide(forecast, limitMs, 0)).toEqual({ park: false })
    forecast = learn(forecast, { pendingPages, steps: 10, bytesPerMs: 100 * pagePerMs })
  }
  for (const pendingPages of [2200, 2400]) {
    expect(decide(forecast, limitMs, 0)).toEqual({ park: false })
    forecast = learn(forecast, { pendingPages, steps: 5, bytesPerMs: 100 * pagePerMs })
  }
  expect(decide(forecast, limitMs, 0)).toMatchObject({ park: true, reason: 'rounds no longer shrink' })
})

test('one bad moment is waited out, but not for ever', () => {
  const round = { steps: 5, bytesPerMs: 100 * pagePerMs }
  let forecast = after(
    { pendingPages: 1000, steps: 5 },
    { pendingPages: 1000, steps: 5 },
    { pendingPages: 4000, steps: 30 },
  )
  expect(decide(forecast, limitMs, 0)).toEqual({ park: false })
  expect(decide(learn(forecast, { ...round, pendingPages: 1100 }), limitMs, 0)).toMatchObject({ park: true })
  for (let rounds = 0; rounds < 10; rounds++) forecast = learn(forecast, { ...round, pendingPages: 4000 })
  expect(decide(forecast, limitMs, 0)).toMatchObject({ park: true })
})

test('parks when next to nothing is left', () => {
  expect(decide(after({ pendingPages: 3, steps: 5 }), limitMs, 0)).toMatchObject({
    park: true,
    reason: 'few pages left',
  })
})

test('a collection between two applies does not make it believe that steps write nothing', () => {
  const unseen = after({ pendingPages: 0, steps: 0 })
  expect(expectedDowntimeMs(unseen, 0)).toBeGreaterThan(arenaPages / 100)
  const seen = after({ pendingPages: 800, steps: 1 }, { pendingPages: 0, steps: 0 })
  expect(expectedDowntimeMs(seen, 0)).toBeGreaterThan(8)
  expect(decide(seen, 5, 0)).toEqual({ park: false })
})

test('the limit holds back a switchover that would take longer', () => {
  const round = { pendingPages: 10_000, steps: 3, bytesPerMs: 10 * pagePerMs }
  const dense = after(round, round)
  expect(decide(dense, limitMs, 0)).toEqual({ park: false })
  expect(decide(dense, 1100, 0)).toMatchObject({ park: true, expectedMs: expect.closeTo(1001.5) })
  expect(decide(dense, 1100, 200)).toEqual({ park: false })
})

test('bandwidth is a moving mean that a round without measurement leaves alone', () => {
  const forecast = after(
    { pendingPages: 1, steps: 1, bytesPerMs: 100 },
    { pendingPages: 1, steps: 1, bytesPerMs: 300 },
  )
  expect(forecast.bytesPerMs).toBe(200)
  expect(learn(forecast, { pendingPages: 0, steps: 1, bytesPerMs: undefined }).bytesPerMs).toBe(200)
})
