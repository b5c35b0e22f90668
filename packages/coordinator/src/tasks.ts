/** What is under way, as a person sees it: moves that are not over, and hosts that are being emptied or filled again. */
import { LIMITS, type MaintenanceView, type MigrationView, sayBytes, type TaskView } from '@godwit/protocol'
import type { Look } from './changes.ts'

const OVER: readonly string[] = ['completed', 'cancelled', 'failed']

/** The oldest first. `statuses`: of all migrations. */
export function tasksOf(look: Look, statuses: ReadonlyMap<string, string>): TaskView[] {
  const open = [...statuses].filter(([, status]) => !OVER.includes(status))
  const moves = open.flatMap(([id]) => taskOfMove(look.migration(id)) ?? [])
  const hosts = look
    .hosts()
    .filter((name) => look.hostState(name) !== undefined && look.isInMaintenance(name))
  const maintenances = hosts.flatMap((name) => taskOfMaintenance(name, look.host(name)?.maintenance) ?? [])
  const all = [...maintenances, ...moves].sort((a, b) => (a.startedAtMs ?? 0) - (b.startedAtMs ?? 0))
  return all.slice(0, LIMITS.maxListed)
}

function taskOfMove(view: MigrationView | undefined): TaskView | undefined {
  if (view === undefined) return undefined
  const { id, status, workload, from, to, startedAtMs, progress, fetching, place, waitingFor } = view
  const { percent, timeLeftMs, round } = progress ?? {}
  const details = [
    place === undefined ? undefined : `place ${place}`,
    waitingFor === undefined ? undefined : `waits for ${waitingFor}`,
    fetching && `${to} fetches: ${sayBytes(fetching.bytes)} of ${sayBytes(fetching.ofBytes)}`,
    round === undefined ? undefined : `round ${round}`,
  ].filter((each) => each !== undefined)
  return {
    ...{ id, kind: 'migration', status, workload, from, to },
    ...(startedAtMs !== undefined && { startedAtMs }),
    ...(percent !== undefined && { percent }),
    ...(timeLeftMs !== undefined && { timeLeftMs }),
    ...(details.length > 0 && { detail: details.join(', ') }),
  }
}

function taskOfMaintenance(
  host: string,
  maintenance: Omit<MaintenanceView, 'jobs'> | undefined,
): TaskView | undefined {
  if (maintenance === undefined) return undefined
  const { phase, moved, moving, waiting, stuck } = maintenance
  const all = moved + moving + waiting + stuck
  return {
    ...{ id: host, kind: 'maintenance', status: phase, host },
    ...(all > 0 && {
      percent: (100 * moved) / all,
      detail: `${moved} of ${all} moved${stuck > 0 ? `, ${stuck} stuck` : ''}`,
    }),
  }
}
