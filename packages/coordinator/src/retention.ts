/**
 * What the coordinator forgets, and when: workloads that are over, and hosts that are gone for good.
 *
 * The intuition: a job that is over is there to be looked at, for some days. How long is counted in watched time (watched-time.ts); by how many there
 * are, so that a script that starts a job a minute does not fill the store; and by the steps that they hold, since those lie in
 * memory. Whichever limit is met first, the job that has been over for longest goes first. A host goes when nothing ties it to
 * us any more; should it come back, it registers as a new one.
 *
 * Invariant: nothing that is under way is ever named.
 */
import { LIMITS, type MigrationStatus } from '@godwit/protocol'

/** A workload that is over. */
export interface EndedWorkload {
  readonly id: string
  /** In watched time. */
  readonly endedAtMs: number
  /** Of which outputs are in memory. */
  readonly keptSteps: number
}

export interface IdleHost {
  readonly name: string
  /** In watched time; undefined while its agent is connected. */
  readonly awaySinceMs: number | undefined
  /** A job is on it, or a worker of one. */
  readonly isInUse: boolean
}

type WorkloadLimits = Pick<typeof LIMITS, 'keepEndedMs' | 'maxEndedWorkloads' | 'maxEndedSteps'>
type HostLimits = Pick<typeof LIMITS, 'keepHostMs' | 'maxHosts'>
/** Any numbers, for tests. */
type Numbers<Limits> = { readonly [Name in keyof Limits]: number }

/** The ids of those to forget, those that have been over for longest first. */
export function workloadsToForget(
  ended: readonly EndedWorkload[],
  nowMs: number,
  limits: Numbers<WorkloadLimits> = LIMITS,
): string[] {
  const oldestFirst = [...ended].sort((a, b) => a.endedAtMs - b.endedAtMs)
  let left = oldestFirst.length
  let leftSteps = oldestFirst.reduce((sum, { keptSteps }) => sum + keptSteps, 0)
  return oldestFirst
    .filter(({ endedAtMs, keptSteps }) => {
      const isOld = nowMs - endedAtMs >= limits.keepEndedMs
      if (!isOld && left <= limits.maxEndedWorkloads && leftSteps <= limits.maxEndedSteps) return false
      left -= 1
      leftSteps -= keptSteps
      return true
    })
    .map(({ id }) => id)
}

/** The names of those to forget: away for long, or for longest where there is no room for one more host. */
export function hostsToForget(
  hosts: readonly IdleHost[],
  nowMs: number,
  limits: Numbers<HostLimits> = LIMITS,
): string[] {
  let left = hosts.length
  return hosts
    .flatMap(({ name, awaySinceMs, isInUse }) =>
      awaySinceMs === undefined || isInUse ? [] : [{ name, awaySinceMs }],
    )
    .sort((a, b) => a.awaySinceMs - b.awaySinceMs)
    .filter(({ awaySinceMs }) => {
      if (nowMs - awaySinceMs < limits.keepHostMs && left < limits.maxHosts) return false
      left -= 1
      return true
    })
    .map(({ name }) => name)
}

const OVER: ReadonlySet<MigrationStatus> = new Set(['completed', 'cancelled', 'failed'])

/**
 * The one to forget where one is too many: of those that are over the oldest, unless a maintenance that is not over needs it. Undefined
 * when there is none.
 */
export function migrationToForget(
  oldestFirst: Iterable<{
    readonly id: string
    readonly status: MigrationStatus
    readonly maintenance?: string | undefined
  }>,
  isNeeded: (maintenance: string | undefined) => boolean = () => false,
): string | undefined {
  for (const { id, status, maintenance } of oldestFirst)
    if (OVER.has(status) && !isNeeded(maintenance)) return id
  return undefined
}
