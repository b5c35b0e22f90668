/**
 * The ways of a source (source.ts) from its rounds to a park and back: when it is ready, what it waits for, where it parks, and what it does when
 * rounds no longer shrink.
 */
import { LIMITS, type ParkPoint } from '@godwit/protocol'
import { answerToStall } from './convergence.ts'
import { type Allowed, afterPause, comparison, type Decision, expectedPark, learn } from './forecast.ts'
import { awaitsProgram, problemOf, tellProgram } from './notice.ts'
import { addRound } from './rounds.ts'
import { cancel, type Event, fail, type Named, type SourceNext, stay, to } from './source-rules.ts'
import type { SourceEffect, SourceRun, SourceState } from './source-types.ts'

/** Moves now, however long it takes: the person preferred that to staying. */
export function force(state: SourceState & { run: SourceRun }, nowMs: number): SourceNext {
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
export function ready(run: SourceRun, decision: Decision, nowMs: number): SourceNext {
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
export function stopToCopy(run: SourceRun, nowMs: number): SourceNext {
  if (awaitsProgram(run, nowMs)) {
    const { told, effects } = tellProgram(run, nowMs)
    return to({ name: 'active', run: told }, ...effects)
  }
  const reason = 'stop and copy, as asked'
  if (run.config.asksForTurn === true) return hold(run, reason, nowMs)
  return park(run, { point: pointOfStop(run), reason, expectedMs: 0 }, nowMs)
}

/** Stops to copy, and has not yet. */
export function isToStop({ config, nextRound }: SourceRun): boolean {
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
export function heldUntil<State extends Named<'holding' | 'paused'>>(state: State, nowMs: number): State {
  const heldMs = state.run.heldMs + nowMs - state.sinceMs
  return { ...state, run: { ...state.run, heldMs }, sinceMs: nowMs }
}

/** Stops what is being sent; what did not leave is pending. Training is not slowed down for nothing. */
export function pause(run: SourceRun, nowMs: number): SourceNext {
  const unthrottled: SourceEffect[] = run.throttlePercent > 0 ? [{ type: 'throttle', percent: 0 }] : []
  const paused: SourceRun = { ...run, isPaused: true }
  return to(
    { name: 'paused', run: paused, pausedMs: nowMs, sinceMs: nowMs },
    { type: 'stopRound' },
    ...unthrottled,
  )
}

/** Rounds go on with what has been dirtied since. */
export function goOn(state: Named<'paused'>, nowMs: number): SourceNext {
  const { run: before } = heldUntil(state, nowMs)
  const forecast = afterPause(before.forecast)
  const run: SourceRun = { ...before, isPaused: false, progressMs: nowMs, forecast, stallsAnswered: 0 }
  if (isToStop(run)) return stopToCopy(run, nowMs)
  const percent = run.throttlePercent
  const throttled: SourceEffect[] = percent > 0 ? [{ type: 'throttle', percent }] : []
  return sendNextRound({ name: 'active', run }, ...throttled)
}

export function pausedTooLong(state: Named<'paused'>): SourceNext {
  const message = `it was paused for ${LIMITS.maxPausedMs / 60_000} minutes, which is the limit: ask for the move again when it may go on`
  return cancel(state, { kind: 'cancelled', message })
}

/** It has changed since: what is left now may take longer than it may. */
export function mayStillPark({ run }: Named<'holding'>): boolean {
  const { limitMs, parkPoint } = allowed(run)
  const expected = expectedPark(run.forecast, parkPoint, run.roundTripMs)
  // Without a measure: one that stops to copy, or is forced.
  return run.isForced || expected === undefined || expected.downtimeMs <= limitMs
}

/** Where it parks once it is let go. */
export function parkHeld(state: Named<'holding'>, nowMs: number): SourceNext {
  const { run, reason } = state
  const { method } = run.config.options
  if (method === 'stopcopy') return park(run, { point: pointOfStop(run), reason, expectedMs: 0 }, nowMs)
  return parkWhatever(run, reason, nowMs)
}

function pointOfStop({ config: { options, splits } }: SourceRun): ParkPoint {
  return splits && options.parkPoint === 'preApply' ? 'preApply' : 'boundary'
}

/** Rounds go on until the thread is where it was asked to be. */
export function park(
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

export function allowed({ config, limitMs }: SourceRun): Allowed {
  return { parkPoint: config.options.parkPoint, limitMs }
}

export function sendNextRound(
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

export function maxDowntimeMs(run: SourceRun): number {
  const { maxDowntimeMs, method } = run.config.options
  // Who stops to copy has chosen to wait, and has no rounds to go back to.
  if (run.isForced || (method === 'stopcopy' && maxDowntimeMs === undefined)) return Number.POSITIVE_INFINITY
  return maxDowntimeMs ?? run.limitMs * LIMITS.maxDowntimeFactor
}

/** What a finished round leaves known. */
export function learnt(run: SourceRun, event: Event<'roundSent'>, nowMs: number): SourceRun {
  const { round, pendingPages, bytesPerMs, shape } = event
  const forecast = learn(run.forecast, { pendingPages, steps: round.steps, bytesPerMs, shape })
  return { ...run, forecast, rounds: addRound(run.rounds, round), progressMs: nowMs }
}

/** Rounds no longer shrink to what the limit allows: does what the person chose. */
export function answerStall(run: SourceRun): SourceNext {
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
