/**
 * Goal: an estimate says what the engine would do, and its model of writing meets what was measured. Method: jobs whose migrations
 * can be worked out by hand, and properties over random ones.
 */
import { type JobMeasure, type LinkMeasure, migrationOptions, PAGE_BYTES } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { estimateMigration, pagesWritten } from './estimate.ts'

/** 100 MiB, a tenth of it rewritten every 100 ms, all of it the same pages. */
const job: JobMeasure = {
  arenaPages: 25_600,
  zeroPages: 0,
  stepPages: 2560,
  watchedPages: 2560,
  watchedSteps: 10,
  stepMs: 100,
  setupMs: 800,
}
const GIGABIT: LinkMeasure = { bytesPerMs: 125_000, roundTripMs: 0.2 }
const wanted = (options: object = {}) => migrationOptions.parse(options)

test('a job whose step fits into the limit converges, and the pause is its step over the link', () => {
  const { converges, downtimeMs, totalMs, parkPoint, rounds } = estimateMigration(job, GIGABIT, wanted())
  const stepMs = (2560 * PAGE_BYTES) / GIGABIT.bytesPerMs
  expect(converges).toBe(true)
  expect(parkPoint).toBe('boundary')
  expect(downtimeMs).toBeGreaterThan(stepMs)
  expect(downtimeMs).toBeLessThan(stepMs + 5)
  // Everything once, then at least one step's pages, then a step until the park.
  const wholeMs = (25_600 * PAGE_BYTES) / GIGABIT.bytesPerMs
  expect(totalMs).toBeGreaterThan(800 + wholeMs + 2 * stepMs)
  expect(totalMs).toBeLessThan(800 + wholeMs + 1500)
  expect(rounds).toBeGreaterThan(2)
})

test('a program that splits its step parks before apply: its pages have drained, the delta is left', () => {
  const split = { ...job, computeMs: 95, deltaBytes: 1_000_000 }
  const { converges, downtimeMs, parkPoint, reason } = estimateMigration(split, GIGABIT, wanted())
  expect({ converges, parkPoint }).toEqual({ converges: true, parkPoint: 'preApply' })
  expect(downtimeMs).toBeLessThan(12)
  expect(reason).toContain('before apply')
  const asked = estimateMigration(split, GIGABIT, wanted({ parkPoint: 'boundary' }))
  expect(asked.parkPoint).toBe('boundary')
  expect(asked.downtimeMs).toBeGreaterThan(80)
})

test('a job that writes more than the limit lets through does not converge, and it is said by how much', () => {
  const estimate = estimateMigration(job, GIGABIT, wanted({ downtimeLimitMs: 20 }))
  expect(estimate.converges).toBe(false)
  expect(estimate.downtimeMs).toBeGreaterThan(80)
  expect(estimate.reason).toContain('20 ms')
})

test('limited bandwidth is part of it', () => {
  const estimate = estimateMigration(job, GIGABIT, wanted({ maxBandwidth: 12_500_000 }))
  expect(estimate.link.bytesPerMs).toBe(12_500)
  expect(estimate.converges).toBe(false)
  expect(estimate.totalMs).toBeGreaterThan((25_600 * PAGE_BYTES) / 12_500)
})

test('stop and copy pauses for everything but zero pages', () => {
  const estimate = estimateMigration({ ...job, zeroPages: 12_800 }, GIGABIT, wanted({ method: 'stopcopy' }))
  const halfMs = (12_800 * PAGE_BYTES) / GIGABIT.bytesPerMs
  expect(estimate.downtimeMs).toBeGreaterThan(halfMs)
  expect(estimate.downtimeMs).toBeLessThan(halfMs + 5)
  expect(estimate.totalMs).toBeCloseTo(estimate.downtimeMs + 800, 6)
})

test('a job that writes nothing moves in no time', () => {
  const idle = { ...job, stepPages: 0, watchedPages: 0 }
  expect(estimateMigration(idle, GIGABIT, wanted())).toMatchObject({ converges: true })
  expect(estimateMigration(idle, GIGABIT, wanted()).downtimeMs).toBeLessThan(3)
})

test('what was watched is met exactly, and more steps write more, up to the arena', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 2, max: 50 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (stepPages, watchedSteps, scatter) => {
        const arenaPages = 5000
        // The most that so many steps write on average, drawn from everything.
        const most = arenaPages * (1 - (1 - stepPages / arenaPages) ** watchedSteps)
        const watchedPages = Math.round(stepPages + scatter * (most - stepPages))
        const written = pagesWritten({ arenaPages, stepPages, watchedPages, watchedSteps })
        expect(written(0)).toBe(0)
        expect(written(1)).toBe(stepPages)
        expect(Math.abs(written(watchedSteps) - watchedPages)).toBeLessThanOrEqual(1)
        let before = 0
        for (let steps = 1; steps < 200; steps++) {
          expect(written(steps)).toBeGreaterThanOrEqual(before)
          expect(written(steps)).toBeLessThanOrEqual(arenaPages)
          before = written(steps)
        }
      },
    ),
  )
})

test('whatever was measured, an estimate comes to an end with times that are times', () => {
  const pages = fc.integer({ min: 1, max: 10_000 })
  fc.assert(
    fc.property(
      fc.record({ stepPages: pages, watchedPages: pages, arenaPages: fc.constant(10_000) }),
      fc.double({ min: 0.01, max: 10_000, noNaN: true }),
      fc.double({ min: 1, max: 1e7, noNaN: true }),
      fc.option(fc.double({ min: 0, max: 10_000, noNaN: true }), { nil: undefined }),
      (measured, stepMs, bytesPerMs, computeMs) => {
        const shape = computeMs === undefined ? {} : { computeMs, deltaBytes: 1000 }
        const estimate = estimateMigration(
          { ...job, ...measured, stepMs, ...shape },
          { bytesPerMs, roundTripMs: 1 },
          wanted(),
        )
        expect(estimate.downtimeMs).toBeGreaterThan(0)
        expect(estimate.totalMs).toBeGreaterThanOrEqual(estimate.downtimeMs)
        expect(estimate.converges).toBe(estimate.downtimeMs <= 300)
      },
    ),
  )
})
