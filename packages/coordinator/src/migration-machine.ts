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
import type { MigrationStatus } from '@godwit/protocol'
import type {
  EventOf,
  EventType,
  MigrationEvent,
  MigrationPlan,
  MigrationState,
  MigrationStep,
  StateName,
  StateOf,
} from './migration-state.ts'
import {
  askRecover,
  backToSource,
  claimResult,
  complete,
  completedUnclaimed,
  dial,
  during,
  end,
  failure,
  ignore,
  isDue,
  known,
  notAsked,
  openOutgoing,
  overdue,
  pauseSource,
  recovered,
  recoveredLate,
  recoverResult,
  remindSource,
  sourceGaveUp,
  sourceLost,
  targetEnded,
  targetHostLost,
  targetOverdue,
  unclaimed,
  winDown,
  withHold,
  withPause,
  withReport,
  workloadEnded,
} from './migration-steps.ts'

type Cell<Name extends StateName, Type extends EventType> = (
  state: StateOf<Name>,
  event: EventOf<Type>,
  nowMs: number,
) => MigrationStep

/** A row for each state, a cell for each event: one that is missing doesn't compile. */
type Row<Name extends StateName> = { readonly [Type in EventType]: Cell<Name, Type> }
type Table = { readonly [Name in StateName]: Row<Name> }

/** Writes the migration down and starts the target's worker, unless it has to wait. */
export function beginMigration(plan: MigrationPlan, isQueued = false): MigrationStep {
  const held = plan.options.hold ? { isHeld: true } : {}
  if (isQueued) return { state: { name: 'queued', plan, ...held }, effects: [] }
  return { state: { name: 'preparing', plan, ...held }, effects: [{ type: 'launchTarget' }] }
}

/** Throws only when `claimDecided` or `recoverDecided` answers what was not asked. */
export function stepMigration(state: MigrationState, event: MigrationEvent, nowMs: number): MigrationStep {
  const cell = TABLE[state.name][event.type] as Cell<StateName, EventType>
  return cell(state, event, nowMs)
}

function isOfSource(status: MigrationStatus): status is StateOf<'moving'>['status'] {
  return ['setup', 'active', 'preSwitchover', 'switchover'].includes(status)
}

/** It has no workers of its own: what those of its job say and do is about the job alone. */
const queued: Row<'queued'> = {
  admitted: (state, { plan }) => ({
    state: { ...state, name: 'preparing', plan },
    effects: [{ type: 'launchTarget' }],
  }),
  refused: (state, { error }) => end(state, failure(state, error)),
  targetPrepared: ignore,
  targetFailed: ignore,
  targetExited: ignore,
  targetHostLost: ignore,
  targetHostBack: ignore,
  sourceHostBack: ignore,
  outgoingOpened: ignore,
  progress: ignore,
  claim: ignore,
  claimDecided: notAsked,
  stepAccepted: ignore,
  recover: ignore,
  recoverDecided: notAsked,
  sourceEnded: ignore,
  sourceExited: ignore,
  workloadEnded,
  cancel: (state, { error }) => end(state, { status: 'cancelled', error: during(state, error) }),
  hold: (state) => withHold(state, true),
  letGo: (state) => withHold(state, false),
  pause: (state, { by }) => withPause(state, by),
  tick: ignore,
}

