/**
 * The source's end of a migration, as a pure function: what happened and when in, what to do out.
 *
 * Intuition: until `final` is sent the source owns the job and may change its mind at any time, so every trouble
 * ends in "resume and tell". Sending `final` is the commit point. After it the source can't know whether the
 * target goes on, so it stays frozen, everything still in memory, and only the coordinator's word moves it.
 *
 * Invariants:
 * - I3: no state before `handedOver` gives up the memory; `resume` needs nothing to be reloaded.
 * - I4: after `sendFinal`, `resume` carries the epoch that the coordinator granted.
 * - I6: every way to `ended` other than `exit` has resumed the thread before;
 * - a program that wants to know is told before each attempt to switch over, once, and can delay it but for so long.
 *
 * The table is total: a state without a rule for an event does not compile.
 */

import {
  commonVersion,
  difference,
  type ErrorReport,
  LIMITS,
  OUR_VERSIONS,
  type ParkPoint,
} from '@godwit/protocol'
import { answerToStall } from './convergence.ts'
import {
  type Allowed,
  afterPause,
  comparison,
  type Decision,
  decide,
  disappoint,
  expectedPark,
  isStalled,
  learn,
  noForecast,
} from './forecast.ts'
import { awaitsProgram, heardProgram, problemOf, tellProgram } from './notice.ts'
import { completedReport } from './report.ts'
import { addRound } from './rounds.ts'
import type { SourceConfig, SourceEffect, SourceEvent, SourceRun, SourceState } from './source-types.ts'
import { streamsFor } from './streams.ts'

export interface SourceNext {
  readonly state: SourceState
  readonly effects: readonly SourceEffect[]
}

type Named<Name extends SourceState['name']> = Extract<SourceState, { name: Name }>
type Event<Type extends SourceEvent['type']> = Extract<SourceEvent, { type: Type }>
type Rule<Name extends SourceState['name'], Type extends SourceEvent['type']> = (
  state: Named<Name>,
  event: Event<Type>,
  nowMs: number,
) => SourceNext
type Row<Name extends SourceState['name']> = { [Type in SourceEvent['type']]: Rule<Name, Type> }

export function startSource(config: SourceConfig, nowMs: number): SourceState {
  const run: SourceRun = {
    config,
    startedMs: nowMs - config.elapsedMs,
    activeMs: undefined,
    forecast: noForecast(config.pageCount),
    rounds: [],
    streams: 0,
    nextRound: 0,
    parks: 0,
    parkPoint: 'boundary',
    parkReason: 'none',
    predicted: { downtimeMs: 0, totalMs: 0 },
    roundTripMs: 0,
    clock: undefined,
    progressMs: nowMs,
    limitMs: config.options.downtimeLimitMs,
    isForced: false,
    throttlePercent: 0,
    heldMs: 0,
    isPaused: false,
    stallsAnswered: 0,
    notice: undefined,
  }
  return { name: 'listening', run }
}

export function stepSource(state: SourceState, event: SourceEvent, nowMs: number): SourceNext {
  const rule = TABLE[state.name][event.type] as (
    state: SourceState,
    event: SourceEvent,
    nowMs: number,
  ) => SourceNext
  return rule(state, event, nowMs)
}

function to(state: SourceState, ...effects: SourceEffect[]): SourceNext {
  return { state, effects }
}

const stay = (state: SourceState): SourceNext => to(state)

const ENDED: SourceState = { name: 'ended' }

/** The status people see, which is also the phase that errors name. */
export function statusOf(state: SourceState): 'setup' | 'active' | 'preSwitchover' | 'switchover' {
  if (state.name === 'listening' || state.name === 'connecting') return 'setup'
  if (state.name === 'holding') return 'preSwitchover'
  return state.name === 'active' || state.name === 'paused' ? 'active' : 'switchover'
}

function inPhase(state: SourceState, error: ErrorReport): ErrorReport {
  return { ...error, phase: statusOf(state) }
}

function fail(state: SourceState, error: ErrorReport): SourceNext {
  return to(ENDED, { type: 'resume' }, { type: 'finish', status: 'failed', error: inPhase(state, error) })
}

function cancel(state: SourceState, error: ErrorReport): SourceNext {
  return to(ENDED, { type: 'resume' }, { type: 'finish', status: 'cancelled', error: inPhase(state, error) })
}

