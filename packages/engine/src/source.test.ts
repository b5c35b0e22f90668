/**
 * Goal: the source moves through a migration as designed, and whatever happens, in any order, keeps I3, I4 and I6.
 * Method: the good path step by step; each way out of it; then random events against an oracle that looks at nothing
 * but the effects.
 */
import { type ErrorReport, LIMITS, migrationOptions, type RoundReport } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { startSource, stepSource } from './source.ts'
import { statusOf } from './source-rules.ts'
import type { SourceConfig, SourceEffect, SourceEvent, SourceState } from './source-types.ts'
import { identity } from './support/identity.ts'

const config: SourceConfig = {
  migrationId: 'm',
  workload: 'w',
  from: 'a',
  to: 'b',
  tracker: 'compare',
  pageCount: 1000,
  splits: true,
  identity,
  options: migrationOptions.parse({ downtimeLimitMs: 50, timeoutMs: 60_000 }),
  elapsedMs: 10,
}
const error: ErrorReport = { kind: 'connection-lost', message: 'gone' }
const round: RoundReport = {
  pages: 1000,
  pageBytes: 4_096_000,
  wireBytes: 4_100_000,
  durationMs: 10,
  steps: 2,
  codec: 'raw',
}

const hello = { type: 'hello', versions: { min: 1, max: 1 }, identity, roundTripMs: 0.1 } as const
const roundSent: SourceEvent = { type: 'roundSent', round, pendingPages: 900, bytesPerMs: 4_096_00 }
const finalRoundSent: SourceEvent = {
  type: 'finalRoundSent',
  round: { ...round, pages: 900 },
  scannedMs: 1022,
  maxInFlightBytes: 5_000_000,
}
const running: SourceEvent = {
  type: 'targetRunning',
  epoch: 2,
  claimRoundTripMs: 1,
  target: { runningMs: 5030, claimWaitMs: 0 },
}

function run(
  events: readonly [SourceEvent, number][],
  given: SourceConfig = config,
): { state: SourceState; effects: SourceEffect[] } {
  let state = startSource(given, 1000)
  const effects: SourceEffect[] = []
  for (const [event, nowMs] of events) {
    const next = stepSource(state, event, nowMs)
    state = next.state
    effects.push(...next.effects)
  }
  return { state, effects }
}

const TICK: SourceEvent = { type: 'tick', bytesInFlight: 1 }

const toActive: [SourceEvent, number][] = [
  [hello, 1001],
  [{ type: 'streamsOpen' }, 1002],
]
const toDraining: [SourceEvent, number][] = [
  ...toActive,
  [roundSent, 1007],
  [roundSent, 1012],
  [{ type: 'parked', step: 33, parkedMs: 1020, deltaBytes: 0 }, 1021],
]
const toFrozen: [SourceEvent, number][] = [
  ...toDraining,
  [{ type: 'clock', roundTripMs: 1, clock: { offsetMs: 4000, errorMs: 0.5 } }, 1021],
  [finalRoundSent, 1025],
]

test('the good path asks for each thing once and ends in a report', () => {
  const { state, effects } = run([
    ...toFrozen,
    [{ type: 'targetReady', installedMs: 5027 }, 1028],
    [running, 1032],
    [{ type: 'release' }, 1040],
  ])
  expect(state.name).toBe('ended')
  expect(effects.map(({ type }) => type)).toEqual([
    'welcome',
    'sendRound',
    'sendRound',
    'park',
    'sendRound',
    'stopRound',
    'sendFinalRound',
    'sendFinal',
    'finish',
    'exit',
  ])
  const finish = effects.find((effect) => effect.type === 'finish')
  expect(finish?.report).toMatchObject({
    status: 'completed',
    step: 33,
    epoch: 2,
    parks: 1,
    setupMs: 12,
    downtimeMs: 10,
    downtime: { parkMs: 1, finalScanMs: 1, finalSendMs: 3, installMs: 2, claimMs: 0, resumeMs: 3 },
    parkPoint: 'boundary',
    parkReason: expect.stringContaining('rounds no longer shrink'),
  })
})

const verified = { ...config, options: { ...config.options, verify: true } }
const hashed: SourceEvent = { type: 'memoryHashed', digest: 'd'.repeat(64), verifyMs: 40 }