const preparing: Row<'preparing'> = {
  admitted: ignore,
  refused: ignore,
  targetPrepared(state, { difference }, nowMs) {
    if (difference !== undefined) return end(state, failure(state, difference))
    return { state: { ...state, name: 'opening' }, effects: [openOutgoing(state, nowMs)] }
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
  hold: (state) => withHold(state, true),
  letGo: (state) => withHold(state, false),
  pause: (state, { by }) => withPause(state, by),
  tick: (state, _event, nowMs) => (isDue(state, nowMs) ? end(state, overdue(state, nowMs)) : ignore(state)),
}

const opening: Row<'opening'> = {
  admitted: ignore,
  refused: ignore,
  targetPrepared: ignore,
  targetFailed: (state, { error }, nowMs) => winDown(state, failure(state, error), nowMs),
  targetExited: (state, { error }, nowMs) => winDown(state, failure(state, error), nowMs),
  targetHostLost: (state, _event, nowMs) => winDown(state, targetHostLost(state), nowMs),
  targetHostBack: ignore,
  // The question or its answer may have been lost with the connection. Whoever hears it twice answers twice.
  sourceHostBack: (state, _event, nowMs) => ({ state, effects: [openOutgoing(state, nowMs)] }),
  outgoingOpened: (state, { port }) => ({
    state: { ...state, name: 'moving', status: 'setup', port },
    effects: [dial(state, port)],
  }),
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
  hold: (state) => withHold(state, true),
  letGo: (state) => withHold(state, false),
  pause: (state, { by }) => withPause(state, by),
  tick: (state, _event, nowMs) =>
    isDue(state, nowMs) ? winDown(state, overdue(state, nowMs), nowMs) : ignore(state),
}

const moving: Row<'moving'> = {
  admitted: ignore,
  refused: ignore,
  targetPrepared: ignore,
  targetFailed: targetEnded,
  targetExited: targetEnded,
  // The pages travel from worker to worker, but the claim takes the way of the agent: a source that switched over
  // without it would stand still until the handover times out. Once it has, the claim may be on its way.
  targetHostLost: (state, _event, nowMs) =>
    state.status === 'switchover' || state.sourceGone !== undefined
      ? ignore(state)
      : winDown(state, targetHostLost(state), nowMs),
  // Said again to one that may not have heard it; one that has dialled hears it no more.
  targetHostBack: (state) => ({ state, effects: [dial(state, state.port)] }),
  // It may have given up, and said so into the connection that was lost: it is heard again soon, or has nothing to say.
  sourceHostBack: (state, _event, nowMs) => ({ state: { ...state, sourceBackMs: nowMs }, effects: [] }),
  outgoingOpened: ignore,
  progress(state, { status: said, progress }, nowMs) {
    const status = isOfSource(said) ? said : state.status
    const isReady = status === 'preSwitchover'
    const isPaused = progress.isPaused === true
    const sinceMs = state.readyMs ?? nowMs
    const heldMs = (state.heldMs ?? 0) + nowMs - sinceMs
    const readyMs = isReady || isPaused ? nowMs : undefined
    const next = { ...state, progress, status, readyMs, heldMs, sourceBackMs: undefined }
    // Said again until it is heard, by one that may not have been told at all.
    if (isPaused !== (state.pausedBy !== undefined) && status !== 'switchover')
      return { state: next, effects: [pauseSource(next)] }
    return { state: next, effects: isReady && state.isHeld !== true ? [{ type: 'askTurn' }] : [] }
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
  hold: (state) => withHold(state, true),
  letGo: (state) => withHold(state, false),
  pause: (state, { by }) => withPause(state, by),
  tick(state, _event, nowMs) {
    if (!isDue(state, nowMs)) return ignore(state)
    if (state.sourceGone !== undefined) return sourceLost(state, state.sourceGone.error)
    return winDown(state, overdue(state, nowMs), nowMs)
  },
}

const claimed: Row<'claimed'> = {
  admitted: ignore,
  refused: ignore,
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
      state: { ...state, targetLostMs: undefined, handedOverMs: undefined },
      effects: [recoverResult(state, false, event.epoch)],
    }
  },
  // One that gave up would have asked first (`recover`); its word alone changes nothing.
  sourceEnded: (state, event, nowMs) => {
    if (event.status !== 'completed') return ignore(state)
    const reported = state.report === undefined ? withReport(state, event) : state
    return ignore({ ...reported, handedOverMs: state.handedOverMs ?? nowMs })
  },
  sourceExited: (state) => ({ state: { ...state, sourceGone: true }, effects: [] }),
  workloadEnded: ignore,
  cancel: ignore,
  hold: ignore,
  letGo: ignore,
  pause: ignore,
  tick: (state, _event, nowMs) =>
    isDue(state, nowMs) ? backToSource(state, targetOverdue(state, nowMs)) : ignore(state),
}

const accepted: Row<'accepted'> = {
  admitted: ignore,
  refused: ignore,
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
  hold: ignore,
  letGo: ignore,
  pause: ignore,
  // The report is worth a wait, but not a frozen process for ever.
  tick: (state, _event, nowMs) => (isDue(state, nowMs) ? complete(state) : ignore(state)),
}

const cancelling: Row<'cancelling'> = {
  admitted: ignore,
  refused: ignore,
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
  hold: ignore,
  letGo: ignore,
  pause: ignore,
  // A source that says nothing for so long is given up; should it ask later, it is answered.
  tick: (state, _event, nowMs) => (isDue(state, nowMs) ? end(state, state.outcome) : ignore(state)),
}

const completed: Row<'completed'> = {
  admitted: ignore,
  refused: ignore,
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
  hold: ignore,
  letGo: ignore,
  pause: ignore,
  tick: ignore,
}

const ended: Row<'ended'> = {
  admitted: ignore,
  refused: ignore,
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
  hold: ignore,
  letGo: ignore,
  pause: ignore,
  tick: ignore,
}

const TABLE: Table = { queued, preparing, opening, moving, claimed, accepted, cancelling, completed, ended }