const workloadEnded: ErrorReport = {
  kind: 'workload-ended',
  message: 'the workload took its last step before it could move',
}

/** A target that speaks at the wrong time before `final` is refused like one that sends rubbish. */
function outOfOrder(state: SourceState, event: SourceEvent): SourceNext {
  return fail(state, {
    kind: 'out-of-order',
    message: `the target's ${event.type} is not expected while ${state.name}`,
  })
}

/** Events of our own edge in a state in which it was not asked for them. */
function unasked(state: SourceState, event: SourceEvent): SourceNext {
  throw new Error(`bug: ${event.type} while ${state.name}`)
}

/** What every state before the commit point has in common. */
const beforeFinal = {
  hello: outOfOrder,
  streamsOpen: unasked,
  roundSent: unasked,
  // The round in which the thread parked, or a final one that was given up.
  roundStopped: (
    state: Exclude<SourceState, { name: 'ended' }>,
    { round }: Event<'roundStopped'>,
  ): SourceNext => stay({ ...state, run: { ...state.run, rounds: addRound(state.run.rounds, round) } }),
  parked: unasked,
  finalRoundSent: unasked,
  memoryHashed: unasked,
  installed: outOfOrder,
  clock: (state: Exclude<SourceState, { name: 'ended' }>, { roundTripMs, clock }: Event<'clock'>) =>
    stay({ ...state, run: { ...state.run, roundTripMs, clock } }),
  targetReady: outOfOrder,
  targetRunning: outOfOrder,
  lost: (state: SourceState, event: Event<'lost'>) => fail(state, event.error),
  trainingEnded: (state: SourceState) => cancel(state, workloadEnded),
  cancel: (state: SourceState, event: Event<'cancel'>) => cancel(state, event.error),
  // Later than it was waited for.
  noticed: stay,
  // Said again, to one that has parked meanwhile, or would not any more.
  switchover: stay,
  // While nothing is sent yet, or too late: should the switchover be given up, it is paused then.
  pause: (state: Exclude<SourceState, { name: 'ended' }>, { isPaused }: Event<'pause'>) =>
    stay({ ...state, run: { ...state.run, isPaused } }),
  // The coordinator's last word on a migration before this one.
  recoverResult: stay,
  release: stay,
}

const setupTick = (
  state: SourceState & { run: SourceRun },
  _event: Event<'tick'>,
  nowMs: number,
): SourceNext => {
  const waitedMs = nowMs - state.run.progressMs
  if (waitedMs <= LIMITS.targetTimeoutMs) return stay(state)
  return fail(state, {
    kind: 'setup-timeout',
    message: `the target did not connect within ${LIMITS.targetTimeoutMs} ms: can its host reach this one, and has it a core to spare? Try again`,
  })
}

/** Progress and the migration's own timeout. Neither stops the training: the first ends the migration, the second may force it. */
const movingTick = (
  state: SourceState & { run: SourceRun },
  { bytesInFlight }: Event<'tick'>,
  nowMs: number,
): SourceNext => {
  const { run } = state
  const { options } = run.config
  if (!run.isForced && nowMs - run.startedMs - run.heldMs > options.timeoutMs) {
    if (options.onTimeout === 'force') return force(state, nowMs)
    const message = `no switchover within ${options.timeoutMs} ms: ${run.forecast.pendingPages} pages were dirty after ${run.nextRound} rounds; raise the downtime limit or the timeout, or force it`
    return fail(state, { kind: 'not-converging', message })
  }
  // Nothing is under way: a slow step is waited for, and a slow step is no stalled target.
  if (bytesInFlight === 0) return stay({ ...state, run: { ...run, progressMs: nowMs } } as SourceState)
  if (nowMs - run.progressMs > LIMITS.progressTimeoutMs) {
    return fail(state, {
      kind: 'peer-stalled',
      message: `the target installed nothing for ${LIMITS.progressTimeoutMs} ms`,
    })
  }
  return stay(state)
}

/** Moves now, however long it takes: the person preferred that to staying. */
function force(state: SourceState & { run: SourceRun }, nowMs: number): SourceNext {
  const run: SourceRun = { ...state.run, isForced: true }
  const { asksForTurn, tellsProgram } = run.config
  // One that asks, or tells its program, does so at the end of its round.
  if (state.name !== 'active' || asksForTurn === true || tellsProgram === true)
    return stay({ ...state, run } as SourceState)
  return parkWhatever(run, whyForced(run), nowMs)
}

