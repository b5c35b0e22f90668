/** What has happened, and what is under way, as lines. */
import type { Happening, TaskView } from '@godwit/protocol'
import { renderTime } from './access.ts'
import { renderBar } from './progress.ts'
import { renderTable } from './table.ts'
import { formatMs, UNKNOWN } from './units.ts'

/** E.g. `2026-11-23 01:30:05Z  migration m-1  completed  digits a -> b`. */
export function renderHappening({
  atMs,
  about,
  id,
  status,
  workload,
  host,
  from,
  to,
  error,
}: Happening): string {
  const way = from === undefined || to === undefined ? '' : `${from} -> ${to}`
  const details = [
    about === 'workload' ? undefined : workload,
    way,
    about === 'workload' ? host && `on ${host}` : '',
  ]
  const why = error === undefined ? '' : `${error.kind}: ${error.message}`
  const parts = [renderTime(atMs), `${about} ${id}`, status, [...details, why].filter(Boolean).join(' ')]
  return parts.join('  ').trimEnd()
}

export function renderHappenings(events: readonly Happening[]): string[] {
  return events.map(renderHappening)
}

export function renderTasks(tasks: readonly TaskView[]): string[] {
  if (tasks.length === 0) return ['nothing is under way']
  const columns = ['TASK', 'WHAT', 'STATUS', 'WAY', 'PROGRESS', 'LEFT', ''].map((title) => ({ title }))
  return renderTable(
    columns,
    tasks.map(({ id, kind, status, workload, host, from, to, percent, timeLeftMs, detail }) => [
      id,
      kind === 'migration' ? `move ${workload}` : `maintenance of ${host}`,
      status,
      from === undefined ? UNKNOWN : `${from} -> ${to}`,
      percent === undefined ? UNKNOWN : renderBar(percent / 100),
      formatMs(timeLeftMs),
      detail ?? '',
    ]),
  )
}
