/** Goal: lines read as meant, whatever the numbers. Method: the pure functions, on plain and on odd values. */
import { estimateView } from '@godwit/client/testing'
import { migrationLike, reportLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { renderEstimate } from './estimate.ts'
import { renderBar, renderProgress } from './progress.ts'
import { renderReport } from './report.ts'
import { sparkline } from './sparkline.ts'
import { renderTable } from './table.ts'
import { formatBytes, formatLoss, formatMs, formatNumber, plural } from './units.ts'
import { renderVerdict } from './verdict.ts'

test('units', () => {
  expect([0, 0.1234, 1.234, 12.34, 123.4, 1e12, 1e-7, Number.NaN].map(formatNumber)).toEqual([
    ...['0.000', '0.123', '1.23', '12.3', '123', '1.00e+12', '1.00e-7', 'NaN'],
  ])
  expect([undefined, 0.12345, 1e-5, Number.POSITIVE_INFINITY].map(formatLoss)).toEqual([
    ...['-', '0.1235', '1.000e-5', 'Infinity'],
  ])
  expect([undefined, null, 0.5, 9999, 12_345].map(formatMs)).toEqual([
    '-',
    '-',
    '0.500 ms',
    '9999 ms',
    '12.3 s',
  ])
  expect([0, 2 ** 20, 3 * 2 ** 29].map(formatBytes)).toEqual(['0.0 MiB', '1.0 MiB', '1.50 GiB'])
  expect([plural(1, 'step'), plural(2, 'step')]).toEqual(['1 step', '2 steps'])
})

test('tables have columns as wide as their widest cell', () => {
  const lines = renderTable(
    [{ title: 'NAME' }, { title: 'N', align: 'right' }],
    [
      ['a', '1'],
      ['longer', '100'],
    ],
  )
  expect(lines).toEqual(['NAME      N', 'a         1', 'longer  100'])
})

test('bars stay in their frame', () => {
  expect(renderBar(0.5, 4)).toBe('[##--] 50%')
  expect(renderBar(7, 4)).toBe('[####]100%')
  expect(renderBar(-1, 4)).toBe('[----]  0%')
})

test('progress says how far and how fast, and fits', () => {
  const progress = {
    round: 2,
    roundPagesSent: 5,
    roundPages: 20,
    remainingBytes: 15 * 2 ** 20,
    sentBytes: 0,
    bytesPerSecond: 2 ** 29,
    expectedDowntimeMs: 12.34,
    percent: 78,
    timeLeftMs: 45,
    step: 512,
  }
  const line = renderProgress(migrationLike({ status: 'active', progress }))
  expect(line).toBe(
    'job a -> b  active  [###############-----] 78%  round 2  over in 45.0 ms  15.0 MiB left  512.0 MiB/s  expected downtime 12.3 ms  step 512',
  )
  expect(renderProgress(migrationLike({ status: 'active', progress }), 30)).toBe(line.slice(0, 30))
  expect(renderProgress(migrationLike())).toBe('job a -> b  setup')
  const fetching = { bytes: 3 * 2 ** 20, ofBytes: 4 * 2 ** 20 }
  expect(renderProgress(migrationLike({ fetching }))).toBe(
    'job a -> b  setup  b fetches  [###############-----] 75%  3.0 MiB of 4.0 MiB',
  )
  const report = reportLike()
  expect(renderProgress(migrationLike({ status: 'completed', progress, report }))).toBe(
    'job a -> b  completed  downtime 12.3 ms  step 512',
  )
})

test('a report shows rounds, bytes and the downtime in its parts', () => {
  const text = renderReport(reportLike()).join('\n')
  expect(text).toMatchInlineSnapshot(`
    "job: a -> b completed at step 512, epoch 2

    round  pages    memory      sent     took  steps meanwhile
        0   2560  10.0 MiB  10.0 MiB  41.3 ms                5
        1    100   0.4 MiB   0.4 MiB  1.50 ms                0

    parked    after apply, 1 time: the forecast is within the limit
    sent      10.4 MiB in 2 rounds over 1 stream (userfaultfd, raw)
    in flight 4.0 MiB at most, sent and not yet installed
    time      1234 ms in total (predicted 1500 ms, 22% too much), setup 900 ms of it
    downtime  12.3 ms (predicted 15.0 ms, 22% too much), clocks agree within 0.050 ms
               0.200 ms  park: the pager learns that the thread stands
               0.100 ms  final scan: the last dirty pages are collected
                4.00 ms  final send: to the last byte handed to the socket
                7.00 ms  install: to everything in place at the target
               0.000 ms  claim: waiting for the ownership
                1.00 ms  resume: to the thread running again
    lost time 20.0 ms over the steps of the move and the ten after it"
  `)
})

test('a report says where the thread parked, what that saved, and how wrong the forecast was', () => {
  const text = renderReport(
    reportLike({
      parkPoint: 'preApply',
      parkReason: 'rounds no longer shrink',
      deltaBytes: 2 ** 20,
      parks: 2,
      codec: 'xor',
      stepSlowdown: 0.08,
      predicted: { downtimeMs: 6.15, totalMs: 0 },
      estimated: { downtimeMs: 18.45, totalMs: 617 },
    }),
  ).join('\n')
  expect(text).toContain('parked    before apply, 2 times: rounds no longer shrink')
  expect(text).toContain('(userfaultfd, xor), the delta 1.0 MiB of it')
  expect(text).toContain('8.00% longer than before while rounds were sent')
  expect(text).toContain('downtime  12.3 ms (predicted 6.15 ms, 50% too little)')
  expect(text).toContain('in total (not predicted)')
  expect(text).toContain('estimate  downtime 18.4 ms, 50% too much; total 617 ms, 50% too little')
})

test('an estimate answers first, and then says what it rests on', () => {
  expect(renderEstimate(estimateView()).join('\n')).toMatchInlineSnapshot(`
    "job: a -> b converges (rounds no longer shrink)

    downtime  12.3 ms expected, 300 ms allowed, parked before apply
    time      2345 ms in total, setup 900 ms of it, 4 rounds
    job       100.0 MiB, 10.0 MiB of it zeros; a step takes 100 ms and writes 10.0 MiB (100.0 MiB/s), after 90.0 ms of compute; its delta has 1.0 MiB
    link      125.0 MiB/s, round trip 0.250 ms"
  `)
  const text = renderEstimate(estimateView({ converges: false, parkPoint: 'boundary' })).join('\n')
  expect(text).toMatch(/does NOT converge.*after apply.*--downtime-limit-ms/s)
})

test('a report with many rounds stays short', () => {
  const rounds = Array.from({ length: 500 }, () => ({
    pages: 1,
    pageBytes: 4096,
    wireBytes: 4140,
    durationMs: 1,
    steps: 1,
    codec: 'raw' as const,
  }))
  const lines = renderReport(reportLike({ rounds, lostTimeMs: null }))
  expect(lines.length).toBeLessThan(30)
  expect(lines.join('\n')).toContain('more')
  expect(lines.join('\n')).toMatch(/ 499 /)
})

test('sparklines', () => {
  expect(sparkline([], 10)).toBe('')
  expect(sparkline([1], 10)).toBe('▁')
  expect(sparkline([3, 2, 1], 10)).toBe('█▅▁')
  expect(sparkline([4, 3, 2, 1], 10, [2])).toBe('█▆│▃▁')
  expect(sparkline([1, Number.NaN, 2], 10)).toBe('▁ █')
  expect([
    ...sparkline(
      Array.from({ length: 10_000 }, (_, step) => 1 / (step + 1)),
      40,
      [5000, 7000],
    ),
  ]).toHaveLength(40)
})

test('the verdict says what differs', () => {
  const equal = {
    steps: 10,
    lossBitsEqual: true,
    stateDigestEqual: true,
    firstDifference: undefined,
    missing: 0,
    repeated: 0,
  }
  expect(renderVerdict(equal, 2, 30).join('\n')).toMatchInlineSnapshot(`
    "loss bits     equal at all 10 steps
    final memory  equal (SHA-256 of all tensors)
    every step    reported exactly once
    lost time     30.0 ms over 2 migrations"
  `)
  const different = {
    ...equal,
    lossBitsEqual: false,
    stateDigestEqual: false,
    firstDifference: 7,
    missing: 1,
  }
  expect(renderVerdict(different, 2, 30).join('\n')).toMatch(
    /DIFFER, first at step 7.*DIFFERS.*NOT.*1 missing/s,
  )
})
