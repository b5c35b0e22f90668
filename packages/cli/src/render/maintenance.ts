/** A maintenance in one line, and job by job. */
import type { MaintenanceView } from '@godwit/protocol'
import { renderTable } from './table.ts'
import { UNKNOWN } from './units.ts'

const PHASES: Record<MaintenanceView['phase'], string> = {
  evacuating: 'its jobs leave',
  evacuated: 'empty',
  returning: 'its jobs come back',
  over: 'no maintenance',
}

/** E.g. `a: its jobs leave, 2 of 5 moved, 2 moving (digits -> b, words -> c), 1 waiting`. */
export function renderMaintenanceLine({
  host,
  phase,
  moved,
  moving,
  waiting,
  stuck,
  jobs,
}: MaintenanceView): string {
  const all = moved + moving + waiting + stuck
  const ways = jobs.flatMap(({ workload, state, to }) =>
    state === 'moving' && to ? [`${workload} -> ${to}`] : [],
  )
  const parts = [
    `${host}: ${PHASES[phase]}`,
    ...(all === 0 ? [] : [`${moved} of ${all} moved`]),
    ...(moving === 0 ? [] : [`${moving} moving (${ways.join(', ')})`]),
    ...(waiting === 0 ? [] : [`${waiting} waiting`]),
    ...(stuck === 0 ? [] : [`${stuck} stuck`]),
  ]
  return parts.join(', ')
}

export function renderMaintenance(view: MaintenanceView): string[] {
  const line = renderMaintenanceLine(view)
  if (view.jobs.length === 0) return [line]
  const rows = view.jobs.map(({ workload, state, to, migration, reason }) => [
    workload,
    state,
    to ?? UNKNOWN,
    migration ?? UNKNOWN,
    reason ?? '',
  ])
  const columns = ['JOB', 'STATE', 'TO', 'MIGRATION', ''].map((title) => ({ title }))
  return [line, '', ...renderTable(columns, rows)]
}

/** Those that stay, each with why. */
export function renderStuck({ jobs }: MaintenanceView): string[] {
  return jobs.flatMap(({ workload, state, reason }) =>
    state === 'stuck' ? [`${workload} stays: ${reason ?? 'no reason is known'}`] : [],
  )
}