test('memory is hashed before final, which carries the digest, and what both sides took is reported', () => {
  const { state, effects } = run(
    [
      ...toFrozen,
      // However long it takes: it was asked for.
      [TICK, 1500],
      [hashed, 1600],
      [{ type: 'targetReady', installedMs: 5630 }, 1632],
      [{ ...running, verifyMs: 30, target: { runningMs: 5640, claimWaitMs: 0 } } as SourceEvent, 1645],
    ],
    verified,
  )
  expect(state.name).toBe('handedOver')
  const types = effects.map(({ type }) => type)
  expect(types.slice(-4)).toEqual(['sendFinalRound', 'hashMemory', 'sendFinal', 'finish'])
  expect(effects.find(({ type }) => type === 'sendFinal')).toMatchObject({ memoryDigest: 'd'.repeat(64) })
  const report = effects.at(-1)
  expect(report).toMatchObject({ report: { verifyMs: 70, downtimeMs: 620 } })
})

test('whoever gives up while memory is hashed resumes, and the hash that comes late is nobody’s', () => {
  for (const event of [
    { type: 'cancel', error },
    { type: 'lost', error },
  ] as SourceEvent[]) {
    const { state, effects } = run([...toFrozen, [event, 1030], [hashed, 1060]], verified)
    expect(state.name).toBe('ended')
    expect(effects.slice(-2)).toMatchObject([{ type: 'resume' }, { type: 'finish' }])
    expect(effects.some(({ type }) => type === 'sendFinal')).toBe(false)
  }
})

test('a target that hashes as well is given the time for it', () => {
  const frozen: [SourceEvent, number][] = [...toFrozen, [{ ...hashed, verifyMs: 1000 } as SourceEvent, 2000]]
  expect(run([...frozen, [TICK, 2000 + LIMITS.handoverTimeoutMs + 3000]], verified).state.name).toBe('frozen')
  expect(run([...frozen, [TICK, 2000 + LIMITS.handoverTimeoutMs + 5000]], verified).state.name).toBe(
    'recovering',
  )
})

test('a target that would compute other bits, or speaks another protocol, is refused before a page is collected', () => {
  for (const [event, kind] of [
    [{ ...hello, versions: { min: 7, max: 9 } }, 'protocol-version'],
    [{ ...hello, identity: { ...identity, programDigest: 'f'.repeat(64) } }, 'program-differs'],
    [{ ...hello, identity: { ...identity, layoutDigest: 'f'.repeat(64) } }, 'layout-differs'],
    [{ ...hello, identity: { ...identity, rehearsalDigest: 'f'.repeat(64) } }, 'bits-differ'],
    [{ ...hello, identity: { ...identity, parametersDigest: 'f'.repeat(64) } }, 'parameters-differ'],
  ] as [SourceEvent, string][]) {
    const { state, effects } = run([[event, 1001]])
    expect(state.name).toBe('ended')
    expect(effects).toMatchObject([
      { type: 'refuse', error: { kind } },
      { type: 'resume' },
      { type: 'finish', status: 'failed', error: { kind, phase: 'setup' } },
    ])
  }
})

test('a final that takes too long is given up, and the migration is active again', () => {
  for (const late of [finalRoundSent, TICK] as SourceEvent[]) {
    const { state, effects } = run([...toDraining, [late, 1020 + 2 * config.options.downtimeLimitMs + 1]])
    expect(state.name).toBe('active')
    expect(effects.slice(-3).map(({ type }) => type)).toEqual(['stopRound', 'resume', 'sendRound'])
  }
})

test('each wait has an end that names its phase', () => {
  const waits: [[SourceEvent, number][], number, ErrorReport['kind'], string][] = [
    [[], LIMITS.targetTimeoutMs + 1001, 'setup-timeout', 'setup'],
    [[[hello, 1001]], LIMITS.targetTimeoutMs + 1002, 'setup-timeout', 'setup'],
    [toActive, LIMITS.progressTimeoutMs + 1003, 'peer-stalled', 'active'],
    [[...toActive, [roundSent, 60_000], [roundSent, 60_001]], 61_001, 'not-converging', 'switchover'],
  ]
  for (const [events, atMs, kind, phase] of waits) {
    const { effects } = run([...events, [TICK, atMs]])
    expect(effects.slice(-2)).toMatchObject([{ type: 'resume' }, { type: 'finish', error: { kind, phase } }])
  }
  const { state, effects } = run([...toFrozen, [TICK, 1026 + LIMITS.handoverTimeoutMs]])
  expect(state.name).toBe('recovering')
  expect(effects.at(-1)).toMatchObject({
    type: 'askRecover',
    error: { kind: 'peer-stalled', phase: 'switchover' },
  })
})

