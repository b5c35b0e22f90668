/** Goal: a report's pictures are to scale and its sentences say the same. Method: reports written by hand, one number at a time different. */
import type { MigrationReport, RoundReport } from '@godwit/protocol'
import { reportLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import {
  beginOf,
  downtimePartsOf,
  forecastsOf,
  howFarOff,
  lengthOf,
  rateOf,
  roundText,
  shownRounds,
  spansOf,
} from './move-timeline.ts'

const round = (more: Partial<RoundReport> = {}): RoundReport => ({
  pages: 1578,
  pageBytes: 1578 * 4096,
  wireBytes: 5.8 * 2 ** 20,
  durationMs: 44,
  steps: 3,
  codec: 'raw',
  ...more,
})

const report = (more: Partial<MigrationReport> = {}): MigrationReport =>
  reportLike({
    rounds: [round(), round({ durationMs: 20 }), round({ pages: 10, steps: 0, durationMs: 6 })],
    totalMs: 1000,
    downtimeMs: 25,
    downtime: { parkMs: 0.4, finalScanMs: 0.6, finalSendMs: 10, installMs: 9, claimMs: 1, resumeMs: 4 },
    predicted: { downtimeMs: 30, totalMs: 1100 },
    ...more,
  })

test('setup, rounds one after the other, and the downtime at the end, in which the last round is sent', () => {
  const spans = spansOf(report())
  expect(spans.map(({ name, startMs, durationMs }) => [name, startMs, durationMs])).toEqual([
    ['setup', 0, 900],
    ['round 0', 900, 44],
    ['round 1', 944, 20],
    ['downtime', 975, 25],
  ])
  expect(lengthOf(spans)).toBe(1000)
})

test('a setup that is longer than all else is not drawn', () => {
  expect(beginOf(spansOf(report()))).toBe(900)
  expect(beginOf(spansOf(report({ setupMs: 100, totalMs: 300 })))).toBe(0)
  expect(beginOf(spansOf(report({ rounds: [], downtimeMs: 0 })))).toBe(0)
})

test('a round that says when it began is shown there', () => {
  const begun = round({ startMs: 950 })
  const spans = spansOf(report({ rounds: [begun, round({ durationMs: 6 }), round()] }))
  expect(spans.map(({ startMs }) => startMs)).toEqual([0, 950, 994, 1000])
  expect(spansOf(report({ downtimeStartMs: 970 })).at(-1)).toMatchObject({ startMs: 970, durationMs: 25 })
})

test('a move that never stood has all its rounds, and one that ended in setup nothing else', () => {
  const never = spansOf(report({ status: 'cancelled', downtimeMs: 0 }))
  expect(never.map(({ name }) => name)).toEqual(['setup', 'round 0', 'round 1', 'round 2'])
  const early = spansOf(report({ status: 'failed', rounds: [], downtimeMs: 0, setupMs: 0 }))
  expect([early, lengthOf(early)]).toEqual([[], 0])
})

test('a round in a sentence', () => {
  expect(roundText(round(), 0)).toBe(
    'round 0: 1\u202f578 pages in 44.0 ms, 5.8 MiB sent at 132 MiB/s (raw), 3 steps meanwhile',
  )
  expect(roundText(round({ durationMs: 0, steps: 0 }), 1)).toContain('5.8 MiB sent (raw), no step meanwhile')
  expect(rateOf(round({ durationMs: 0 }))).toBeUndefined()
})

test('the parts add up, in their order', () => {
  const parts = downtimePartsOf(report())
  expect(parts.reduce((sum, { ms }) => sum + ms, 0)).toBe(25)
  expect(parts.map(({ name }) => name).join()).toBe('park,final scan,final send,install,claim,resume')
})

test('forecasts say how far off they were', () => {
  expect(forecastsOf(report({ estimated: { downtimeMs: 20, totalMs: 1 } })).map(({ text }) => text)).toEqual([
    '30.0 ms, 20 % too much',
    '20.0 ms, 20 % too little',
  ])
  expect(forecastsOf(report({ predicted: { downtimeMs: 0, totalMs: 0 } }))).toEqual([])
  expect([howFarOff(25, 25), howFarOff(25, 0)]).toEqual(['', ''])
})

test('of many rounds the first and the last are shown', () => {
  const many = Array.from({ length: 400 }, () => round())
  expect(shownRounds(many, false).map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 398, 399])
  expect(shownRounds(many, true)).toHaveLength(400)
})
