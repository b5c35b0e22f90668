/**
 * What may be done with a job or a host, as pure functions of what is known of it and of the role: what a role may not do is not offered, what
 * can't be done now says why.
 */
import type { HostView, MigrationView, WorkloadView } from '@godwit/protocol'
import { mayAsk, type RestOp, type Role } from '@godwit/protocol/light'
import { whyClosed } from './hosts.ts'
import { isOver } from './jobs.ts'
import { isEnded } from './moves.ts'

export type JobAction = Extract<
  RestOp,
  'run' | 'migrate' | 'hold' | 'switchover' | 'pause' | 'resume' | 'cancel' | 'checkpoint' | 'stop' | 'forget'
>
export type HostAction = Extract<RestOp, 'run' | 'enterMaintenance' | 'exitMaintenance' | 'removeHost'>

export interface Offer<Action> {
  readonly action: Action
  readonly label: string
  /** Why it can't be done now. */
  readonly why?: string
  /** Something is lost by it. */
  readonly isLoss?: boolean
}

export interface JobFacts {
  readonly job: WorkloadView
  /** Its latest move. */
  readonly move: MigrationView | undefined
  readonly role: Role
}

export function jobOffers({ job, move, role }: JobFacts): Offer<JobAction>[] {
  const offers = isOver(job) ? offersOfOver() : [...offersOfMove(move), ...offersOfRunning(job, move)]
  return offers.filter(({ action }) => mayAsk(role, action))
}

function offersOfOver(): Offer<JobAction>[] {
  return [
    { action: 'run', label: 'Run again…' },
    { action: 'forget', label: 'Forget…', isLoss: true },
  ]
}

function offersOfMove(move: MigrationView | undefined): Offer<JobAction>[] {
  if (move === undefined || isEnded(move.status)) return []
  const { status, isHeld, pausedBy } = move
  const isLate = status === 'switchover' || status === 'cancelling'
  const why = isLate ? { why: `The move is in its ${status === 'switchover' ? 'switchover' : 'end'}.` } : {}
  const letGo = status === 'preSwitchover' ? 'Switch over' : 'Switch over when ready'
  return [
    isHeld === true
      ? { action: 'switchover', label: letGo, ...why }
      : { action: 'hold', label: 'Hold before switchover', ...why },
    pausedBy === undefined
      ? { action: 'pause', label: 'Pause move', ...why }
      : { action: 'resume', label: 'Resume move', ...why },
    {
      action: 'cancel',
      label: 'Cancel move…',
      ...(status === 'cancelling' && { why: 'It is being cancelled.' }),
    },
  ]
}

function offersOfRunning(job: WorkloadView, move: MigrationView | undefined): Offer<JobAction>[] {
  const isMoving = move !== undefined && !isEnded(move.status)
  const notRunning = job.status === 'running' ? undefined : `The job is ${job.status}.`
  const noMove = isMoving ? 'A move is under way.' : notRunning
  return [
    ...(isMoving ? [] : [{ action: 'migrate', label: 'Migrate…', ...reason(noMove) } as const]),
    { action: 'checkpoint', label: 'Checkpoint now', ...reason(notRunning) },
    { action: 'stop', label: 'Stop…', isLoss: true },
  ]
}

function reason(why: string | undefined): { why?: string } {
  return why === undefined ? {} : { why }
}

interface Asker {
  readonly role: Role
  /** Hosts are members of the cluster, and can be removed from it. */
  readonly isSecured: boolean
}

export function hostOffers(host: HostView, { role, isSecured }: Asker): Offer<HostAction>[] {
  const phase = host.maintenance?.phase
  const isIn = phase === 'evacuating' || phase === 'evacuated'
  const offers: Offer<HostAction>[] = [
    { action: 'run', label: 'Run a job…', ...reason(whyClosed(host)) },
    isIn
      ? { action: 'exitMaintenance', label: 'Exit maintenance…' }
      : { action: 'enterMaintenance', label: 'Enter maintenance…' },
  ]
  if (isSecured) {
    const why = host.workloads.length > 0 ? { why: 'Jobs are on it: enter maintenance first.' } : {}
    offers.push({ action: 'removeHost', label: 'Remove host…', isLoss: true, ...why })
  }
  return offers.filter(({ action }) => mayAsk(role, action))
}

export function clusterOffers(role: Role): Offer<'run'>[] {
  return mayAsk(role, 'run') ? [{ action: 'run', label: 'Run a job…' }] : []
}