test('a slow step is no stalled target: only bytes under way can stall', () => {
  const idle: SourceEvent = { type: 'tick', bytesInFlight: 0 }
  const { state } = run([...toActive, [idle, 20_000], [idle, 40_000]])
  expect(state.name).toBe('active')
  expect(stepSource(state, TICK, 40_001 + LIMITS.progressTimeoutMs).effects.at(-1)).toMatchObject({
    error: { kind: 'peer-stalled' },
  })
})

test('what the coordinator does not answer is said again: recover, and how it ended', () => {
  const recovering = run([...toFrozen, [{ type: 'lost', error }, 1030]]).state
  expect(stepSource(recovering, TICK, 1031).effects).toEqual([])
  const again = stepSource(recovering, TICK, 1030 + LIMITS.repeatMs)
  expect(again.effects).toMatchObject([{ type: 'askRecover', error }])
  expect(stepSource(again.state, TICK, 1031 + LIMITS.repeatMs).effects).toEqual([])
  expect(stepSource(recovering, { type: 'cancel', error }, 1031).effects).toMatchObject([
    { type: 'askRecover' },
  ])

  const handedOver = run([
    ...toFrozen,
    [{ type: 'targetReady', installedMs: 5027 }, 1028],
    [running, 1032],
  ]).state
  expect(stepSource(handedOver, TICK, 1033).effects).toEqual([])
  expect(stepSource(handedOver, TICK, 1032 + LIMITS.repeatMs).effects).toMatchObject([
    { type: 'tellAgain', report: { status: 'completed' } },
  ])
})

test('each switchover that was given up must promise twice as much the next time', () => {
  const late = 2 * config.options.downtimeLimitMs + 1
  let { state } = run([...toDraining, [finalRoundSent, 1020 + late]])
  let parks = 0
  for (let round = 0; round < 200; round++) {
    const next = stepSource(state, roundSent, 2000 + round * 10)
    state = next.state
    if (state.name === 'parking') {
      parks += 1
      state = stepSource(
        state,
        { type: 'parked', step: 40, parkedMs: 2000 + round * 10, deltaBytes: 0 },
        2000 + round * 10,
      ).state
      state = stepSource(state, finalRoundSent, 2000 + round * 10 + late).state
    }
  }
  expect(state.name).toBe('active')
  expect(parks).toBeGreaterThan(0)
  expect(parks).toBeLessThan(5)
})

test('after final only a grant lets the thread go on, under the epoch that it made', () => {
  for (const event of [
    { type: 'lost', error },
    { type: 'cancel', error },
  ] as SourceEvent[]) {
    const lost = run([...toFrozen, [event, 1030]])
    expect(lost.effects.at(-1)).toMatchObject({ type: 'askRecover' })
    const denied = stepSource(lost.state, { type: 'recoverResult', granted: false, epoch: 2 }, 1031)
    expect(denied.effects).toEqual([])
    const granted = stepSource(denied.state, { type: 'recoverResult', granted: true, epoch: 3 }, 1032)
    expect(granted.effects).toMatchObject([
      { type: 'resume', epoch: 3 },
      { type: 'finish', status: event.type === 'cancel' ? 'cancelled' : 'failed' },
    ])
  }
})

const asking: SourceConfig = { ...config, asksForTurn: true }
const letGo: SourceEvent = { type: 'switchover' }
const toHolding: [SourceEvent, number][] = [...toActive, [roundSent, 1007], [roundSent, 1012]]

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

const telling: SourceConfig = { ...asking, tellsProgram: true }
const noticed: SourceEvent = { type: 'noticed' }
const typesOf = (effects: readonly SourceEffect[]): string[] => effects.map(({ type }) => type)

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

