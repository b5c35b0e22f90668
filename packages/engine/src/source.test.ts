/**
 * Goal: the source goes through a migration as designed, and each way out of it leaves the thread where it belongs. Method: the good path
 * step by step, and each way out of it.
 */
import { type ErrorReport, LIMITS, migrationOptions } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { stepSource } from './source.ts'
import type { SourceEvent } from './source-types.ts'
import {
  config,
  error,
  finalRoundSent,
  hashed,
  hello,
  identity,
  roundSent,
  run,
  running,
  TICK,
  toActive,
  toDraining,
  toFrozen,
  verified,
} from './support/source-story.ts'

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
