/** The moves of a job as a table, oldest first. */
import type { MoveEntry } from '@godwit/protocol'
import { status } from './colour.ts'
import { renderTable } from './table.ts'
import { formatBytes, formatMs, UNKNOWN } from './units.ts'

export function renderHistory(workload: string, moves: readonly MoveEntry[]): string[] {
  if (moves.length === 0) return [`${workload} has not moved`]
  return renderTable(
    [
      { title: 'BEGUN' },
      { title: 'MIGRATION' },
      { title: 'FROM' },
      { title: 'TO' },
      { title: 'STATUS', style: status },
      { title: 'STEP', align: 'right' },
      { title: 'DOWNTIME', align: 'right' },
      { title: 'TOOK', align: 'right' },
      { title: 'SENT', align: 'right' },
      { title: 'WHY' },
    ],
    moves.map((move) => [
      move.startedAtMs === undefined ? UNKNOWN : new Date(move.startedAtMs).toISOString().slice(0, 19),
      move.id,
      move.from,
      move.to,
      move.status,
      move.step === undefined ? UNKNOWN : String(move.step),
      formatMs(move.downtimeMs),
      formatMs(move.totalMs),
      formatBytes(move.wireBytes),
      move.error?.message ?? (move.maintenance === undefined ? '' : 'maintenance'),
    ]),
  )
}