/** Where it is expected to be shortest, however long that is. */
function parkWhatever(run: SourceRun, why: string, nowMs: number): SourceNext {
  const { parkPoint } = run.config.options
  const expected = expectedPark(run.forecast, parkPoint, run.roundTripMs)
  const point = expected?.point ?? 'boundary'
  const reason = `${why}; ${comparison(run.forecast, point, parkPoint)}`
  return park(run, { point, reason, expectedMs: expected?.downtimeMs ?? 0 }, nowMs)
}

const whyForced = ({ config }: SourceRun): string => `forced after ${config.options.timeoutMs} ms`

/** It could park now; rounds go on meanwhile. First the program is told, then it asks for its turn. */
function ready(run: SourceRun, decision: Decision, nowMs: number): SourceNext {
  if (awaitsProgram(run, nowMs)) {
    const { told, effects } = tellProgram(run, nowMs)
    return sendNextRound({ name: 'active', run: told }, ...effects)
  }
  const why = decision.park ? decision.why : whyForced(run)
  const next =
    run.config.asksForTurn === true
      ? hold(run, why, nowMs)
      : decision.park
        ? park(run, decision, nowMs)
        : parkWhatever(run, why, nowMs)
  return sendNextRound(next.state as Named<'holding' | 'parking'>, ...next.effects)
}

/** Without a round before: the program is told all the same. */
function stopToCopy(run: SourceRun, nowMs: number): SourceNext {
  if (awaitsProgram(run, nowMs)) {
    const { told, effects } = tellProgram(run, nowMs)
    return to({ name: 'active', run: told }, ...effects)
  }
  const reason = 'stop and copy, as asked'
  if (run.config.asksForTurn === true) return hold(run, reason, nowMs)
  return park(run, { point: pointOfStop(run), reason, expectedMs: 0 }, nowMs)
}

/** Stops to copy, and has not yet. */
function isToStop({ config, nextRound }: SourceRun): boolean {
  return config.options.method === 'stopcopy' && nextRound === 0
}

/** Ready. */
function hold(run: SourceRun, reason: string, nowMs: number): SourceNext {
  const awakeUntilMs = nowMs + LIMITS.heldAwakeMs
  return to(
    { name: 'holding', run, reason, sinceMs: nowMs, awakeUntilMs, isResting: false },
    { type: 'askTurn' },
  )
}

/** With the time that it has waited put on record. */
function heldUntil<State extends Named<'holding' | 'paused'>>(state: State, nowMs: number): State {
  const heldMs = state.run.heldMs + nowMs - state.sinceMs
  return { ...state, run: { ...state.run, heldMs }, sinceMs: nowMs }
}

/** Stops what is being sent; what did not leave is pending. Training is not slowed down for nothing. */
function pause(run: SourceRun, nowMs: number): SourceNext {
  const unthrottled: SourceEffect[] = run.throttlePercent > 0 ? [{ type: 'throttle', percent: 0 }] : []
  const paused: SourceRun = { ...run, isPaused: true }
  return to(
    { name: 'paused', run: paused, pausedMs: nowMs, sinceMs: nowMs },
    { type: 'stopRound' },
    ...unthrottled,
  )
}

/** Rounds go on with what has been dirtied since. */
function goOn(state: Named<'paused'>, nowMs: number): SourceNext {
  const { run: before } = heldUntil(state, nowMs)
  const forecast = afterPause(before.forecast)
  const run: SourceRun = { ...before, isPaused: false, progressMs: nowMs, forecast, stallsAnswered: 0 }
  if (isToStop(run)) return stopToCopy(run, nowMs)
  const percent = run.throttlePercent
  const throttled: SourceEffect[] = percent > 0 ? [{ type: 'throttle', percent }] : []
  return sendNextRound({ name: 'active', run }, ...throttled)
}

function pausedTooLong(state: Named<'paused'>): SourceNext {
  const message = `it was paused for ${LIMITS.maxPausedMs / 60_000} minutes, which is the limit: ask for the move again when it may go on`
  return cancel(state, { kind: 'cancelled', message })
}

