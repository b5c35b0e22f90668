/**
 * I5 and I6, once nothing goes wrong any more: every workload has one process that trains, or came to a proper end; every
 * migration is over; no process, port or connection is left of any.
 *
 * What is asked here is the world itself: which processes live, who listens. Of the coordinator only what it tells a
 * person.
 */
import {
  type HostView,
  LIMITS,
  MIGRATION_STATUSES,
  type MigrationView,
  type WorkloadView,
} from '@godwit/protocol'
import type { Happening } from '../happenings.ts'
import { type ProgramShape, Reference } from '../program.ts'

export interface LivingWorker {
  readonly name: string
  readonly workload: string
  readonly host: string
  readonly isFrozen: boolean
  readonly isParked: boolean
}

/** What somebody who walks through the machine rooms finds. */
export interface Scene {
  readonly awayAgents: readonly string[]
  readonly isCoordinatorUp: boolean
  readonly workers: readonly LivingWorker[]
  /** Where a source listens for a target. */
  readonly ports: readonly string[]
  /** Between workers. */
  readonly connections: number
  readonly workloads: readonly WorkloadView[]
  readonly migrations: readonly MigrationView[]
  /** Whoever worked on one has ended its maintenance. */
  readonly hosts: readonly Pick<HostView, 'name' | 'state' | 'maintenance'>[]
  /** Workloads that somebody asked to stop. */
  readonly stopped: ReadonlySet<string>
  readonly shapes: Readonly<Record<string, ProgramShape>>
  /** By workload: so many of its processes were killed by faults. */
  readonly bereft: ReadonlyMap<string, number>
  /** Steps accepted since nothing goes wrong any more. */
  readonly progress: ReadonlyMap<string, number>
}

const OPEN = new Set<string>(
  MIGRATION_STATUSES.filter((status) => !['completed', 'cancelled', 'failed'].includes(status)),
)

/** What is wrong, in a sentence; undefined when all is well. */
export function complaintOf(scene: Scene): string | undefined {
  if (!scene.isCoordinatorUp) return 'I5: the coordinator is down'
  const away = scene.awayAgents[0]
  if (away !== undefined) return `I5: the agent of ${away} is not registered`
  const open = scene.migrations.find(({ status }) => OPEN.has(status))
  if (open !== undefined) return `I5: migration ${open.id} of ${open.workload} is still ${open.status}`
  const closed = scene.hosts.find(
    ({ state, maintenance }) => maintenance !== undefined || state === 'maintenance',
  )
  if (closed !== undefined)
    return `I5: the maintenance of ${closed.name} is not over: ${closed.maintenance?.phase}`
  for (const view of scene.workloads) {
    const wrong = ofWorkload(scene, view)
    if (wrong !== undefined) return wrong
  }
  const known = new Set(scene.workloads.map(({ id }) => id))
  const stray = scene.workers.find(({ workload }) => !known.has(workload))
  if (stray !== undefined) return `I6: ${stray.name} runs for ${stray.workload}, which nobody knows`
  if (scene.ports.length > 0) return `I6: a source still listens at ${scene.ports[0]}`
  if (scene.connections > 0) return `I6: ${scene.connections} connections between workers are left`
  return undefined
}

function ofWorkload(scene: Scene, view: WorkloadView): string | undefined {
  const { id, status, host, diverged } = view
  if (diverged !== undefined) return `I2: step ${diverged.step} of ${id} was computed again with another loss`
  const workers = scene.workers.filter(({ workload }) => workload === id)
  if (status === 'running') {
    if (workers.length === 0) return `I5: ${id} is called running, and no process of it lives`
    if (workers.length > 1)
      return `I6: ${id} has ${workers.length} processes: ${workers.map(({ name }) => name)}`
    const worker = workers[0] as LivingWorker
    if (worker.host !== host) return `I6: ${id} runs on ${worker.host} and is said to run on ${host}`
    if (worker.isFrozen) return `I5: ${worker.name} of ${id} is frozen for ever`
    if (worker.isParked) return `I5: ${worker.name} of ${id} is parked for ever`
    if ((scene.progress.get(id) ?? 0) === 0) return `I5: no step of ${id} is accepted any more`
    return undefined
  }
  if (status === 'starting' || status === 'restarting') return `I5: ${id} is still ${status}`
  if (workers.length > 0) return `I6: ${id} has ${status}, and ${workers[0]?.name} still lives`
  if (status === 'finished') return ofFinished(scene, view)
  if (status === 'stopped')
    return scene.stopped.has(id) ? undefined : `I5: ${id} was stopped, and nobody asked for it`
  if (view.acceptedSteps === 0) return undefined
  // What is to be restarted fails only when that was in vain again and again.
  const enough = view.restartPolicy === 'on-failure' ? LIMITS.maxRestarts : 1
  const kills = scene.bereft.get(id) ?? 0
  return kills >= enough ? undefined : `I5: ${id} has failed after ${kills} kills: ${view.error?.message}`
}

function ofFinished(scene: Scene, { id, acceptedSteps, stateDigest }: WorkloadView): string | undefined {
  const shape = scene.shapes[id]
  if (shape === undefined) return undefined
  if (acceptedSteps !== shape.steps)
    return `I5: ${id} is called finished after ${acceptedSteps} of ${shape.steps} steps`
  if (stateDigest !== new Reference(shape).digestAfter(shape.steps))
    return `I2: ${id} ended in another state than a run on one host`
  return undefined
}

export function progressIn(happenings: readonly Happening[]): Map<string, number> {
  const progress = new Map<string, number>()
  for (const happening of happenings) {
    if (happening.type === 'accepted')
      progress.set(happening.workload, (progress.get(happening.workload) ?? 0) + 1)
  }
  return progress
}
