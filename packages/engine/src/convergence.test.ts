/**
 * Goal: stalled rounds are answered as the person chose, in steps, and never past what is allowed. Method: rounds that
 * stall for ever, each choice.
 */
import { LIMITS, type MigrationOptions, migrationOptions } from '@godwit/protocol'
import { identityLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { startSource, stepSource } from './source.ts'
import type { SourceEffect, SourceEvent, SourceState } from './source-types.ts'

function start(options: Partial<MigrationOptions>, splits = true): SourceState {
  const config = {
    migrationId: 'm',
    workload: 'w',
    from: 'a',
    to: 'b',
    tracker: 'compare',
    pageCount: 10_000,
    splits,
    identity: identityLike(),
    options: migrationOptions.parse({ downtimeLimitMs: 50, ...options }),
    elapsedMs: 0,
  } as const
  const events: SourceEvent[] = [
    { type: 'hello', versions: { min: 1, max: 1 }, identity: identityLike(), roundTripMs: 0.1 },
    { type: 'streamsOpen' },
  ]
  return events.reduce((state, event) => stepSource(state, event, 1).state, startSource(config, 0))
}

/** A round after which the job has dirtied a second's worth of pages again. */
const stalled: SourceEvent = {
  type: 'roundSent',
  round: {
    pages: 5000,
    pageBytes: 5000 * 4096,
    wireBytes: 5000 * 4096,
    durationMs: 1000,
    steps: 3,
    codec: 'raw',
  },
  pendingPages: 5000,
  bytesPerMs: 5 * 4096,
}

function stall(state: SourceState, rounds: number): { state: SourceState; effects: SourceEffect[] } {
  const effects: SourceEffect[] = []
  for (let round = 0; round < rounds; round++) {
    const next = stepSource(state, stalled, 2 + round)
    state = next.state
    effects.push(...next.effects)
  }
  return { state, effects }
}

test('waits for ever when that is what was chosen', () => {
  const { state, effects } = stall(start({ onStall: 'wait' }), 100)
  expect(state.name).toBe('active')
  expect(effects.every(({ type }) => type === 'sendRound')).toBe(true)
})

test('raises the limit until the move is allowed, or as far as it may', () => {
  // A park would take a second: the limit gets there.
  const { state, effects } = stall(start({ onStall: 'raiseLimit', maxDowntimeMs: 5000 }), 40)
  expect(state.name).toBe('parking')
  expect(effects.filter(({ type }) => type === 'park').length).toBe(1)
  const tight = stall(start({ onStall: 'raiseLimit' }), 200).state
  if (!('run' in tight)) throw new Error('it ended')
  expect(tight.run.limitMs).toBe(50 * LIMITS.maxRaisedLimitFactor)
})

test('throttles in steps, 99 percent at most, and takes it back at the end', () => {
  const { state, effects } = stall(start({ onStall: 'throttle' }), 60)
  const percents = effects.flatMap((effect) => (effect.type === 'throttle' ? [effect.percent] : []))
  expect(percents).toEqual([20, 30, 40, 50, 60, 70, 80, 90, 99])
  expect(state.name).toBe('active')
})

test('gives up and stays, with the reason', () => {
  const { state, effects } = stall(start({ onStall: 'giveUp' }), 100)
  expect(state.name).toBe('ended')
  expect(effects.slice(-2)).toMatchObject([
    { type: 'resume' },
    { type: 'finish', status: 'failed', error: { kind: 'not-converging', phase: 'active' } },
  ])
})

test('a timeout that forces parks at once, and no downtime is too long then', () => {
  const tick: SourceEvent = { type: 'tick', bytesInFlight: 0 }
  const { state } = stall(start({ onTimeout: 'force', timeoutMs: 1000 }), 5)
  const forced = stepSource(state, tick, 2000)
  expect(forced.effects).toMatchObject([{ type: 'park', point: 'boundary' }])
  const parked = stepSource(forced.state, { type: 'parked', step: 7, parkedMs: 2001, deltaBytes: 0 }, 2002)
  const late = stepSource(parked.state, tick, 9_000_000)
  expect(late.state.name).toBe('draining')
  expect(late.effects).toEqual([])
})

test('stop and copy parks before anything is sent, and sends it all in the final round', () => {
  const state = start({ method: 'stopcopy' })
  expect(state).toMatchObject({ name: 'parking', run: { nextRound: 0, parks: 1 } })
  const { effects } = stepSource(state, { type: 'parked', step: 7, parkedMs: 2, deltaBytes: 0 }, 3)
  expect(effects).toEqual([{ type: 'stopRound' }, { type: 'sendFinalRound', round: 0, attempt: 1 }])
})

test('a program that steps as a whole is never asked to park before apply', () => {
  const asked = { method: 'stopcopy', parkPoint: 'preApply' } as const
  expect(start(asked)).toMatchObject({ run: { parkPoint: 'preApply' } })
  expect(start(asked, false)).toMatchObject({ run: { parkPoint: 'boundary' } })
})

test('rounds go on while the thread has not parked yet, and the one that was under way counts', () => {
  const quiet = { ...stalled, pendingPages: 10 } as SourceEvent
  let state = start({ downtimeLimitMs: 10_000 })
  while (state.name === 'active') state = stepSource(state, quiet, 5).state
  expect(state.name).toBe('parking')
  const more = stepSource(state, quiet, 6)
  expect(more.effects).toMatchObject([{ type: 'sendRound' }])
  const parked = stepSource(more.state, { type: 'parked', step: 7, parkedMs: 7, deltaBytes: 0 }, 7)
  const { round } = stalled as Extract<SourceEvent, { type: 'roundSent' }>
  const stopped = stepSource(parked.state, { type: 'roundStopped', round }, 8).state
  if (!('run' in stopped) || !('run' in parked.state)) throw new Error('it ended')
  expect(stopped.run.rounds.length).toBe(parked.state.run.rounds.length + 1)
})
