/** What all rows of the source's table (source.ts) share: their shape, how a migration ends from anywhere, and what comes at the wrong time. */
import type { ErrorReport } from '@godwit/protocol'
import type { SourceEffect, SourceEvent, SourceState } from './source-types.ts'

export interface SourceNext {
  readonly state: SourceState
  readonly effects: readonly SourceEffect[]
}

export type Named<Name extends SourceState['name']> = Extract<SourceState, { name: Name }>
export type Event<Type extends SourceEvent['type']> = Extract<SourceEvent, { type: Type }>
export type Rule<Name extends SourceState['name'], Type extends SourceEvent['type']> = (
  state: Named<Name>,
  event: Event<Type>,
  nowMs: number,
) => SourceNext
export type Row<Name extends SourceState['name']> = { [Type in SourceEvent['type']]: Rule<Name, Type> }

export function to(state: SourceState, ...effects: SourceEffect[]): SourceNext {
  return { state, effects }
}

export const stay = (state: SourceState): SourceNext => to(state)

export const ENDED: SourceState = { name: 'ended' }

/** The status people see, which is also the phase that errors name. */
export function statusOf(state: SourceState): 'setup' | 'active' | 'preSwitchover' | 'switchover' {
  if (state.name === 'listening' || state.name === 'connecting') return 'setup'
  if (state.name === 'holding') return 'preSwitchover'
  return state.name === 'active' || state.name === 'paused' ? 'active' : 'switchover'
}

/** Rounds are sent while training runs. */
export function isPrecopying(state: SourceState): state is Named<'active' | 'holding' | 'parking'> {
  return state.name === 'active' || state.name === 'holding' || state.name === 'parking'
}

/** Whether `round` is still wanted. Of a migration that was paused meanwhile, and goes on, the next one is asked for already. */
export function isLatestRound(state: SourceState, round: number): boolean {
  return isPrecopying(state) && state.run.nextRound === round + 1
}

/** Whether the final round of this attempt is still wanted. */
export function isDraining(state: SourceState, attempt: number): boolean {
  return state.name === 'draining' && state.run.parks === attempt
}

export function inPhase(state: SourceState, error: ErrorReport): ErrorReport {
  return { ...error, phase: statusOf(state) }
}

export function fail(state: SourceState, error: ErrorReport): SourceNext {
  return to(ENDED, { type: 'resume' }, { type: 'finish', status: 'failed', error: inPhase(state, error) })
}

export function cancel(state: SourceState, error: ErrorReport): SourceNext {
  return to(ENDED, { type: 'resume' }, { type: 'finish', status: 'cancelled', error: inPhase(state, error) })
}

export const workloadEnded: ErrorReport = {
  kind: 'workload-ended',
  message: 'the workload took its last step before it could move',
}

/** A target that speaks at the wrong time before `final` is refused like one that sends rubbish. */
export function outOfOrder(state: SourceState, event: SourceEvent): SourceNext {
  return fail(state, {
    kind: 'out-of-order',
    message: `the target's ${event.type} is not expected while ${state.name}`,
  })
}

/** Events of our own edge in a state in which it was not asked for them. */
export function unasked(state: SourceState, event: SourceEvent): SourceNext {
  throw new Error(`bug: ${event.type} while ${state.name}`)
}

/** How long the way is, and how far apart the clocks are, as far as is known by now. */
export function clockKnown(
  state: Exclude<SourceState, { name: 'ended' }>,
  { roundTripMs, clock }: Event<'clock'>,
): SourceNext {
  return stay({ ...state, run: { ...state.run, roundTripMs, clock } })
}
