/**
 * The steps that several cells of migration-machine.ts have in common: giving up, going back to the source, and what
 * the two workers are answered.
 *
 * The intuition: there are few ways out of a migration. Without a source that was engaged it just ends; an engaged one
 * is told to let go first; a frozen one gets the workload back under a newer epoch, if the record grants it.
 *
 * Invariant: each way out that is no completion kills the target, or finds it killed.
 */
import { type ErrorReport, LIMITS } from '@godwit/protocol'
import {
  deadlineMs,
  type EventOf,
  type MigrationEffect,
  type MigrationEvent,
  type MigrationState,
  type MigrationStep,
  migrationStatus,
  type Outcome,
  type StateOf,
  stallDeadlineMs,
} from './migration-state.ts'

export const ignore = (state: MigrationState): MigrationStep => ({ state, effects: [] })

export const notAsked = (state: MigrationState, event: MigrationEvent): never => {
  throw new Error(`migration ${state.plan.id}: ${event.type} while ${state.name}, though nothing was asked`)
}

export function during(state: MigrationState, error: ErrorReport): ErrorReport {
  return error.phase === undefined ? { ...error, phase: migrationStatus(state) } : error
}

export function failure(state: MigrationState, error: ErrorReport): Outcome {
  return { status: 'failed', error: during(state, error) }
}

/** Over without a move. The source is not engaged any more, or never was. */
export function end(state: MigrationState, outcome: Outcome, ...more: MigrationEffect[]): MigrationStep {
  const recoveredEpoch = state.name === 'cancelling' ? state.recoveredEpoch : undefined
  return {
    state: {
      ...known(state),
      name: 'ended',
      outcome,
      ...(recoveredEpoch === undefined ? {} : { recoveredEpoch }),
    },
    effects: [{ type: 'killTarget' }, ...more],
  }
}

/** Decided, but the engaged source must let go first. */
export function winDown(state: MigrationState, outcome: Outcome, nowMs: number): MigrationStep {
  return {
    state: { ...known(state), name: 'cancelling', outcome, sinceMs: nowMs },
    effects: [{ type: 'killTarget' }, cancelSource(state, outcome.error)],
  }
}

function cancelSource(state: MigrationState, error: ErrorReport): MigrationEffect {
  const migrationId = state.plan.id
  return { type: 'toSource', message: { type: 'cancelMigration', migrationId, error } }
}

/** Asks the source to listen. */
export function openOutgoing({ plan }: MigrationState, nowMs: number): MigrationEffect {
  const { id: migrationId, from, to, secret, options, startedAtMs } = plan
  const elapsedMs = nowMs - startedAtMs
  const message = { type: 'openOutgoing', migrationId, from, to, secret, options, elapsedMs } as const
  return { type: 'toSource', message: { ...message, asksForTurn: true } }
}

/** Whether it is let go once it is ready. */
export function withHold<State extends StateOf<'queued' | 'preparing' | 'opening' | 'moving'>>(
  state: State,
  isHeld: boolean,
): MigrationStep {
  const isReady = state.name === 'moving' && state.status === 'preSwitchover'
  return {
    state: state.isHeld === isHeld ? state : { ...state, isHeld },
    effects: isReady && !isHeld ? [{ type: 'askTurn' }] : [],
  }
}

/** Whether the source sends; one that is not asked for anything yet is told once it says how far it is. */
export function withPause<State extends StateOf<'queued' | 'preparing' | 'opening' | 'moving'>>(
  state: State,
  by: string | undefined,
): MigrationStep {
  const paused = { ...state, pausedBy: by }
  return { state: paused, effects: state.name === 'moving' ? [pauseSource(paused)] : [] }
}

export function pauseSource({ plan, pausedBy }: MigrationState): MigrationEffect {
  const message = { type: 'pauseMigration', migrationId: plan.id, isPaused: pausedBy !== undefined } as const
  return { type: 'toSource', message }
}

/** Tells the target where. */
export function dial({ plan }: MigrationState, port: number): MigrationEffect {
  const { id: migrationId, from, sourceAddress: host, secret } = plan
  return { type: 'toTarget', message: { type: 'dial', migrationId, from, host, port, secret } }
}

export function claimResult(state: MigrationState, granted: boolean, epoch: number): MigrationEffect {
  const migrationId = state.plan.id
  return { type: 'toTarget', message: { type: 'claimResult', migrationId, granted, epoch } }
}

export function recoverResult(state: MigrationState, granted: boolean, epoch: number): MigrationEffect {
  const migrationId = state.plan.id
  return { type: 'toSource', message: { type: 'recoverResult', migrationId, granted, epoch } }
}

/** What every state keeps. */
export function known({
  plan,
  isHeld,
  pausedBy,
  progress,
  report,
}: MigrationState): Pick<MigrationState, 'plan' | 'isHeld' | 'pausedBy' | 'progress' | 'report'> {
  return {
    plan,
    ...(isHeld === undefined ? {} : { isHeld }),
    ...(pausedBy === undefined ? {} : { pausedBy }),
    ...(progress === undefined ? {} : { progress }),
    ...(report === undefined ? {} : { report }),
  }
}

export function withReport<State extends MigrationState>(state: State, event: EventOf<'sourceEnded'>): State {
  return event.report === undefined ? state : { ...state, report: event.report }
}

export function complete(
  state: StateOf<'claimed' | 'accepted'>,
  ...before: MigrationEffect[]
): MigrationStep {
  return {
    state: { ...known(state), name: 'completed', epoch: state.epoch },
    effects: [...before, { type: 'releaseSource' }],
  }
}

