/**
 * What may be done with a job or a host, as pure functions of what is known of it and of the role: what a role may not do is not offered, what
 * can't be done now says why.
 */
import type { HostView, MigrationView, WorkloadView } from '@godwit/protocol'
import { mayAsk, type RestOp, type Role } from '@godwit/protocol/light'
import { isOver } from './jobs.ts'
import { isEnded } from './moves.ts'

export type JobAction = Extract<
  RestOp,
  'migrate' | 'hold' | 'switchover' | 'pause' | 'resume' | 'cancel' | 'checkpoint' | 'stop' | 'forget'
>
export type HostAction = Extract<RestOp, 'enterMaintenance' | 'exitMaintenance' | 'removeHost'>

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
  return [{ action: 'forget', label: 'Forget…', isLoss: true }]
}

function offersOfMove(move: MigrationView | undefined): Offer<JobAction>[] {
  if (move === undefined || isEnded(move.status)) return []
  const isLate = move.status === 'switchover' || move.status === 'cancelling'
  const why = isLate
    ? { why: `The move is in its ${move.status === 'switchover' ? 'switchover' : 'end'}.` }
    : {}
  const isHeld = move.options.hold
  return [
    isHeld
      ? { action: 'switchover', label: 'Switch over', ...why }
      : { action: 'hold', label: 'Hold before switchover', ...why },
    ...offersOfPause(move).map((offer) => ({ ...offer, ...why })),
    {
      action: 'cancel',
      label: 'Cancel move…',
      ...(move.status === 'cancelling' && { why: 'It is being cancelled.' }),
    },
  ]
}

/** Whether one that waits for its beginning is paused nobody says but in words, and both may be said of one that is or is not. */
function offersOfPause({ progress, waitingFor }: MigrationView): Offer<JobAction>[] {
  const pause: Offer<JobAction> = { action: 'pause', label: 'Pause move' }
  const resume: Offer<JobAction> = { action: 'resume', label: 'Resume move' }
  if (progress !== undefined) return [progress.isPaused === true ? resume : pause]
  return waitingFor === undefined ? [pause] : [pause, resume]
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