/** It has changed since: what is left now may take longer than it may. */
function mayStillPark({ run }: Named<'holding'>): boolean {
  const { limitMs, parkPoint } = allowed(run)
  const expected = expectedPark(run.forecast, parkPoint, run.roundTripMs)
  // Without a measure: one that stops to copy, or is forced.
  return run.isForced || expected === undefined || expected.downtimeMs <= limitMs
}

/** Where it parks once it is let go. */
function parkHeld(state: Named<'holding'>, nowMs: number): SourceNext {
  const { run, reason } = state
  const { method } = run.config.options
  if (method === 'stopcopy') return park(run, { point: pointOfStop(run), reason, expectedMs: 0 }, nowMs)
  return parkWhatever(run, reason, nowMs)
}

function pointOfStop({ config: { options, splits } }: SourceRun): ParkPoint {
  return splits && options.parkPoint === 'preApply' ? 'preApply' : 'boundary'
}

/** Rounds go on until the thread is where it was asked to be. */
function park(
  run: SourceRun,
  { point, reason, expectedMs }: { point: ParkPoint; reason: string; expectedMs: number },
  nowMs: number,
): SourceNext {
  const attempt = run.parks + 1
  const predicted = { downtimeMs: expectedMs, totalMs: nowMs - run.startedMs + expectedMs }
  const parking: SourceRun = {
    ...run,
    parks: attempt,
    parkPoint: point,
    parkReason: reason + problemOf(run),
    predicted,
  }
  return to({ name: 'parking', run: parking }, { type: 'park', attempt, point })
}

function allowed({ config, limitMs }: SourceRun): Allowed {
  return { parkPoint: config.options.parkPoint, limitMs }
}

function sendNextRound(
  state: Pick<Named<'active' | 'parking'>, 'name' | 'run'> | Named<'holding'>,
  ...before: SourceEffect[]
): SourceNext {
  const { run } = state
  const round = run.nextRound
  const isResting = state.name === 'holding' && state.isResting
  return to({ ...state, run: { ...run, nextRound: round + 1 } }, ...before, {
    type: 'sendRound',
    round,
    ...(isResting && { pauseMs: LIMITS.heldRoundMs }),
  })
}

const progressed = <S extends SourceState & { run: SourceRun }>(
  state: S,
  _event: SourceEvent,
  nowMs: number,
): SourceNext => stay({ ...state, run: { ...state.run, progressMs: nowMs } } as SourceState)

function maxDowntimeMs(run: SourceRun): number {
  const { maxDowntimeMs, method } = run.config.options
  // Who stops to copy has chosen to wait, and has no rounds to go back to.
  if (run.isForced || (method === 'stopcopy' && maxDowntimeMs === undefined)) return Number.POSITIVE_INFINITY
  return maxDowntimeMs ?? run.limitMs * LIMITS.maxDowntimeFactor
}

/** What a finished round leaves known. */
function learnt(run: SourceRun, event: Event<'roundSent'>, nowMs: number): SourceRun {
  const { round, pendingPages, bytesPerMs, shape } = event
  const forecast = learn(run.forecast, { pendingPages, steps: round.steps, bytesPerMs, shape })
  return { ...run, forecast, rounds: addRound(run.rounds, round), progressMs: nowMs }
}

/** Rounds no longer shrink to what the limit allows: does what the person chose. */
function answerStall(run: SourceRun): SourceNext {
  const answer = answerToStall(run)
  const answered: SourceRun = { ...run, stallsAnswered: run.forecast.stalledRounds }
  const goOn = (next: SourceRun, ...effects: SourceEffect[]): SourceNext =>
    sendNextRound({ name: 'active', run: next }, ...effects)
  switch (answer.type) {
    case 'wait':
      return goOn(run)
    case 'raiseLimit':
      return goOn({ ...answered, limitMs: answer.limitMs })
    case 'throttle':
      return goOn({ ...answered, throttlePercent: answer.percent }, answer)
    case 'giveUp':
      return fail({ name: 'active', run }, { kind: 'not-converging', message: answer.message })
  }
}