/** The source gave up by itself, before `final`: it trains on. */
export function sourceGaveUp(
  state: StateOf<'opening' | 'moving'>,
  status: Outcome['status'],
  event: EventOf<'sourceEnded'>,
): MigrationStep {
  const error = event.error ?? { kind: 'cancelled', message: 'the source gave up without a reason' }
  return end(withReport(state, event), { status, error: during(state, error) })
}

/**
 * The source believes a target that said it runs and never claimed: it is frozen, and needs what one that asks
 * (`recover`) needs. Its report is of a migration that was none.
 */
export function completedUnclaimed(state: MigrationState): MigrationStep {
  return { state, effects: [{ type: 'askRecover', error: unclaimed(state) }] }
}

export function unclaimed(state: MigrationState): ErrorReport {
  const message = 'the source calls the migration completed, but the target never claimed the workload'
  return during(state, { kind: 'out-of-order', message })
}

/** Past its time before the switchover, or not heard of since its agent came back. */
export function overdue(state: MigrationState, nowMs: number): Outcome {
  const backMs = state.name === 'moving' ? state.sourceBackMs : undefined
  if (backMs !== undefined && nowMs >= backMs + LIMITS.heartbeatTimeoutMs) {
    const message = `the agent of ${state.plan.from} came back, and the source says nothing of the migration`
    return failure(state, { kind: 'peer-stalled', message })
  }
  const inSetup = migrationStatus(state) === 'setup'
  const { options, bringMs = 0 } = state.plan
  const limitMs = bringMs + (inSetup ? Math.min(LIMITS.setupTimeoutMs, options.timeoutMs) : options.timeoutMs)
  return failure(
    state,
    inSetup
      ? { kind: 'setup-timeout', message: `${state.plan.to} was not ready within ${limitMs} ms` }
      : { kind: 'not-converging', message: `the switchover was not reached within ${limitMs} ms` },
  )
}

export function isDue(state: MigrationState, nowMs: number): boolean {
  const dueMs = deadlineMs(state)
  return dueMs !== undefined && nowMs >= dueMs
}

export function workloadEnded(state: MigrationState): MigrationStep {
  const message = 'the workload ended before it could move'
  return end(state, { status: 'cancelled', error: during(state, { kind: 'workload-ended', message }) })
}

export function targetHostLost(state: MigrationState): Outcome {
  return failure(state, targetHostGone(state))
}

export function targetHostGone(state: MigrationState): ErrorReport {
  return { kind: 'host-disconnected', message: `the agent of ${state.plan.to} disconnected` }
}

/** Why a target that owns the workload is not waited for any longer. */
export function targetOverdue(state: StateOf<'claimed'>, nowMs: number): ErrorReport {
  if (nowMs < stallDeadlineMs(state)) return targetHostGone(state)
  return { kind: 'peer-stalled', message: `the target on ${state.plan.to} runs, and takes no step` }
}

export function sourceLost(state: MigrationState, error: ErrorReport): MigrationStep {
  return end(state, failure(state, error), { type: 'workloadLost', error })
}

/** The target can't go on, and has not claimed: the source trains on, if there is one. */
export function targetEnded(
  state: StateOf<'moving'>,
  { error }: { readonly error: ErrorReport },
  nowMs: number,
): MigrationStep {
  if (state.sourceGone !== undefined) return sourceLost(state, state.sourceGone.error)
  return winDown(state, failure(state, error), nowMs)
}

/** The target can't go on: the source gets the workload back, whether it knows already that it needs to or not. */
export function backToSource(state: StateOf<'claimed'>, error: ErrorReport): MigrationStep {
  return state.sourceGone ? sourceLost(state, error) : { state, effects: [{ type: 'askRecover', error }] }
}

export function askRecover(state: MigrationState, event: EventOf<'recover'>): MigrationStep {
  return { state, effects: [{ type: 'askRecover', error: event.error }] }
}

/** A source that was frozen goes on under a newer epoch. A report that it has sent is of a move that is undone. */
export function recovered(
  state: MigrationState,
  event: EventOf<'recoverDecided'>,
  nowMs: number,
): MigrationStep {
  const { epoch, error } = event
  const { report: _, ...kept } = known(state)
  return {
    state: {
      ...kept,
      name: 'cancelling',
      outcome: failure(state, error),
      sinceMs: nowMs,
      recoveredEpoch: epoch,
    },
    effects: [{ type: 'killTarget' }, { type: 'own', side: 'source' }, recoverResult(state, true, epoch)],
  }
}

/** The same, for one whose migration was given up before. */
export function recoveredLate(
  state: StateOf<'cancelling' | 'ended'>,
  { granted, epoch }: EventOf<'recoverDecided'>,
): MigrationStep {
  if (!granted) return { state, effects: [recoverResult(state, false, epoch)] }
  return {
    state: { ...state, recoveredEpoch: epoch },
    effects: [{ type: 'own', side: 'source' }, recoverResult(state, true, epoch)],
  }
}

/** What the source may have missed while its agent was away. */
export function remindSource(state: StateOf<'cancelling' | 'ended'>): MigrationStep {
  const { recoveredEpoch, outcome } = state
  const missed =
    recoveredEpoch === undefined
      ? cancelSource(state, outcome.error)
      : recoverResult(state, true, recoveredEpoch)
  return { state, effects: [missed] }
}
