/**
 * Goal: a source that waits for its turn goes on sending, parks once it is let go, and loses neither time nor its way by it. Method: as it
 * is held, for how long, and let go, event by event.
 */
import { LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { stepSource } from './source.ts'
import { statusOf } from './source-rules.ts'
import type { SourceEffect, SourceEvent, SourceState } from './source-types.ts'
import {
  asking,
  config,
  error,
  finalRoundSent,
  letGo,
  roundSent,
  run,
  TICK,
  toActive,
  toHolding,
} from './support/source-story.ts'

test('one that asks for its turn goes on sending rounds, parks when it is let go, and asks again after a park that was given up', () => {
  const held = run([...toHolding, [roundSent, 1500], [TICK, 1600]], asking)
  expect(held.state.name).toBe('holding')
  expect(statusOf(held.state)).toBe('preSwitchover')
  expect(held.effects.map(({ type }) => type).slice(2)).toEqual([
    'sendRound',
    'askTurn',
    'sendRound',
    'sendRound',
  ])
  const parking = stepSource(held.state, letGo, 1700)
  expect(parking.effects).toEqual([{ type: 'park', attempt: 1, point: 'boundary' }])
  expect(parking.state).toMatchObject({
    name: 'parking',
    run: { parkReason: expect.stringContaining('rounds no longer shrink') },
  })
  expect(stepSource(parking.state, letGo, 1701)).toEqual({ state: parking.state, effects: [] })
  const { state: draining } = stepSource(
    parking.state,
    { type: 'parked', step: 40, parkedMs: 1710, deltaBytes: 0 },
    1711,
  )
  let { state } = stepSource(draining, finalRoundSent, 1711 + 2 * config.options.downtimeLimitMs)
  expect(state.name).toBe('active')
  const asked: string[] = []
  for (let round = 0; round < 10; round++) {
    const next = stepSource(state, { ...roundSent, bytesPerMs: 4_096_000 } as SourceEvent, 2000 + round)
    state = next.state
    asked.push(...next.effects.map(({ type }) => type))
  }
  expect([state.name, asked.filter((type) => type === 'askTurn').length]).toEqual(['holding', 1])
})

/** The link has become so slow that what is left would take longer than it may. */
function onSlowLink(held: SourceState, nowMs: number): { state: SourceState; effects: SourceEffect[] } {
  let state = held
  const effects: SourceEffect[] = []
  while (state.name === 'holding') {
    const next = stepSource(state, { ...roundSent, bytesPerMs: 1 } as SourceEvent, nowMs)
    state = next.state
    effects.push(...next.effects)
  }
  return { state, effects }
}

test('held for long it sends rounds far apart, and one more before it parks', () => {
  const { heldAwakeMs, heldRoundMs } = LIMITS
  const atMs = 1012 + heldAwakeMs
  const pausesOf = (effects: readonly SourceEffect[]) =>
    effects.map((effect) => (effect.type === 'sendRound' ? effect.pauseMs : effect.type))
  const awake = run([...toHolding, [roundSent, atMs - 1]], asking)
  expect(pausesOf(awake.effects).at(-1)).toBeUndefined()
  const resting = stepSource(awake.state, roundSent, atMs)
  expect(pausesOf(resting.effects)).toEqual([heldRoundMs])
  const hurried = stepSource(resting.state, letGo, atMs + 10)
  expect([hurried.state.name, ...pausesOf(hurried.effects)]).toEqual(['holding', 'hurry'])
  const again = stepSource(hurried.state, letGo, atMs + 20)
  expect([again.state.name, ...pausesOf(again.effects)]).toEqual(['holding', 'hurry'])
  const round = stepSource(again.state, roundSent, atMs + 30)
  expect(pausesOf(round.effects)).toEqual([undefined])
  expect(stepSource(round.state, letGo, atMs + 40).effects).toMatchObject([{ type: 'park' }])
})

test('one whose pages have become too many is not parked when it is let go, and does not ask any more', () => {
  const held = run(toHolding, asking).state
  const forgotten = { ...held, run: { ...(held as { run: object }).run, limitMs: 0.1 } } as SourceState
  expect(stepSource(forgotten, letGo, 1100).effects).toEqual([])
  const { state, effects } = onSlowLink(held, 1100)
  expect([state.name, new Set(effects.map(({ type }) => type))]).toEqual(['active', new Set(['sendRound'])])
  expect(stepSource(state, letGo, 1101)).toEqual({ state, effects: [] })
})

test('the time in which it is held is not counted, and nothing else is changed by it', () => {
  const { timeoutMs } = config.options
  const idle: SourceEvent = { type: 'tick', bytesInFlight: 0 }
  const held = run([...toHolding, [idle, 10 * timeoutMs]], asking).state
  expect(held.name).toBe('holding')
  const active = onSlowLink(held, 10 * timeoutMs).state
  expect(active.name).toBe('active')
  expect(stepSource(active, idle, 10 * timeoutMs + 1000).state.name).toBe('active')
  expect(stepSource(active, idle, 11 * timeoutMs + 20).effects).toMatchObject([
    { type: 'resume' },
    { type: 'finish', status: 'failed', error: { kind: 'not-converging', phase: 'active' } },
  ])
  const cancelled = stepSource(held, { type: 'cancel', error }, 10 * timeoutMs)
  expect(cancelled.effects).toMatchObject([
    { type: 'resume' },
    { type: 'finish', status: 'cancelled', error: { phase: 'preSwitchover' } },
  ])
})

test('forced, or stopping to copy, it asks as well, and parks whatever the forecast', () => {
  const forced = { ...asking, options: { ...asking.options, onTimeout: 'force' as const } }
  const { state } = run(
    [
      ...toActive,
      [{ ...roundSent, bytesPerMs: 1 } as SourceEvent, 1010],
      [TICK, 61_500],
      [{ ...roundSent, bytesPerMs: 1 } as SourceEvent, 61_510],
    ],
    forced,
  )
  expect(state).toMatchObject({ name: 'holding', run: { isForced: true } })
  expect(stepSource(state, letGo, 61_600)).toMatchObject({
    state: { name: 'parking', run: { parkReason: expect.stringContaining('forced after 60000 ms') } },
    effects: [{ type: 'park' }],
  })
  const stopping = { ...asking, options: { ...asking.options, method: 'stopcopy' as const } }
  const held = run(toActive, stopping)
  expect(held.effects.map(({ type }) => type)).toEqual(['welcome', 'askTurn'])
  expect(stepSource(held.state, letGo, 1100).effects).toEqual([
    { type: 'park', attempt: 1, point: 'boundary' },
  ])
})