const listening: Row<'listening'> = {
  ...beforeFinal,
  hello: (state, { versions, identity, roundTripMs }, nowMs) => {
    const version = commonVersion(OUR_VERSIONS, versions)
    const refusal: ErrorReport | undefined =
      version === undefined
        ? {
            kind: 'protocol-version',
            message: `the target speaks versions ${versions.min} to ${versions.max}, the source ${OUR_VERSIONS.min} to ${OUR_VERSIONS.max}`,
          }
        : difference(state.run.config.identity, identity)
    if (refusal !== undefined || version === undefined) {
      const { effects } = fail(state, refusal as ErrorReport)
      return to(ENDED, { type: 'refuse', error: refusal as ErrorReport }, ...effects)
    }
    const streams = state.run.config.options.streams ?? streamsFor(roundTripMs)
    const run = { ...state.run, streams, progressMs: nowMs }
    return to({ name: 'connecting', run }, { type: 'welcome', version, streams })
  },
  tick: setupTick,
}

const connecting: Row<'connecting'> = {
  ...beforeFinal,
  streamsOpen: (state, _event, nowMs) => {
    const run = { ...state.run, activeMs: nowMs, progressMs: nowMs }
    if (run.isPaused) return pause(run, nowMs)
    if (run.config.options.method === 'precopy') return sendNextRound({ name: 'active', run })
    return stopToCopy(run, nowMs)
  },
  tick: setupTick,
}

const active: Row<'active'> = {
  ...beforeFinal,
  installed: progressed,
  roundSent: (state, event, nowMs) => {
    const run = learnt(state.run, event, nowMs)
    const decision = decide(run.forecast, allowed(run), run.roundTripMs)
    if (decision.park || run.isForced) return ready(run, decision, nowMs)
    if (isStalled(run.forecast, allowed(run), run.roundTripMs)) return answerStall(run)
    return sendNextRound({ name: 'active', run })
  },
  pause: (state, { isPaused }, nowMs) => (isPaused ? pause(state.run, nowMs) : stay(state)),
  noticed: (state, { problem }, nowMs) => {
    const run = heardProgram(state.run, problem)
    if (run === undefined) return stay(state)
    return isToStop(run) ? stopToCopy(run, nowMs) : stay({ ...state, run })
  },
  tick: (state, event, nowMs) =>
    isToStop(state.run) && !awaitsProgram(state.run, nowMs)
      ? stopToCopy(state.run, nowMs)
      : movingTick(state, event, nowMs),
}

const holding: Row<'holding'> = {
  ...beforeFinal,
  installed: progressed,
  roundSent: (state, event, nowMs) => {
    const held = heldUntil(state, nowMs)
    const isResting = nowMs >= held.awakeUntilMs
    const waiting = { ...held, isResting, run: learnt(held.run, event, nowMs) }
    return sendNextRound(mayStillPark(waiting) ? waiting : { name: 'active', run: waiting.run })
  },
  // The round that is under way goes on until the thread is there.
  switchover: (state, _event, nowMs) => {
    const held = heldUntil(state, nowMs)
    // Said again until it parks: after the next round.
    if (held.isResting) return to({ ...held, awakeUntilMs: nowMs + LIMITS.heldAwakeMs }, { type: 'hurry' })
    return mayStillPark(held) ? parkHeld(held, nowMs) : stay(held)
  },
  pause: (state, { isPaused }, nowMs) => (isPaused ? pause(heldUntil(state, nowMs).run, nowMs) : stay(state)),
  tick: (state, event, nowMs) => movingTick(heldUntil(state, nowMs), event, nowMs),
}

const paused: Row<'paused'> = {
  ...beforeFinal,
  installed: progressed,
  pause: (state, { isPaused }, nowMs) => (isPaused ? stay(state) : goOn(state, nowMs)),
  noticed: (state, { problem }) => stay({ ...state, run: heardProgram(state.run, problem) ?? state.run }),
  // The target says what it has installed at the end of a round, which does not come now: only its silence tells.
  tick: (state, _event, nowMs) =>
    nowMs - state.pausedMs > LIMITS.maxPausedMs ? pausedTooLong(state) : stay(heldUntil(state, nowMs)),
}

const parking: Row<'parking'> = {
  ...beforeFinal,
  installed: progressed,
  roundSent: (state, event, nowMs) =>
    sendNextRound({ name: 'parking', run: learnt(state.run, event, nowMs) }),
  parked: ({ run }, { step, parkedMs, deltaBytes }, nowMs) =>
    to(
      { name: 'draining', run: { ...run, progressMs: nowMs }, step, deltaBytes, parkedMs, awakeMs: nowMs },
      { type: 'stopRound' },
      { type: 'sendFinalRound', round: run.nextRound, attempt: run.parks },
    ),
  tick: movingTick,
}

