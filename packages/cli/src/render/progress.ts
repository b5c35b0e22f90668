/**
 * A migration under way in one line. What a person wants to know of it is whether it gets anywhere: how much of the
 * round is sent, how fast, and how long the pause would be if it came now.
 */
import { type BundleProgress, type MigrationView, sayBytes } from '@godwit/protocol'
import { cut, status } from './colour.ts'
import { formatBytes, formatMs, formatRate } from './units.ts'

const BAR_WIDTH = 20
/** Statuses that nothing follows. */
export const ENDED: readonly string[] = ['completed', 'cancelled', 'failed']

/** E.g. `job a -> b  active  round 2 ...`. No longer than `columns`, when given. */
export function renderProgress(view: MigrationView, columns: number = Number.POSITIVE_INFINITY): string {
  const { progress, report, place, waitingFor, fetching } = view
  const parts = [`${view.workload} ${view.from} -> ${view.to}`, status(view.status)]
  if (place !== undefined) parts.push(`place ${place}`)
  if (waitingFor !== undefined) parts.push(`waits for ${waitingFor}`)
  if (ENDED.includes(view.status)) {
    // Its progress is of a moment before the end.
    if (report !== undefined) parts.push(`downtime ${formatMs(report.downtimeMs)}`, `step ${report.step}`)
  } else if (fetching !== undefined) {
    parts.push(`${view.to} fetches`, renderFetching(fetching))
  } else if (progress !== undefined) {
    if (progress.percent !== undefined) parts.push(renderBar(progress.percent / 100))
    parts.push(`round ${progress.round}`)
    if (progress.timeLeftMs !== undefined) parts.push(`over in ${formatMs(progress.timeLeftMs)}`)
    parts.push(`${formatBytes(progress.remainingBytes)} left`, formatRate(progress.bytesPerSecond))
    parts.push(`expected downtime ${formatMs(progress.expectedDowntimeMs)}`, `step ${progress.step}`)
  }
  const line = parts.join('  ')
  return cut(line, Math.max(0, columns))
}

/** `[#####-----]  50%  1.0 MiB of 2.0 MiB`: of program and data that a host lacks. */
export function renderFetching({ bytes, ofBytes }: BundleProgress): string {
  return `${renderBar(bytes / Math.max(1, ofBytes))}  ${sayBytes(bytes)} of ${sayBytes(ofBytes)}`
}

/** `[#####-----]  50%`; `share` from 0 to 1. */
export function renderBar(share: number, width = BAR_WIDTH): string {
  const bounded = Math.min(1, Math.max(0, share))
  const filled = Math.floor(bounded * width)
  const percent = `${Math.floor(bounded * 100)}%`.padStart(4)
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}]${percent}`
}
