/**
 * Goal: the switchover begins when it is allowed and another round would not help. Method: rounds as jobs make them.
 */
import { expect, test } from 'vitest'
import { decide, expectedPark, isStalled, learn, noForecast, type StepShape } from './forecast.ts'

const arenaPages = 10_000
const limitMs = 300
const within = (limitMs: number) => ({ parkPoint: 'auto', limitMs }) as const
/** 4 KiB a millisecond makes a page a millisecond. */
const pagePerMs = 4096

function after(...rounds: { pendingPages: number; steps: number; bytesPerMs?: number; shape?: StepShape }[]) {
  return rounds.reduce(
    (forecast, round) => learn(forecast, { bytesPerMs: 100 * pagePerMs, ...round }),
    noForecast(arenaPages),
  )
}

test('nothing is decided before a round was measured', () => {
  expect(decide(noForecast(arenaPages), within(limitMs), 0)).toEqual({ park: false })
})

test('goes on while rounds shrink, parks when they no longer do', () => {
  let forecast = after({ pendingPages: 5000, steps: 20 })
  for (const pendingPages of [3900, 3000, 2300]) {
    expect(decide(forecast, within(limitMs), 0)).toEqual({ park: false })
    forecast = learn(forecast, { pendingPages, steps: 10, bytesPerMs: 100 * pagePerMs })
  }
  for (const pendingPages of [2200, 2400]) {
    expect(decide(forecast, within(limitMs), 0)).toEqual({ park: false })
    forecast = learn(forecast, { pendingPages, steps: 5, bytesPerMs: 100 * pagePerMs })
  }
  expect(decide(forecast, within(limitMs), 0)).toMatchObject({
    park: true,
    point: 'boundary',
    reason: expect.stringContaining('rounds no longer shrink'),
  })
})

test('one bad moment is waited out, but not for ever', () => {
  const round = { steps: 5, bytesPerMs: 100 * pagePerMs }
  let forecast = after(
    { pendingPages: 1000, steps: 5 },
    { pendingPages: 1000, steps: 5 },
    { pendingPages: 4000, steps: 30 },
  )
  expect(decide(forecast, within(limitMs), 0)).toEqual({ park: false })
  expect(decide(learn(forecast, { ...round, pendingPages: 1100 }), within(limitMs), 0)).toMatchObject({
    park: true,
  })
  for (let rounds = 0; rounds < 10; rounds++) forecast = learn(forecast, { ...round, pendingPages: 4000 })
  expect(decide(forecast, within(limitMs), 0)).toMatchObject({ park: true })
})

test('parks when next to nothing is left', () => {
  expect(decide(after({ pendingPages: 3, steps: 5 }), within(limitMs), 0)).toMatchObject({
    park: true,
    reason: expect.stringContaining('few pages left'),
  })
})

test('a collection between two applies does not make it believe that steps write nothing', () => {
  const unseen = after({ pendingPages: 0, steps: 0 })
  expect(expectedPark(unseen, 'auto', 0)?.downtimeMs).toBeGreaterThan(arenaPages / 100)
  const seen = after({ pendingPages: 800, steps: 1 }, { pendingPages: 0, steps: 0 })
  expect(expectedPark(seen, 'auto', 0)?.downtimeMs).toBeGreaterThan(8)
  expect(decide(seen, within(5), 0)).toEqual({ park: false })
})

test('the limit holds back a switchover that would take longer', () => {
  const round = { pendingPages: 10_000, steps: 3, bytesPerMs: 10 * pagePerMs }
  const dense = after(round, round)
  expect(decide(dense, within(limitMs), 0)).toEqual({ park: false })
  expect(decide(dense, within(1100), 0)).toMatchObject({ park: true, expectedMs: expect.closeTo(1001.5) })
  expect(decide(dense, within(1100), 200)).toEqual({ park: false })
})

test('bandwidth is a moving mean that a round without measurement leaves alone', () => {
  const forecast = after(
    { pendingPages: 1, steps: 1, bytesPerMs: 100 },
    { pendingPages: 1, steps: 1, bytesPerMs: 300 },
  )
  expect(forecast.bytesPerMs).toBe(200)
  expect(learn(forecast, { pendingPages: 0, steps: 1, bytesPerMs: undefined }).bytesPerMs).toBe(200)
})

/** Rewrites 1,000 pages a step: ten milliseconds on the link. */
function split(shape: StepShape) {
  const round = { pendingPages: 1000, steps: 1, shape }
  return after(round, round, round)
}

test('parks before apply when a compute is long enough for the pages to drain, and the delta is small', () => {
  const forecast = split({ computeMs: 50, deltaBytes: 64 })
  expect(decide(forecast, within(limitMs), 0)).toMatchObject({
    park: true,
    point: 'preApply',
    expectedMs: expect.closeTo(1.5, 1),
    reason: expect.stringContaining('before apply 64 B are expected to be left, at the boundary 3.9 MiB'),
  })
})

test('what a short compute leaves, and the delta, are part of the forecast', () => {
  const forecast = split({ computeMs: 4, deltaBytes: 100 * pagePerMs })
  expect(expectedPark(forecast, 'auto', 0)).toEqual({
    point: 'preApply',
    downtimeMs: expect.closeTo(6 + 1 + 1.5, 1),
  })
})

test('parks at the boundary when the delta is larger than what it spares, or the program does not split', () => {
  const large = split({ computeMs: 50, deltaBytes: 2000 * 4096 })
  expect(decide(large, within(limitMs), 0)).toMatchObject({ park: true, point: 'boundary' })
  const whole = after(...Array.from({ length: 3 }, () => ({ pendingPages: 1000, steps: 1 })))
  expect(decide(whole, { parkPoint: 'preApply', limitMs }, 0)).toMatchObject({
    park: true,
    point: 'boundary',
  })
})

test('a park point that was asked for is taken, however dear', () => {
  const forecast = split({ computeMs: 50, deltaBytes: 2000 * 4096 })
  expect(decide(forecast, { parkPoint: 'preApply', limitMs }, 0)).toMatchObject({
    park: true,
    point: 'preApply',
  })
  const small = split({ computeMs: 50, deltaBytes: 64 })
  expect(decide(small, { parkPoint: 'boundary', limitMs }, 0)).toMatchObject({
    park: true,
    point: 'boundary',
  })
})

test('a job that dirties more than the limit allows is stalled once rounds no longer shrink', () => {
  const round = { pendingPages: 5000, steps: 3, bytesPerMs: 10 * pagePerMs }
  expect(isStalled(after(round), within(limitMs), 0)).toBe(false)
  expect(isStalled(after(round, round, round), within(limitMs), 0)).toBe(true)
  expect(isStalled(after(round, round, round), within(600), 0)).toBe(false)
})