const draining: Row<'draining'> = {
  ...beforeFinal,
  installed: progressed,
  finalRoundSent: (state, { round, scannedMs, maxInFlightBytes, stepSlowdown }, nowMs) => {
    const { parkedMs, awakeMs, step, deltaBytes } = state
    const run = {
      ...state.run,
      rounds: addRound(state.run.rounds, round),
      nextRound: state.run.nextRound + 1,
    }
    if (nowMs - parkedMs > maxDowntimeMs(run)) return giveUpSwitchover({ ...state, run }, nowMs)
    const instants = { parkedMs, awakeMs, scannedMs }
    const verifying = {
      name: 'verifying' as const,
      run,
      step,
      deltaBytes,
      maxInFlightBytes,
      stepSlowdown,
      instants,
    }
    return run.config.options.verify ? to(verifying, { type: 'hashMemory' }) : freeze(verifying, nowMs)
  },
  tick: (state, event, nowMs) =>
    nowMs - state.parkedMs > maxDowntimeMs(state.run)
      ? giveUpSwitchover(state, nowMs)
      : movingTick(state, event, nowMs),
  // The thread is parked: it can't have ended.
  trainingEnded: unasked,
}

/** The commit point. */
function freeze(
  { run, instants, ...state }: Named<'verifying'>,
  nowMs: number,
  hashed?: Event<'memoryHashed'>,
): SourceNext {
  return to(
    {
      ...state,
      name: 'frozen',
      run,
      instants: { ...instants, sentMs: nowMs },
      installedMs: undefined,
      verifyMs: hashed?.verifyMs,
    },
    {
      type: 'sendFinal',
      attempt: run.parks,
      step: state.step,
      ...(hashed && { memoryDigest: hashed.digest }),
    },
  )
}

/** Who has memory compared accepts what that takes: no limit on the downtime ends it, only what ends any migration before `final`. */
const verifying: Row<'verifying'> = {
  ...beforeFinal,
  memoryHashed: (state, event, nowMs) => freeze(state, nowMs, event),
  installed: progressed,
  tick: movingTick,
  // The thread is parked: it can't have ended.
  trainingEnded: unasked,
}

/** The pages take longer than the downtime that is allowed: train on, and believe less from now on. */
function giveUpSwitchover(state: Named<'draining'>, nowMs: number): SourceNext {
  const { run } = state
  // The number of the round that is given up may be on the wire already.
  const forecast = disappoint(run.forecast)
  // The next attempt is another, of which the program is told anew.
  const next = { ...run, forecast, progressMs: nowMs, nextRound: run.nextRound + 1, notice: undefined }
  if (run.isPaused) {
    const { state: waiting, effects } = pause(next, nowMs)
    return to(waiting, ...effects, { type: 'resume' })
  }
  return sendNextRound({ name: 'active', run: next }, { type: 'stopRound' }, { type: 'resume' })
}

function askRecover(
  state: Named<'frozen' | 'recovering'>,
  status: 'cancelled' | 'failed',
  { reason, nowMs }: { reason: ErrorReport; nowMs: number },
): SourceNext {
  const error = inPhase(state, reason)
  return to(
    { name: 'recovering', run: state.run, status, error, askedMs: nowMs },
    { type: 'askRecover', error },
  )
}

/** What every state after the commit point has in common: nothing but the coordinator's word moves it. */
const afterFinal = {
  hello: stay,
  streamsOpen: unasked,
  roundSent: unasked,
  roundStopped: stay,
  parked: unasked,
  finalRoundSent: unasked,
  memoryHashed: unasked,
  installed: stay,
  clock: stay,
  targetReady: stay,
  targetRunning: stay,
  lost: stay,
  trainingEnded: unasked,
  cancel: stay,
  noticed: stay,
  switchover: stay,
  pause: stay,
  release: (): SourceNext => to(ENDED, { type: 'exit' }),
  tick: stay,
}

