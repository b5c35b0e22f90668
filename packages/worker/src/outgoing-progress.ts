/** How far a migration is, as its source says it: what the engine makes of its state, with what the streams were seen to do. */
import {
  expectedDowntimeOf,
  isPausing,
  percentDone,
  progressFactsOf,
  type SourceState,
  timeLeftMs,
} from '@godwit/engine'
import type { MigrationProgress } from '@godwit/protocol'
import type { InFlight } from './in-flight.ts'
import { pageBytesOf } from './page-sender.ts'

export interface Seen {
  /** Of the latest round. */
  readonly roundPages: number
  readonly roundPagesSent: number
  /** What was said before: it never runs backwards. */
  readonly atLeastPercent: number
  /** Undefined before the streams are open. */
  readonly inFlight: InFlight | undefined
  readonly allowedBytesPerMs: number
  readonly step: number
}

export function progressOf(
  state: Exclude<SourceState, { name: 'ended' }>,
  { roundPages, roundPagesSent, atLeastPercent, inFlight, allowedBytesPerMs, step }: Seen,
): MigrationProgress & { percent: number } {
  const expectedDowntimeMs = expectedDowntimeOf(state)
  const facts = progressFactsOf(state, { roundPages, roundPagesSent })
  const leftMs = timeLeftMs(facts)
  const bytesPerMs = state.name === 'paused' ? 0 : Math.min(inFlight?.bytesPerMs ?? 0, allowedBytesPerMs)
  return {
    round: Math.max(0, state.run.nextRound - 1),
    roundPages,
    roundPagesSent,
    remainingBytes: pageBytesOf(roundPages - roundPagesSent),
    percent: percentDone(facts, atLeastPercent),
    ...(leftMs === undefined ? {} : { timeLeftMs: leftMs }),
    sentBytes: inFlight?.sentBytes ?? 0,
    bytesPerSecond: bytesPerMs * 1000,
    step,
    ...(expectedDowntimeMs === undefined ? {} : { expectedDowntimeMs }),
    ...(isPausing(state) && { isPaused: true }),
  }
}
