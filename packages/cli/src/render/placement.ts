/** Why each host was taken or not. */
import type { Verdict } from '@godwit/protocol'
import { renderTable } from './table.ts'
import { UNKNOWN } from './units.ts'

export function renderPlacement(verdicts: readonly Verdict[]): string[] {
  if (verdicts.length === 0) return []
  return renderTable(
    [{ title: 'HOST' }, { title: 'VERDICT' }, { title: 'SCORE', align: 'right' }, { title: 'WHY' }],
    verdicts.map(({ host, verdict, score, reason }) => [
      host,
      verdict,
      score === undefined ? UNKNOWN : score.toFixed(1),
      reason,
    ]),
  )
}
