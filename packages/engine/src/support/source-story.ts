/**
 * A migration as its source lives it, for tests: the events of the good path, how far they lead, and the kinds of migration that differ.
 * Asked for at 1,000 ms, a page map of 1,000 pages, 50 ms of downtime allowed.
 */
import { type ErrorReport, migrationOptions, type RoundReport } from '@godwit/protocol'
import { identityLike } from '@godwit/protocol/testing'
import { startSource, stepSource } from '../source.ts'
import type { SourceConfig, SourceEffect, SourceEvent, SourceState } from '../source-types.ts'

export const identity = identityLike()
export const config: SourceConfig = {
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
export const error: ErrorReport = { kind: 'connection-lost', message: 'gone' }
export const round: RoundReport = {
  pages: 1000,
  pageBytes: 4_096_000,
  wireBytes: 4_100_000,
  durationMs: 10,
  steps: 2,
  codec: 'raw',
}

export const hello = { type: 'hello', versions: { min: 1, max: 1 }, identity, roundTripMs: 0.1 } as const
export const roundSent: SourceEvent = { type: 'roundSent', round, pendingPages: 900, bytesPerMs: 4_096_00 }
export const finalRoundSent: SourceEvent = {
  type: 'finalRoundSent',
  round: { ...round, pages: 900 },
  scannedMs: 1022,
  maxInFlightBytes: 5_000_000,
}
export const running: SourceEvent = {
  type: 'targetRunning',
  epoch: 2,
  claimRoundTripMs: 1,
  target: { runningMs: 5030, claimWaitMs: 0 },
}

/** What `events`, each with its time, make of a migration that was asked for at 1,000. */
export function run(
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

export const TICK: SourceEvent = { type: 'tick', bytesInFlight: 1 }

export const toActive: [SourceEvent, number][] = [
  [hello, 1001],
  [{ type: 'streamsOpen' }, 1002],
]
export const toDraining: [SourceEvent, number][] = [
  ...toActive,
  [roundSent, 1007],
  [roundSent, 1012],
  [{ type: 'parked', step: 33, parkedMs: 1020, deltaBytes: 0 }, 1021],
]
export const toFrozen: [SourceEvent, number][] = [
  ...toDraining,
  [{ type: 'clock', roundTripMs: 1, clock: { offsetMs: 4000, errorMs: 0.5 } }, 1021],
  [finalRoundSent, 1025],
]

export const verified = { ...config, options: { ...config.options, verify: true } }
export const hashed: SourceEvent = { type: 'memoryHashed', digest: 'd'.repeat(64), verifyMs: 40 }

export const asking: SourceConfig = { ...config, asksForTurn: true }
export const letGo: SourceEvent = { type: 'switchover' }
export const toHolding: [SourceEvent, number][] = [...toActive, [roundSent, 1007], [roundSent, 1012]]

export const telling: SourceConfig = { ...asking, tellsProgram: true }
export const noticed: SourceEvent = { type: 'noticed' }
export const typesOf = (effects: readonly SourceEffect[]): string[] => effects.map(({ type }) => type)

export const pauseIt: SourceEvent = { type: 'pause', isPaused: true }
export const goOn: SourceEvent = { type: 'pause', isPaused: false }
