/**
 * The report of a migration as people read it: what it cost, and the pause in its parts, each with what happened in
 * it, so that the largest number tells where to look.
 */
import type { DowntimeParts, MigrationReport } from '@godwit/protocol'
import { renderTable } from './table.ts'
import { formatBytes, formatMs, formatNumber, plural } from './units.ts'

const PARTS: readonly (readonly [keyof DowntimeParts, string])[] = [
  ['parkMs', 'park: the pager learns that the thread stands'],
  ['finalScanMs', 'final scan: the last dirty pages are collected'],
  ['finalSendMs', 'final send: to the last byte handed to the socket'],
  ['installMs', 'install: to everything in place at the target'],
  ['claimMs', 'claim: waiting for the ownership'],
  ['resumeMs', 'resume: to the thread running again'],
]
const PARK_POINTS: Record<MigrationReport['parkPoint'], string> = {
  boundary: 'after apply',
  preApply: 'before apply',
}
/** Rounds shown: a migration that hardly converges has many that look alike. */
const SHOWN_ROUNDS = 12

/** Lines, the first a headline. */
export function renderReport(report: MigrationReport): string[] {
  const { rounds } = report
  return [
    `${report.workload}: ${report.from} -> ${report.to} ${report.status} at step ${report.step}, epoch ${report.epoch}`,
    '',
    ...renderRounds(report),
    '',
    `parked    ${PARK_POINTS[report.parkPoint]}, ${plural(report.parks, 'time')}: ${report.parkReason}`,
    `sent      ${formatBytes(report.wireBytes)} in ${plural(rounds.length, 'round')} over ${plural(report.streams, 'stream')} (${report.tracker}, ${report.codec})${report.deltaBytes === 0 ? '' : `, the delta ${formatBytes(report.deltaBytes)} of it`}`,
    `in flight ${formatBytes(report.maxInFlightBytes)} at most, sent and not yet installed`,
    `time      ${formatMs(report.totalMs)} in total (${howFarOff(report.predicted.totalMs, report.totalMs)}), setup ${formatMs(report.setupMs)} of it`,
    ...renderSlowdown(report),
    `downtime  ${formatMs(report.downtimeMs)} (${howFarOff(report.predicted.downtimeMs, report.downtimeMs)}), clocks agree within ${formatMs(report.clockErrorMs)}`,
    ...PARTS.map(([part, what]) => `          ${formatMs(report.downtime[part]).padStart(9)}  ${what}`),
    ...(report.verifyMs === undefined
      ? []
      : [`verified  memory is the same at both ends: ${formatMs(report.verifyMs)} of the downtime`]),
    ...renderEstimated(report),
    `lost time ${report.lostTimeMs === null ? 'not known until ten steps after the move' : `${formatMs(report.lostTimeMs)} over the steps of the move and the ten after it`}`,
    ...(report.error === undefined ? [] : [`error     ${report.error.kind}: ${report.error.message}`]),
  ]
}

function renderSlowdown({ stepSlowdown }: MigrationReport): string[] {
  if (stepSlowdown === undefined) return []
  const percent = formatNumber(Math.abs(stepSlowdown) * 100)
  return [
    `steps     ${percent}% ${stepSlowdown < 0 ? 'shorter' : 'longer'} than before while rounds were sent`,
  ]
}

/** How far off it was, when it was asked for. */
function renderEstimated({ estimated, downtimeMs, totalMs }: MigrationReport): string[] {
  if (estimated === undefined) return []
  const [pause, total] = [
    howFarOff(estimated.downtimeMs, downtimeMs, 'downtime'),
    howFarOff(estimated.totalMs, totalMs, 'total'),
  ]
  return [`estimate  ${pause}; ${total}`]
}

/** E.g. `predicted 15.0 ms, 22% too much`. Who stops to copy has predicted nothing. */
function howFarOff(predictedMs: number, actualMs: number, what = 'predicted'): string {
  if (predictedMs === 0) return 'not predicted'
  const predicted = `${what} ${formatMs(predictedMs)}`
  if (!(actualMs > 0)) return predicted
  const percent = Math.round((100 * Math.abs(predictedMs - actualMs)) / actualMs)
  if (percent === 0) return predicted
  return `${predicted}, ${percent}% too ${predictedMs > actualMs ? 'much' : 'little'}`
}

function renderRounds({ rounds }: MigrationReport): string[] {
  const shown = rounds.length <= SHOWN_ROUNDS ? rounds.length : SHOWN_ROUNDS - 1
  const rows = rounds.map((round, index) => [
    String(index),
    String(round.pages),
    formatBytes(round.pageBytes),
    formatBytes(round.wireBytes),
    formatMs(round.durationMs),
    String(round.steps),
  ])
  const left = rounds.length - shown
  const visible =
    left === 0
      ? rows
      : [
          ...rows.slice(0, shown - 1),
          ['...', `${plural(left, 'round')} more`, '', '', '', ''],
          ...rows.slice(-1),
        ]
  return renderTable(
    [
      { title: 'round', align: 'right' },
      { title: 'pages', align: 'right' },
      { title: 'memory', align: 'right' },
      { title: 'sent', align: 'right' },
      { title: 'took', align: 'right' },
      { title: 'steps meanwhile', align: 'right' },
    ],
    visible,
  )
}
