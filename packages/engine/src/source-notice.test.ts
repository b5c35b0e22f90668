/**
 * Goal: a program is told once of each attempt to switch over, delays it within its limit, and may fail in it. Method: what it answers, and
 * when, event by event.
 */
import { LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { stepSource } from './source.ts'
import { statusOf } from './source-rules.ts'
import type { SourceEvent } from './source-types.ts'
import {
  config,
  finalRoundSent,
  letGo,
  noticed,
  roundSent,
  run,
  TICK,
  telling,
  toActive,
  toHolding,
  typesOf,
} from './support/source-story.ts'

test('a program that wants to know is told before its turn is asked for, and waited for while rounds go on', () => {
  const told = run([...toHolding, [roundSent, 1020], [roundSent, 2000]], telling)
  expect([told.state.name, statusOf(told.state)]).toEqual(['active', 'active'])
  expect(typesOf(told.effects).filter((type) => type !== 'sendRound')).toEqual(['welcome', 'notify'])
  const answered = stepSource(told.state, noticed, 2001)
  expect(answered.effects).toEqual([])
  expect(stepSource(answered.state, noticed, 2002)).toEqual({ state: answered.state, effects: [] })
  const held = stepSource(answered.state, roundSent, 2010)
  expect([held.state.name, ...typesOf(held.effects)]).toEqual(['holding', 'askTurn', 'sendRound'])
  const parking = stepSource(held.state, letGo, 2011).state
  expect(parking).toMatchObject({
    name: 'parking',
    run: { parkReason: expect.not.stringContaining('not ready in time') },
  })
})

test('it is told once for each attempt, and again of the next', () => {
  const { state: parking } = run([...toHolding, [noticed, 1013], [roundSent, 1014], [letGo, 1015]], telling)
  const parked: SourceEvent = { type: 'parked', step: 40, parkedMs: 1020, deltaBytes: 0 }
  const { state: draining } = stepSource(parking, parked, 1021)
  let { state } = stepSource(draining, finalRoundSent, 1021 + 2 * config.options.downtimeLimitMs)
  expect(state.name).toBe('active')
  const asked: string[] = []
  for (let round = 0; round < 10; round++) {
    const next = stepSource(state, { ...roundSent, bytesPerMs: 4_096_000 } as SourceEvent, 2000 + round)
    state = next.state
    asked.push(...typesOf(next.effects).filter((type) => type !== 'sendRound'))
  }
  expect([state.name, ...asked]).toEqual(['active', 'notify'])
})

test('it is waited for so long, or half of what the migration has left, and the report says that it was not ready', () => {
  for (const [timeoutMs, waitedMs] of [
    [60_000, LIMITS.maxNoticeMs],
    [4_012, 2_000],
  ] as const) {
    const given = { ...telling, options: { ...telling.options, timeoutMs } }
    // Asked for 10 ms before 1,000.
    const told = run([...toActive, [roundSent, 1002], [roundSent, 1002]], given)
    const early = stepSource(told.state, roundSent, 1002 + waitedMs - 1)
    expect([timeoutMs, ...typesOf(early.effects)]).toEqual([timeoutMs, 'sendRound'])
    const late = stepSource(early.state, roundSent, 1002 + waitedMs)
    expect(typesOf(late.effects)).toEqual(['askTurn', 'sendRound'])
    expect(stepSource(late.state, letGo, 5000).state).toMatchObject({
      run: { parkReason: expect.stringContaining('the program was not ready in time') },
    })
  }
})

test('what it did wrong is in the report, and changes nothing else', () => {
  const problem = 'onMigrating threw'
  const { state } = run(
    [...toHolding, [{ type: 'noticed', problem }, 1013], [roundSent, 1014], [letGo, 1015]],
    telling,
  )
  expect(state).toMatchObject({
    name: 'parking',
    run: { parkReason: expect.stringMatching(/; onMigrating threw$/) },
  })
})

test('forced, or stopping to copy, it is told as well', () => {
  const { asksForTurn, ...alone } = telling
  const slow = { ...roundSent, bytesPerMs: 1 } as SourceEvent
  const forced = { ...alone, options: { ...alone.options, onTimeout: 'force' as const } }
  const { state, effects } = run([...toActive, [slow, 1010], [TICK, 61_500], [slow, 61_510]], forced)
  expect([state.name, ...typesOf(effects).slice(2)]).toEqual(['active', 'sendRound', 'notify', 'sendRound'])
  // It has no time left to give.
  expect(typesOf(stepSource(state, slow, 61_520).effects)).toEqual(['park', 'sendRound'])
  for (const given of [telling, alone]) {
    const stopping = { ...given, options: { ...given.options, method: 'stopcopy' as const } }
    const told = run(toActive, stopping)
    expect([told.state.name, ...typesOf(told.effects)]).toEqual(['active', 'welcome', 'notify'])
    const next = given === telling ? 'askTurn' : 'park'
    expect(typesOf(stepSource(told.state, noticed, 1003).effects)).toEqual([next])
    expect(stepSource(told.state, TICK, 1003).effects).toEqual([])
    expect(typesOf(stepSource(told.state, TICK, 1002 + LIMITS.maxNoticeMs).effects)).toEqual([next])
  }
  expect(asksForTurn).toBe(true)
})
