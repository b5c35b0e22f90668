/**
 * How far a migration is, for people: a per cent that never runs backwards, and when it will be over.
 *
 * The intuition: the first round has a known length and takes most of the time. After it nobody knows how many rounds will come, but it is
 * known how near what is left has come to what the downtime limit allows; halving it is as much worth at the beginning as at the end,
 * so it is measured by its logarithm. What a switchover that was given up undoes is shown as a standstill.
 *
 * Invariants: pure; a per cent from 0 to 100, never less than the one before; the time left is finite and not negative, and left out where
 * nothing is known of it: before anything was measured, while rounds don't shrink, and while somebody holds or pauses the migration.
 */
import { PAGE_BYTES } from '@godwit/protocol'
import { expectedPark } from './forecast.ts'
import { statusOf } from './source-rules.ts'
import type { SourceState } from './source-types.ts'

/** What each part of the way is worth, in per cent. */
const SETUP = 3
const FIRST_ROUND = 67
const LATER_ROUNDS = 20
const READY = SETUP + FIRST_ROUND + LATER_ROUNDS
const SWITCHING_OVER = 95
/** Rounds that are still made once what is left is within the limit: until they no longer shrink. */
const SETTLING_ROUNDS = 2

export interface ProgressFacts {
  readonly status: ReturnType<typeof statusOf>
  readonly arenaBytes: number
  /** Of the round that is being sent. */
  readonly round: number
  readonly roundBytes: number
  readonly roundSentBytes: number
  /** Of the one before. */
  readonly lastRoundBytes: number | undefined
  /** What the link carries; undefined before it was measured. */
  readonly bytesPerMs: number | undefined
  /** Of a park that came now. */
  readonly expectedDowntimeMs: number | undefined
  readonly limitMs: number
  /** Nothing is sent. */
  readonly isPaused: boolean
}

/** `before`: what was said last. */
export function percentDone(facts: ProgressFacts, before: number): number {
  return Math.max(before, Math.min(100, percentOf(facts)))
}

function percentOf(facts: ProgressFacts): number {
  switch (facts.status) {
    case 'setup':
      return 0
    case 'active': {
      const { round, roundBytes, roundSentBytes } = facts
      if (round === 0)
        return SETUP + FIRST_ROUND * (roundBytes === 0 ? 0 : Math.min(1, roundSentBytes / roundBytes))
      return SETUP + FIRST_ROUND + LATER_ROUNDS * nearness(facts)
    }
    case 'preSwitchover':
      return READY
    case 'switchover':
      return SWITCHING_OVER
  }
}

/** Of what is left to what is allowed: 0 is all of the arena, 1 is near enough. */
function nearness({ arenaBytes, bytesPerMs, expectedDowntimeMs, limitMs }: ProgressFacts): number {
  if (expectedDowntimeMs === undefined || bytesPerMs === undefined) return 0
  if (expectedDowntimeMs <= limitMs) return 1
  const allMs = arenaBytes / bytesPerMs
  if (allMs <= expectedDowntimeMs) return 0
  return Math.log(allMs / expectedDowntimeMs) / Math.log(allMs / limitMs)
}

/** Until it is over, in milliseconds; undefined where nobody can know. */
export function timeLeftMs(facts: ProgressFacts): number | undefined {
  const { status, bytesPerMs, expectedDowntimeMs = 0, roundBytes, roundSentBytes, round, limitMs } = facts
  if (bytesPerMs === undefined || bytesPerMs <= 0 || status === 'setup') return undefined
  if (status === 'preSwitchover' || facts.isPaused) return undefined
  if (status === 'switchover') return expectedDowntimeMs
  const roundMs = Math.max(0, roundBytes - roundSentBytes) / bytesPerMs
  if (round === 0) return roundMs + expectedDowntimeMs
  if (expectedDowntimeMs <= limitMs)
    return roundMs + (SETTLING_ROUNDS * roundBytes) / bytesPerMs + expectedDowntimeMs
  const { lastRoundBytes } = facts
  if (lastRoundBytes === undefined || roundBytes >= lastRoundBytes) return undefined
  // Each round is so much shorter than the one before, and so on for ever.
  const shrinks = roundBytes / lastRoundBytes
  return roundMs + (roundBytes * shrinks) / (1 - shrinks) / bytesPerMs + limitMs
}

/** Of the source's end, with what its edge has sent of the round. */
export function progressFactsOf(
  state: Exclude<SourceState, { name: 'ended' }>,
  sent: { readonly roundPages: number; readonly roundPagesSent: number },
): ProgressFacts {
  const { config, forecast, limitMs, nextRound, roundTripMs, rounds } = state.run
  const expected = expectedPark(forecast, config.options.parkPoint, roundTripMs)
  return {
    status: statusOf(state),
    arenaBytes: config.pageCount * PAGE_BYTES,
    round: Math.max(0, nextRound - 1),
    roundBytes: sent.roundPages * PAGE_BYTES,
    roundSentBytes: sent.roundPagesSent * PAGE_BYTES,
    lastRoundBytes: rounds.at(-1)?.pageBytes,
    bytesPerMs: forecast.bytesPerMs,
    expectedDowntimeMs: expected?.downtimeMs,
    limitMs,
    isPaused: state.name === 'paused',
  }
}
