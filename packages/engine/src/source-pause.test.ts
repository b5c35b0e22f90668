/** Goal: a paused migration sends nothing, goes on from where it was, and a pause has an end. Method: paused in each state, event by event. */
import { LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { stepSource } from './source.ts'
import { statusOf } from './source-rules.ts'
import type { SourceEvent, SourceState } from './source-types.ts'
import {
  asking,
  config,
  error,
  finalRoundSent,
  goOn,
  letGo,
  pauseIt,
  round,
  roundSent,
  run,
  TICK,
  toActive,
  toDraining,
  toHolding,
  typesOf,
} from './support/source-story.ts'

test('paused it sends nothing and keeps what it has sent, and goes on with the next round', () => {
  const active = run([...toActive, [roundSent, 1007]]).state
  const paused = stepSource(active, pauseIt, 1008)
  expect([paused.state.name, statusOf(paused.state), ...typesOf(paused.effects)]).toEqual([
    'paused',
    'active',
    'stopRound',
  ])
  expect(stepSource(paused.state, pauseIt, 1009)).toEqual({ state: paused.state, effects: [] })
  const stopped = stepSource(paused.state, { type: 'roundStopped', round }, 1010)
  expect(stopped).toMatchObject({ state: { name: 'paused', run: { rounds: [round, round] } }, effects: [] })
  const again = stepSource(stopped.state, goOn, 90_000)
  expect(again).toMatchObject({
    state: { name: 'active', run: { heldMs: 90_000 - 1008, forecast: { stalledRounds: 0 } } },
    effects: [{ type: 'sendRound', round: 2 }],
  })
  expect(stepSource(again.state, goOn, 90_001)).toEqual({ state: again.state, effects: [] })
})

test('paused before anything was sent, it begins with round 0 once it goes on', () => {
  const early = run([[pauseIt, 1000], ...toActive])
  expect([early.state.name, ...typesOf(early.effects)]).toEqual(['paused', 'welcome', 'stopRound'])
  expect(stepSource(early.state, goOn, 5000).effects).toMatchObject([{ type: 'sendRound', round: 0 }])
  const changedMind = run([[pauseIt, 1000], [goOn, 1000], ...toActive])
  expect(changedMind.state.name).toBe('active')
  const stopping = { ...config, options: { ...config.options, method: 'stopcopy' as const } }
  const { state } = run([[pauseIt, 1000], ...toActive], stopping)
  expect(typesOf(stepSource(state, goOn, 5000).effects)).toEqual(['park'])
})

test('paused while it is held, it has lost its turn and asks for another', () => {
  const { state, effects } = run([...toHolding, [pauseIt, 1100], [letGo, 1101], [goOn, 2000]], asking)
  expect([state.name, ...typesOf(effects).slice(-2)]).toEqual(['active', 'stopRound', 'sendRound'])
})

test('training is not slowed down while nothing moves', () => {
  const throttled = run(toActive).state as Extract<SourceState, { name: 'active' }>
  const slow = { ...throttled, run: { ...throttled.run, throttlePercent: 30 } }
  const paused = stepSource(slow, pauseIt, 1100)
  expect(paused.effects).toContainEqual({ type: 'throttle', percent: 0 })
  expect(stepSource(paused.state, goOn, 1200).effects[0]).toEqual({ type: 'throttle', percent: 30 })
})

test('a pause ends: by its limit, a cancel, a lost connection, the end of training; its timeout does not count it', () => {
  const idle: SourceEvent = { type: 'tick', bytesInFlight: 0 }
  const paused = run([...toActive, [pauseIt, 1010]]).state
  const late = 1010 + LIMITS.maxPausedMs
  expect(stepSource(paused, idle, late).effects).toEqual([])
  const ends: [SourceEvent, string, number][] = [
    [idle, 'cancelled', late + 1],
    [{ type: 'cancel', error }, 'cancelled', 2000],
    [{ type: 'lost', error }, 'failed', 2000],
    [{ type: 'trainingEnded' }, 'cancelled', 2000],
  ]
  for (const [event, status, nowMs] of ends)
    expect(stepSource(paused, event, nowMs).effects).toMatchObject([
      { type: 'resume' },
      { type: 'finish', status },
    ])
  const message = { message: expect.stringContaining('60 minutes') }
  expect(stepSource(paused, idle, late + 1).effects[1]).toMatchObject({ error: message })
  expect(stepSource(paused, TICK, 1010 + LIMITS.progressTimeoutMs + 100).effects).toEqual([])
})

test('asked for too late it is paused if the switchover is given up', () => {
  const draining = stepSource(run(toDraining).state, pauseIt, 1022).state
  expect(draining.name).toBe('draining')
  const given = stepSource(draining, finalRoundSent, 1020 + 3 * config.options.downtimeLimitMs)
  expect([given.state.name, ...typesOf(given.effects)]).toEqual(['paused', 'stopRound', 'resume'])
})
