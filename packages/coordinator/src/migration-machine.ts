/**
 * One migration, decided: `step(state, event, nowMs) => { state, effects }`, without IO, clock or chance.
 *
 * The intuition: until the claim, the source is the workload and everything else is scaffolding. Whatever goes wrong
 * then, the scaffolding is torn down (the target killed, an engaged source told) and training has not noticed. The
 * claim turns it round: the target is the workload, the frozen source the net below it. The first accepted step takes
 * the net away.
 *
 * Who owns the workload is not decided here but by the ownership record: the machine asks (`askClaim`, `askRecover`)
 * and is answered before anything else happens to it.
 *
 * Invariants:
 * - `releaseSource` only after `stepAccepted` (I5: the net stays until it isn't needed).
 * - A migration that is cancelling or ended has killed its target, unless that had exited by itself (I6).
 * - The target is never killed while it alone holds the workload, or may do so.
 * - `claimResult` and `recoverResult` say `granted` only after the record did (I4).
 * - `completed` and `ended` are left by no event.
 */
import { type ErrorReport, LIMITS } from '@godwit/protocol'
import {
  deadlineMs,
  type EventOf,
  type EventType,
  type MigrationEffect,
  type MigrationEvent,
  type MigrationPlan,
  type MigrationState,
  type MigrationStep,
  migrationStatus,
  type Outcome,
  type StateName,
  type StateOf,
} from './migration-state.ts'

type Cell<Name extends StateName, Type extends EventType> = (
  state: StateOf<Name>,
  event: EventOf<Type>,
  nowMs: number,
) => MigrationStep

/** A row for each state, a cell for each event: one that is missing doesn't compile. */
type Row<Name extends StateName> = { readonly [Type in EventType]: Cell<Name, Type> }
type Table = { readonly [Name in StateName]: Row<Name> }

/** Writes the migration down and starts the target's worker. */
export function beginMigration(plan: MigrationPlan): MigrationStep {
  return { state: { name: 'preparing', plan }, effects: [{ type: 'launchTarget' }] }
}

/** Throws only when `claimDecided` or `recoverDecided` answers what was not asked. */
export function stepMigration(state: MigrationState, event: MigrationEvent, nowMs: number): MigrationStep {
  const cell = TABLE[state.name][event.type] as Cell<StateName, EventType>
  return cell(state, event, nowMs)
}

const ignore = (state: MigrationState): MigrationStep => ({ state, effects: [] })

const notAsked = (state: MigrationState, event: MigrationEvent): never => {
  throw new Error(`migration ${state.plan.id}: ${event.type} while ${state.name}, though nothing was asked`)
}

function during(state: MigrationState, error: ErrorReport): ErrorReport {
  return error.phase === undefined ? { ...error, phase: migrationStatus(state) } : error
}

function failure(state: MigrationState, error: ErrorReport): Outcome {
  return { status: 'failed', error: during(state, error) }
}

