/** What a move would meet, as people read it: the answer first, then each check, and below it what to do. */
import type { PreflightView } from '@godwit/protocol'
import { renderTable } from './table.ts'
import { plural } from './units.ts'

/** Lines, the first a headline. */
export function renderPreflight({ workload, from, to, checks }: PreflightView): string[] {
  const count = (verdict: string): number => checks.filter((check) => check.verdict === verdict).length
  const [blockers, warnings] = [count('blocker'), count('warning')]
  const way = to === undefined ? `${workload}: from ${from}` : `${workload}: ${from} -> ${to}`
  const verdict = blockers === 0 ? 'can move' : `can NOT move, ${plural(blockers, 'blocker')}`
  return [
    `${way} ${verdict}${warnings === 0 ? '' : `, ${plural(warnings, 'warning')}`}`,
    '',
    ...renderTable(
      [{ title: 'CHECK' }, { title: 'RESULT' }, { title: 'WHY' }],
      checks.flatMap(({ check, verdict, message, advice }) => [
        [check, verdict, message],
        ...(advice === undefined ? [] : [['', '', `to do: ${advice}`]]),
      ]),
    ),
  ]
}
