/**
 * What the page knows of the cluster: the latest view of each host, job and move, and the latest of what has happened. It adds nothing of its own;
 * all of it comes by `apply`.
 *
 * Invariants: of moves that are over the latest `MAX_ENDED_MOVES` are kept, of events `MAX_EVENTS`: a page that is open for a week is as
 * large as one that was just opened.
 */
import type { Change, Happening, HostView, MigrationView, WorkloadView } from '@godwit/protocol'
import { batch, signal } from '@preact/signals'
import { Collection } from './collection.ts'
import { isEnded } from './moves.ts'

export const MAX_EVENTS = 500
export const MAX_ENDED_MOVES = 200

export const hosts = new Collection<HostView>(({ faultDomain, state, maintenance }) =>
  [faultDomain, state, maintenance?.phase].join(' '),
)
export const jobs = new Collection<WorkloadView>(({ host, status, migration, epoch }) =>
  [host, status, migration, epoch].join(' '),
)
export const moves = new Collection<MigrationView>(({ status, workload, place }) =>
  [status, workload, place].join(' '),
)
/** The newest first. */
export const events = signal<readonly Happening[]>([])
/** All that there is has been told once. */
export const isLoaded = signal(false)

/** Ids of moves that are over, the oldest first. */
let ended = new Set<string>()

export function apply(changes: readonly Change[]): void {
  batch(() => {
    const happened: Happening[] = []
    for (const change of changes) {
      if (change.kind === 'event') happened.push(change.event)
      else applyOne(change)
    }
    if (happened.length > 0) events.value = [...happened.reverse(), ...events.value].slice(0, MAX_EVENTS)
  })
}

function applyOne(change: Exclude<Change, { kind: 'event' }>): void {
  switch (change.kind) {
    case 'host':
      return hosts.set(change.host.name, change.host)
    case 'workload':
      return jobs.set(change.workload.id, change.workload)
    case 'migration':
      return applyMove(change.migration)
    case 'gone':
      if (change.what === 'migration') ended.delete(change.id)
      return { host: hosts, workload: jobs, migration: moves }[change.what].delete(change.id)
  }
}

function applyMove(move: MigrationView): void {
  moves.set(move.id, move)
  if (!isEnded(move.status)) return
  ended.add(move.id)
  while (ended.size > MAX_ENDED_MOVES) {
    const [oldest] = ended as Set<string>
    ended.delete(oldest as string)
    moves.delete(oldest as string)
  }
}

/** Something was missed: all that there is comes anew. */
export function forgetAll(): void {
  batch(() => {
    hosts.clear()
    jobs.clear()
    moves.clear()
    ended = new Set()
    events.value = []
    isLoaded.value = false
  })
}
