/**
 * Goal: the benchmark's arithmetic says what was seen, and says so when two measures of one pause contradict each other. Method:
 * arrival times written by hand, with a pause put in where it is known.
 */
import { reportLike } from '@godwit/protocol/testing'
import { describe, expect, it } from 'vitest'
import { agree, gapsOf, median, observe, paceMs, type RunLine, summarize, throughputOf } from './figures.ts'
import { runLike } from './fixtures.ts'

/** `count` arrivals, the first at `fromMs`. */
function every(stepMs: number, count: number, fromMs: number): number[] {
  return Array.from({ length: count }, (_, index) => fromMs + index * stepMs)
}

describe('median', () => {
  it('is the middle one, or between the middle two, of whatever order', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([7])).toBe(7)
    expect(median([])).toBeNaN()
  })
})

describe('what was seen from outside', () => {
  it('finds the pause at the switchover', () => {
    const seen = observe({
      before: every(10, 20, 0),
      during: every(10, 5, 200),
      after: every(10, 10, 275),
    })
    expect(seen).toEqual({
      stepMs: 10,
      observedGapMs: 25,
      gapStepsBefore: 0,
      switchoverGapMs: 25,
      stepSlowdown: 1,
    })
  })

  it('finds a longer gap elsewhere, and says where', () => {
    const seen = observe({
      before: every(10, 20, 0),
      during: [...every(10, 2, 200), ...every(10, 3, 300)],
      after: every(10, 10, 335),
    })
    expect(seen).toMatchObject({ observedGapMs: 80, gapStepsBefore: 3, switchoverGapMs: 5 })
    const late = observe({ before: every(10, 5, 0), during: [50], after: [60, 70, 180] })
    expect(late).toMatchObject({ observedGapMs: 100, gapStepsBefore: -2, switchoverGapMs: 0 })
  })

  it('knows no slowdown when no step was taken meanwhile', () => {
    const seen = observe({ before: every(10, 5, 0), during: [], after: every(10, 5, 140) })
    expect(seen).toMatchObject({ observedGapMs: 90, gapStepsBefore: 0, stepSlowdown: null })
  })

  it('reads the pace of fast steps through clusters of arrivals', () => {
    const clusters = Array.from({ length: 100 }, (_, index) => Math.floor(index / 10) * 20)
    expect(median(gapsOf(clusters))).toBe(0)
    expect(paceMs(clusters)).toBeCloseTo(2, 0)
    expect(paceMs([5])).toBeNull()
  })
})

describe('agreement', () => {
  it('allows 2 ms or a usual step, whichever is more', () => {
    expect(agree({ downtimeMs: 5, observedGapMs: 7, stepMs: 1 })).toBe(true)
    expect(agree({ downtimeMs: 5, observedGapMs: 7.1, stepMs: 1 })).toBe(false)
    expect(agree({ downtimeMs: 5, observedGapMs: 14, stepMs: 10 })).toBe(true)
    expect(agree({ downtimeMs: 5, observedGapMs: 16, stepMs: 10 })).toBe(false)
    expect(agree({ downtimeMs: 16, observedGapMs: 5, stepMs: 10 })).toBe(false)
    expect(agree({ downtimeMs: 5, observedGapMs: 16, stepMs: 10 }, 20)).toBe(true)
  })
})

describe('throughput', () => {
  it('is of the wire, over the time in which rounds were sent', () => {
    const round = { pages: 1, pageBytes: 4096, steps: 0, codec: 'raw' } as const
    const rounds = [
      { ...round, wireBytes: 3_000_000, durationMs: 20 },
      { ...round, wireBytes: 1_000_000, durationMs: 20 },
    ]
    expect(throughputOf({ rounds })).toBe(100_000_000)
    expect(throughputOf({ rounds: [] })).toBe(0)
  })
})

describe('a summary', () => {
  const runs = [10, 30, 20].map(
    (downtimeMs, index): RunLine =>
      runLike({
        downtimeMs,
        agrees: index !== 1,
        ratioToFloor: downtimeMs / 5,
        firstStepsMs: [downtimeMs, 1],
        report: reportLike({
          downtimeMs,
          parkPoint: index === 0 ? 'boundary' : 'preApply',
          downtime: { ...reportLike().downtime, finalSendMs: downtimeMs / 10 },
        }),
      }),
  )

  it('has medians of all that was measured, and of every part of the downtime', () => {
    const summary = summarize(runs)
    expect(summary).toMatchObject({
      kind: 'summary',
      runs: 3,
      agreeing: 2,
      downtimeMs: 20,
      shortestMs: 10,
      longestMs: 30,
      ratioToFloor: 4,
      parkPoint: 'boundary+preApply',
      firstStepsMs: [20, 1],
    })
    expect(summary.downtime).toEqual({ ...reportLike().downtime, finalSendMs: 2 })
  })

  it('of runs without a report says what is known', () => {
    const summary = summarize([runLike({ report: null, stepSlowdown: null, floorMs: null })])
    expect(summary).toMatchObject({ downtime: null, tracker: null, totalMs: null, stepSlowdown: null })
    expect(summary.floorMs).toBeNull()
  })

  it('of no runs is a bug', () => {
    expect(() => summarize([])).toThrow('bug')
  })
})