test.each([
  [0.1, undefined, 1],
  [150, undefined, 4],
  [150, 1, 1],
  [0.1, 3, 3],
])('a round trip of %d ms and %s streams asked for: %d', (roundTripMs, asked, streams) => {
  const options = migrationOptions.parse({ ...(asked !== undefined && { streams: asked }) })
  const { effects } = run([[{ ...hello, roundTripMs }, 1001]], { ...config, options })
  expect(effects).toEqual([{ type: 'welcome', version: 1, streams }])
})

const pauseIt: SourceEvent = { type: 'pause', isPaused: true }
const goOn: SourceEvent = { type: 'pause', isPaused: false }

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

/** Events of the peer, the coordinator and time: nothing is known of their order. */
const hostile: fc.Arbitrary<SourceEvent> = fc.constantFrom<SourceEvent>(
  hello,
  { ...hello, versions: { min: 5, max: 5 } },
  { type: 'installed' },
  { type: 'targetReady', installedMs: 5000 },
  running,
  { type: 'lost', error },
  { type: 'cancel', error },
  letGo,
  noticed,
  pauseIt,
  goOn,
  TICK,
  { type: 'clock', roundTripMs: 2, clock: undefined },
)

/** What our own edge says next, after the effects it was given; it always answers. */
function edgeAnswers(effect: SourceEffect, state: SourceState): SourceEvent[] {
  switch (effect.type) {
    case 'welcome':
      return [{ type: 'streamsOpen' }]
    case 'sendRound':
      return [roundSent]
    case 'park':
      return state.name === 'parking' ? [{ type: 'parked', step: 3, parkedMs: 1000, deltaBytes: 0 }] : []
    case 'sendFinalRound':
      return [finalRoundSent]
    case 'hashMemory':
      return [hashed]
    case 'askRecover':
      return [{ type: 'recoverResult', granted: true, epoch: 9 }]
    default:
      return []
  }
}

test('whatever happens, in any order: I3, I4 and I6 hold', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.option(hostile, { freq: 2 }), fc.nat(3000)), { maxLength: 60 }),
      fc.constantFrom(config, verified, asking, telling),
      (script, given) => {
        let state = startSource(given, 1000)
        let nowMs = 1000
        const answers: SourceEvent[] = []
        let [parked, committed, finished, exited, told] = [false, false, 0, false, false]
        const feed = (event: SourceEvent): void => {
          const next = stepSource(state, event, nowMs)
          state = next.state
          for (const effect of next.effects) {
            if (effect.type === 'notify') {
              expect(told, 'once for each attempt').toBe(false)
              told = true
            }
            if (effect.type === 'park') {
              expect(told).toBe(given.tellsProgram === true)
              ;[parked, told] = [true, false]
            }
            if (effect.type === 'sendFinal') committed = true
            if (effect.type === 'resume') {
              // I4: after the commit point the thread goes on only under a newer epoch.
              expect(committed ? effect.epoch : 0).toBeDefined()
              ;[parked, committed] = [false, false]
            }
            if (effect.type === 'finish') {
              finished += 1
              // I6: whoever gives up has resumed the thread.
              if (effect.status !== 'completed') expect(parked).toBe(false)
            }
            if (effect.type === 'exit') exited = true
            answers.push(...edgeAnswers(effect, state))
          }
        }
        for (const [event, passedMs] of script) {
          nowMs += passedMs
          if (event !== null) feed(event)
          // The edge answers what still makes sense: a round that was abandoned is not reported.
          else {
            const answer = answers.shift()
            if (answer !== undefined && asks(state, answer)) feed(answer)
          }
        }
        expect(finished).toBeLessThanOrEqual(2)
        expect(exited).toBe(false)
      },
    ),
    { numRuns: 2000 },
  )
})

function asks(state: SourceState, event: SourceEvent): boolean {
  const expected: Partial<Record<SourceEvent['type'], SourceState['name'][]>> = {
    streamsOpen: ['connecting'],
    roundSent: ['active', 'holding', 'parking'],
    parked: ['parking'],
    finalRoundSent: ['draining'],
    memoryHashed: ['verifying', 'ended'],
  }
  return expected[event.type]?.includes(state.name) ?? true
}