function recovered(
  state: SourceState,
  { granted, epoch }: Event<'recoverResult'>,
  status: 'cancelled' | 'failed',
  error: ErrorReport,
): SourceNext {
  if (!granted) return stay(state)
  return to(ENDED, { type: 'resume', epoch }, { type: 'finish', status, error: inPhase(state, error) })
}

/** The coordinator may learn before the source that the target is gone, and give the job back unasked. */
const targetGone: ErrorReport = {
  kind: 'connection-lost',
  message: 'the target was lost before its first step was accepted',
}

const VERIFY_FACTOR = 4

const frozen: Row<'frozen'> = {
  ...afterFinal,
  clock: beforeFinal.clock,
  targetReady: (state, { installedMs }) => stay({ ...state, installedMs }),
  targetRunning: (state, event, nowMs) => {
    const { installedMs } = state
    if (installedMs === undefined) {
      const reason: ErrorReport = { kind: 'out-of-order', message: 'the target runs and never was ready' }
      return askRecover(state, 'failed', { reason, nowMs })
    }
    const report = completedReport(state, { ...event, target: { ...event.target, installedMs } }, nowMs)
    return to(
      { name: 'handedOver', run: state.run, report, saidMs: nowMs },
      { type: 'finish', status: 'completed', report },
    )
  },
  lost: (state, { error }, nowMs) => askRecover(state, 'failed', { reason: error, nowMs }),
  cancel: (state, { error }, nowMs) => askRecover(state, 'cancelled', { reason: error, nowMs }),
  recoverResult: (state, event) => recovered(state, event, 'failed', targetGone),
  tick: (state, _event, nowMs) => {
    // It hashes as much memory, and may be so much slower.
    const allowedMs = LIMITS.handoverTimeoutMs + VERIFY_FACTOR * (state.verifyMs ?? 0)
    if (nowMs - state.instants.sentMs <= allowedMs) return stay(state)
    const message = `the target did not take over within ${Math.round(allowedMs)} ms`
    return askRecover(state, 'failed', { reason: { kind: 'peer-stalled', message }, nowMs })
  },
}

/** What is not answered may have been lost with a connection: it is said again until it is. */
const handedOver: Row<'handedOver'> = {
  ...afterFinal,
  tick: (state, _event, nowMs) =>
    nowMs - state.saidMs < LIMITS.repeatMs
      ? stay(state)
      : to({ ...state, saidMs: nowMs }, { type: 'tellAgain', report: state.report }),
  recoverResult: (state, event) => recovered(state, event, 'failed', targetGone),
}

const recovering: Row<'recovering'> = {
  ...afterFinal,
  cancel: (state, _event, nowMs) => askRecover(state, state.status, { reason: state.error, nowMs }),
  tick: (state, _event, nowMs) =>
    nowMs - state.askedMs < LIMITS.repeatMs
      ? stay(state)
      : askRecover(state, state.status, { reason: state.error, nowMs }),
  recoverResult: (state, event) => recovered(state, event, state.status, state.error),
}

/** Late events of connections that are being closed. */
const ended: Row<'ended'> = {
  hello: stay,
  streamsOpen: stay,
  roundSent: stay,
  roundStopped: stay,
  parked: stay,
  finalRoundSent: stay,
  // Hashed while the migration ended.
  memoryHashed: stay,
  installed: stay,
  clock: stay,
  targetReady: stay,
  targetRunning: stay,
  lost: stay,
  trainingEnded: stay,
  cancel: stay,
  noticed: stay,
  switchover: stay,
  pause: stay,
  recoverResult: stay,
  release: stay,
  tick: stay,
}

const TABLE: { [Name in SourceState['name']]: Row<Name> } = {
  listening,
  connecting,
  active,
  holding,
  paused,
  parking,
  draining,
  verifying,
  frozen,
  handedOver,
  recovering,
  ended,
}

/** It sends nothing, or will not once it would. */
export function isPausing(state: SourceState): boolean {
  if (state.name === 'paused') return true
  return (state.name === 'listening' || state.name === 'connecting') && state.run.isPaused
}

/** What people see of the forecast while a migration is active. */
export function expectedDowntimeOf(state: SourceState): number | undefined {
  if (state.name === 'ended') return undefined
  const { forecast, config, roundTripMs } = state.run
  return expectedPark(forecast, config.options.parkPoint, roundTripMs)?.downtimeMs
}