/** Over without a move. The source is not engaged any more, or never was. */
function end(state: MigrationState, outcome: Outcome, ...more: MigrationEffect[]): MigrationStep {
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
function winDown(state: MigrationState, outcome: Outcome, nowMs: number): MigrationStep {
  return {
    state: { ...known(state), name: 'cancelling', outcome, sinceMs: nowMs },
    effects: [{ type: 'killTarget' }, cancelSource(state, outcome.error)],
  }
}

function cancelSource(state: MigrationState, error: ErrorReport): MigrationEffect {
  const migrationId = state.plan.id
  return { type: 'toSource', message: { type: 'cancelMigration', migrationId, error } }
}

function claimResult(state: MigrationState, granted: boolean, epoch: number): MigrationEffect {
  const migrationId = state.plan.id
  return { type: 'toTarget', message: { type: 'claimResult', migrationId, granted, epoch } }
}

function recoverResult(state: MigrationState, granted: boolean, epoch: number): MigrationEffect {
  const migrationId = state.plan.id
  return { type: 'toSource', message: { type: 'recoverResult', migrationId, granted, epoch } }
}

/** What every state keeps. */
function known({
  plan,
  progress,
  report,
}: MigrationState): Pick<MigrationState, 'plan' | 'progress' | 'report'> {
  return {
    plan,
    ...(progress === undefined ? {} : { progress }),
    ...(report === undefined ? {} : { report }),
  }
}

function withReport<State extends MigrationState>(state: State, event: EventOf<'sourceEnded'>): State {
  return event.report === undefined ? state : { ...state, report: event.report }
}

function complete(state: StateOf<'claimed' | 'accepted'>, ...before: MigrationEffect[]): MigrationStep {
  return {
    state: { ...known(state), name: 'completed', epoch: state.epoch },
    effects: [...before, { type: 'releaseSource' }],
  }
}

/** The source gave up by itself, before `final`: it trains on. */
function sourceGaveUp(
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
function completedUnclaimed(state: MigrationState): MigrationStep {
  return { state, effects: [{ type: 'askRecover', error: unclaimed(state) }] }
}

function unclaimed(state: MigrationState): ErrorReport {
  const message = 'the source calls the migration completed, but the target never claimed the workload'
  return during(state, { kind: 'out-of-order', message })
}

/** Past its time before the switchover, or not heard of since its agent came back. */
function overdue(state: MigrationState, nowMs: number): Outcome {
  const backMs = state.name === 'moving' ? state.sourceBackMs : undefined
  if (backMs !== undefined && nowMs >= backMs + LIMITS.heartbeatTimeoutMs) {
    const message = `the agent of ${state.plan.from} came back, and the source says nothing of the migration`
    return failure(state, { kind: 'peer-stalled', message })
  }
  const inSetup = migrationStatus(state) === 'setup'
  const limitMs = inSetup
    ? Math.min(LIMITS.setupTimeoutMs, state.plan.options.timeoutMs)
    : state.plan.options.timeoutMs
  return failure(
    state,
    inSetup
      ? { kind: 'setup-timeout', message: `${state.plan.to} was not ready within ${limitMs} ms` }
      : { kind: 'not-converging', message: `the switchover was not reached within ${limitMs} ms` },
  )
}

function isDue(state: MigrationState, nowMs: number): boolean {
  const dueMs = deadlineMs(state)
  return dueMs !== undefined && nowMs >= dueMs
}

function workloadEnded(state: MigrationState): MigrationStep {
  const message = 'the workload ended before it could move'
  return end(state, { status: 'cancelled', error: during(state, { kind: 'workload-ended', message }) })
}

function targetHostLost(state: MigrationState): Outcome {
  return failure(state, targetHostGone(state))
}

function targetHostGone(state: MigrationState): ErrorReport {
  return { kind: 'host-disconnected', message: `the agent of ${state.plan.to} disconnected` }
}

function sourceLost(state: MigrationState, error: ErrorReport): MigrationStep {
  return end(state, failure(state, error), { type: 'workloadLost', error })
}

/** The target can't go on, and has not claimed: the source trains on, if there is one. */
function targetEnded(
  state: StateOf<'moving'>,
  { error }: { readonly error: ErrorReport },
  nowMs: number,
): MigrationStep {
  if (state.sourceGone !== undefined) return sourceLost(state, state.sourceGone.error)
  return winDown(state, failure(state, error), nowMs)
}

/** The target can't go on: the source gets the workload back, whether it knows already that it needs to or not. */
function backToSource(state: StateOf<'claimed'>, error: ErrorReport): MigrationStep {
  return state.sourceGone ? sourceLost(state, error) : { state, effects: [{ type: 'askRecover', error }] }
}

function askRecover(state: MigrationState, event: EventOf<'recover'>): MigrationStep {
  return { state, effects: [{ type: 'askRecover', error: event.error }] }
}

/** A source that was frozen goes on under a newer epoch. A report that it has sent is of a move that is undone. */
function recovered(state: MigrationState, event: EventOf<'recoverDecided'>, nowMs: number): MigrationStep {
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
function recoveredLate(
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
function remindSource(state: StateOf<'cancelling' | 'ended'>): MigrationStep {
  const { recoveredEpoch, outcome } = state
  const missed =
    recoveredEpoch === undefined
      ? cancelSource(state, outcome.error)
      : recoverResult(state, true, recoveredEpoch)
  return { state, effects: [missed] }
}

const preparing: Row<'preparing'> = {
  targetPrepared(state, { difference }, nowMs) {
    if (difference !== undefined) return end(state, failure(state, difference))
    const { id, from, to, secret, options, startedAtMs } = state.plan
    const message = {
      type: 'openOutgoing',
      migrationId: id,
      from,
      to,
      secret,
      options,
      startedAtMs: nowMs - startedAtMs,
    } as const
    return { state: { ...state, name: 'opening' }, effects: [{ type: 'toSource', message }] }
  },
  targetFailed: (state, { error }) => end(state, failure(state, error)),
  targetExited: (state, { error }) => end(state, failure(state, error)),
  targetHostLost: (state) => end(state, targetHostLost(state)),
  targetHostBack: ignore,
  sourceHostBack: ignore,
  outgoingOpened: ignore,
  progress: ignore,
  claim: (state) => ({ state, effects: [claimResult(state, false, state.plan.epoch)] }),
  claimDecided: notAsked,
  stepAccepted: ignore,
  recover: ignore,
  recoverDecided: notAsked,
  sourceEnded: ignore,
  sourceExited: (state, { error }) => sourceLost(state, error),
  workloadEnded,
  cancel: (state, { error }) => end(state, { status: 'cancelled', error: during(state, error) }),
  tick: (state, _event, nowMs) => (isDue(state, nowMs) ? end(state, overdue(state, nowMs)) : ignore(state)),
}

const opening: Row<'opening'> = {
  targetPrepared: ignore,
  targetFailed: (state, { error }, nowMs) => winDown(state, failure(state, error), nowMs),
  targetExited: (state, { error }, nowMs) => winDown(state, failure(state, error), nowMs),
  targetHostLost: (state, _event, nowMs) => winDown(state, targetHostLost(state), nowMs),
  targetHostBack: ignore,
  sourceHostBack: ignore,
  outgoingOpened(state, { port }) {
    const { id, sourceAddress, secret } = state.plan
    const message = { type: 'dial', migrationId: id, host: sourceAddress, port, secret } as const
    return { state: { ...state, name: 'moving', status: 'setup' }, effects: [{ type: 'toTarget', message }] }
  },
  progress: (state, { progress }) => ({ state: { ...state, progress }, effects: [] }),
  claim: (state) => ({ state, effects: [claimResult(state, false, state.plan.epoch)] }),
  claimDecided: notAsked,
  stepAccepted: ignore,
  // It can't have sent `final` to a target that was never told to dial: there is nothing to recover from.
  recover: ignore,
  recoverDecided: notAsked,
  // Without a target that was told to dial it can't be: should it be frozen all the same, it says so again.
  sourceEnded: (state, event, nowMs) =>
    event.status === 'completed'
      ? winDown(state, failure(state, unclaimed(state)), nowMs)
      : sourceGaveUp(state, event.status, event),
  sourceExited: (state, { error }) => sourceLost(state, error),
  workloadEnded,
  cancel: (state, { error }, nowMs) =>
    winDown(state, { status: 'cancelled', error: during(state, error) }, nowMs),
  tick: (state, _event, nowMs) =>
    isDue(state, nowMs) ? winDown(state, overdue(state, nowMs), nowMs) : ignore(state),
}

const moving: Row<'moving'> = {
  targetPrepared: ignore,
  targetFailed: targetEnded,
  targetExited: targetEnded,
  // The pages travel from worker to worker, but the claim takes the way of the agent: a source that switched over
  // without it would stand still until the handover times out. Once it has, the claim may be on its way.
  targetHostLost: (state, _event, nowMs) =>
    state.status === 'switchover' || state.sourceGone !== undefined
      ? ignore(state)
      : winDown(state, targetHostLost(state), nowMs),
  targetHostBack: ignore,
  // It may have given up, and said so into the connection that was lost: it is heard again soon, or has nothing to say.
  sourceHostBack: (state, _event, nowMs) => ({ state: { ...state, sourceBackMs: nowMs }, effects: [] }),
  outgoingOpened: ignore,
  progress(state, { status, progress }) {
    const known = status === 'setup' || status === 'active' || status === 'switchover'
    return {
      state: { ...state, progress, status: known ? status : state.status, sourceBackMs: undefined },
      effects: [],
    }
  },
  claim: (state, { fromStep }) => ({ state, effects: [{ type: 'askClaim', fromStep }] }),
  claimDecided(state, { granted, epoch }, nowMs) {
    if (granted) {
      return {
        state: { ...known(state), name: 'claimed', epoch, sourceGone: state.sourceGone !== undefined },
        effects: [{ type: 'own', side: 'target' }, claimResult(state, true, epoch)],
      }
    }
    const message = `the claim was refused: epoch ${epoch} owns the workload, or its state was too old`
    const { state: next, effects } = targetEnded(state, { error: { kind: 'claim-refused', message } }, nowMs)
    return { state: next, effects: [claimResult(state, false, epoch), ...effects] }
  },
  stepAccepted: ignore,
  recover: askRecover,
  recoverDecided(state, event, nowMs) {
    if (event.granted) return recovered(state, event, nowMs)
    return { state, effects: [recoverResult(state, false, event.epoch)] }
  },
  sourceEnded: (state, event) =>
    event.status === 'completed' ? completedUnclaimed(state) : sourceGaveUp(state, event.status, event),
  // Whatever status it last told: `final` may have left since, and then the target holds everything. One that does
  // not sees the connection close, and ends.
  sourceExited: (state, { error }, nowMs) => ({
    state: { ...state, sourceGone: state.sourceGone ?? { error, sinceMs: nowMs } },
    effects: [],
  }),
  workloadEnded,
  // Without a source there is nothing to go back to.
  cancel: (state, { error }, nowMs) =>
    state.sourceGone === undefined
      ? winDown(state, { status: 'cancelled', error: during(state, error) }, nowMs)
      : ignore(state),
  tick(state, _event, nowMs) {
    if (!isDue(state, nowMs)) return ignore(state)
    if (state.sourceGone !== undefined) return sourceLost(state, state.sourceGone.error)
    return winDown(state, overdue(state, nowMs), nowMs)
  },
}

const claimed: Row<'claimed'> = {
  targetPrepared: ignore,
  targetFailed: (state, { error }) => backToSource(state, error),
  targetExited: (state, { error }) => backToSource(state, error),
  // An agent may be back in a moment, and its worker undisturbed; a host without power takes the job with it, and
  // the source, which holds everything, thinks that all went well and asks nobody (I5).
  targetHostLost: (state, _event, nowMs) => ({ state: { ...state, targetLostMs: nowMs }, effects: [] }),
  // Our answer may have been lost with the connection; it says the same each time.
  targetHostBack: (state) => ({
    state: { ...state, targetLostMs: undefined },
    effects: [claimResult(state, true, state.epoch)],
  }),
  sourceHostBack: ignore,
  outgoingOpened: ignore,
  progress: ignore,
  claim: (state, { fromStep }) => ({ state, effects: [{ type: 'askClaim', fromStep }] }),
  claimDecided: (state, { granted, epoch }) => ({ state, effects: [claimResult(state, granted, epoch)] }),
  stepAccepted: (state, _event, nowMs) =>
    state.sourceGone || state.report !== undefined
      ? complete(state)
      : { state: { ...known(state), name: 'accepted', epoch: state.epoch, sinceMs: nowMs }, effects: [] },
  recover: askRecover,
  recoverDecided(state, event, nowMs) {
    if (event.granted) return recovered(state, event, nowMs)
    // Not released: a frozen source is let go by an accepted step, by nothing else.
    return {
      state: { ...state, targetLostMs: undefined },
      effects: [recoverResult(state, false, event.epoch)],
    }
  },
  // One that gave up would have asked first (`recover`); its word alone changes nothing.
  sourceEnded: (state, event) =>
    event.status === 'completed' && state.report === undefined
      ? ignore(withReport(state, event))
      : ignore(state),
  sourceExited: (state) => ({ state: { ...state, sourceGone: true }, effects: [] }),
  workloadEnded: ignore,
  cancel: ignore,
  tick: (state, _event, nowMs) =>
    isDue(state, nowMs) ? backToSource(state, targetHostGone(state)) : ignore(state),
}

const accepted: Row<'accepted'> = {
  targetPrepared: ignore,
  targetFailed: (state, { error }) => ({ state, effects: [{ type: 'workloadLost', error }] }),
  targetExited: (state, { error }) => ({ state, effects: [{ type: 'workloadLost', error }] }),
  targetHostLost: ignore,
  targetHostBack: (state) => ({ state, effects: [claimResult(state, true, state.epoch)] }),
  sourceHostBack: ignore,
  outgoingOpened: ignore,
  progress: ignore,
  claim: (state) => ({ state, effects: [claimResult(state, true, state.epoch)] }),
  claimDecided: notAsked,
  stepAccepted: ignore,
  recover: (state) => complete(state, recoverResult(state, false, state.epoch)),
  recoverDecided: notAsked,
  sourceEnded: (state, event) => complete(withReport(state, event)),
  sourceExited: (state) => complete(state),
  workloadEnded: ignore,
  cancel: ignore,
  // The report is worth a wait, but not a frozen process for ever.
  tick: (state, _event, nowMs) => (isDue(state, nowMs) ? complete(state) : ignore(state)),
}

const cancelling: Row<'cancelling'> = {
  targetPrepared: ignore,
  targetFailed: ignore,
  targetExited: ignore,
  targetHostLost: ignore,
  targetHostBack: ignore,
  sourceHostBack: remindSource,
  outgoingOpened: ignore,
  progress: (state, { progress }) => ({ state: { ...state, progress }, effects: [] }),
  claim: (state) => ({ state, effects: [claimResult(state, false, state.plan.epoch)] }),
  claimDecided: notAsked,
  stepAccepted: ignore,
  recover: askRecover,
  recoverDecided: recoveredLate,
  sourceEnded: (state, event) =>
    event.status === 'completed' ? completedUnclaimed(state) : end(withReport(state, event), state.outcome),
  sourceExited: (state, { error }) => end(state, state.outcome, { type: 'workloadLost', error }),
  workloadEnded: (state) => end(state, state.outcome),
  cancel: ignore,
  // A source that says nothing for so long is given up; should it ask later, it is answered.
  tick: (state, _event, nowMs) => (isDue(state, nowMs) ? end(state, state.outcome) : ignore(state)),
}

const completed: Row<'completed'> = {
  targetPrepared: ignore,
  targetFailed: ignore,
  targetExited: ignore,
  targetHostLost: ignore,
  targetHostBack: ignore,
  sourceHostBack: (state) => ({ state, effects: [{ type: 'releaseSource' }] }),
  outgoingOpened: ignore,
  progress: ignore,
  claim: (state) => ({ state, effects: [claimResult(state, true, state.epoch)] }),
  claimDecided: notAsked,
  stepAccepted: ignore,
  recover: (state) => ({
    state,
    effects: [recoverResult(state, false, state.epoch), { type: 'releaseSource' }],
  }),
  recoverDecided: notAsked,
  // It says so until it is released: the word may have been lost.
  sourceEnded: (state, event) => ({
    state: state.report === undefined ? withReport(state, event) : state,
    effects: [{ type: 'releaseSource' }],
  }),
  sourceExited: ignore,
  workloadEnded: ignore,
  cancel: ignore,
  tick: ignore,
}

const ended: Row<'ended'> = {
  targetPrepared: ignore,
  targetFailed: ignore,
  targetExited: ignore,
  targetHostLost: ignore,
  targetHostBack: ignore,
  sourceHostBack: remindSource,
  outgoingOpened: ignore,
  progress: ignore,
  claim: (state) => ({ state, effects: [claimResult(state, false, state.plan.epoch)] }),
  claimDecided: notAsked,
  stepAccepted: ignore,
  // A source that is frozen after all must not stay so for want of an answer.
  recover: askRecover,
  recoverDecided: recoveredLate,
  sourceEnded: (state, event) => (event.status === 'completed' ? completedUnclaimed(state) : ignore(state)),
  sourceExited: ignore,
  workloadEnded: ignore,
  cancel: ignore,
  tick: ignore,
}

const TABLE: Table = { preparing, opening, moving, claimed, accepted, cancelling, completed, ended }
