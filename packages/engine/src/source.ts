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

import { commonVersion, difference, type ErrorReport, LIMITS, OUR_VERSIONS } from '@godwit/protocol'
import { decide, disappoint, expectedPark, isStalled, noForecast } from './forecast.ts'
import { awaitsProgram, heardProgram } from './notice.ts'
import { addRound } from './rounds.ts'
import { ended, frozen, handedOver, recovering } from './source-after-final.ts'
import {
  cancel,
  clockKnown,
  ENDED,
  type Event,
  fail,
  type Named,
  outOfOrder,
  type Row,
  type SourceNext,
  stay,
  to,
  unasked,
  workloadEnded,
} from './source-rules.ts'
import type { SourceConfig, SourceEvent, SourceRun, SourceState } from './source-types.ts'
import {
  allowed,
  answerStall,
  force,
  goOn,
  heldUntil,
  isToStop,
  learnt,
  maxDowntimeMs,
  mayStillPark,
  parkHeld,
  pause,
  pausedTooLong,
  ready,
  sendNextRound,
  stopToCopy,
} from './source-ways.ts'
import { streamsFor } from './streams.ts'

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
  clock: clockKnown,
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

const progressed = <S extends SourceState & { run: SourceRun }>(
  state: S,
  _event: SourceEvent,
  nowMs: number,
): SourceNext => stay({ ...state, run: { ...state.run, progressMs: nowMs } } as SourceState)

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
