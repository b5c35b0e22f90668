/**
 * The report of a migration as people read it: what it cost, and the pause in its parts, each with what happened in
 * it, so that the largest number tells where to look.
 */
import type { DowntimeParts, MigrationReport } from '@godwit/protocol'
import { renderTable } from './table.ts'
import { formatBytes, formatMs, plural } from './units.ts'

const PARTS: readonly (readonly [keyof DowntimeParts, string])[] = [
  ['parkMs', 'park: the pager learns that the thread stands'],
  ['finalScanMs', 'final scan: the last dirty pages are collected'],
  ['finalSendMs', 'final send: to the last byte handed to the socket'],
  ['installMs', 'install: to everything in place at the target'],
  ['claimMs', 'claim: waiting for the ownership'],
  ['resumeMs', 'resume: to the thread running again'],
]
/** Rounds shown: a migration that hardly converges has many that look alike. */
const SHOWN_ROUNDS = 12

/** Lines, the first a headline. */
export function renderReport(report: MigrationReport): string[] {
  const { rounds } = report
  return [
    `${report.workload}: ${report.from} -> ${report.to} ${report.status} at step ${report.step}, epoch ${report.epoch} (${report.parkReason})`,
    '',
    ...renderRounds(report),
    '',
    `sent      ${formatBytes(report.wireBytes)} in ${plural(rounds.length, 'round')} over ${plural(report.streams, 'stream')} (${report.tracker}, ${report.codec})`,
    `time      ${formatMs(report.totalMs)} in total, setup ${formatMs(report.setupMs)} of it`,
    `downtime  ${formatMs(report.downtimeMs)} (predicted ${formatMs(report.predicted.downtimeMs)}, clocks agree within ${formatMs(report.clockErrorMs)}), ${plural(report.parks, 'park')}`,
    ...PARTS.map(([part, what]) => `          ${formatMs(report.downtime[part]).padStart(9)}  ${what}`),
    `lost time ${report.lostTimeMs === null ? 'not known until ten steps after the move' : `${formatMs(report.lostTimeMs)} over the steps of the move and the ten after it`}`,
    ...(report.error === undefined ? [] : [`error     ${report.error.kind}: ${report.error.message}`]),
  ]
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
