/**
 * When to park: the forecast behind the switchover.
 *
 * Pre-copy is a race between sending pages and dirtying them. Each round ends with a set of pages dirtied
 * meanwhile; if rounds shrink, another round makes the downtime shorter, and if they don't, nothing is gained by
 * waiting. So the downtime limit is permission and the shrinking is the reason: park once the forecast is within the
 * limit and rounds have stopped shrinking, and then at a moment that is about as good as the best one seen. Rounds are cheap,
 * because training goes on in them, and a busy machine makes single ones long: one bad round is no verdict.
 *
 * What will be left at the park is at least what one step dirties, however little is pending right now: a collection
 * between two applies finds nothing, and the park comes after the next one. Until a step was seen, it may be everything.
 */
import { PAGE_BYTES } from '@godwit/protocol'

/** Weight of the newest round in the bandwidth's moving mean. */
const BANDWIDTH_WEIGHT = 0.5
/** A round helps when it leaves less than this share of the fewest pages so far. */
const SHRINKING = 0.8
/** So many rounds in a row that don't help are enough. */
const STALLED_ROUNDS = 2
/** Then the park waits for at most so much more than the fewest pages seen, and at most so many rounds. */
const NEAR_THE_BEST = 1.25
const MAX_STALLED_ROUNDS = 10
/** Fewer pages than this are a single frame: another round costs as much as sending them parked. */
const FEW_PAGES = 64
/** Parking, the last scan and waking up the target's thread, on top of bytes over bandwidth; about what loopback showed. */
const OVERHEAD_MS = 1.5

export interface Forecast {
  readonly arenaPages: number
  /** Bytes installed a millisecond, an exponentially weighted mean over rounds. Undefined before the first. */
  readonly bytesPerMs: number | undefined
  /** Pages that one step dirties, at most: the fewest that a round with a step in it left behind. */
  readonly stepPages: number | undefined
  /** The fewest pages that a park was expected to leave, over all rounds; the whole arena before the first. */
  readonly fewestPages: number
  /** Rounds since that fell by much. */
  readonly stalledRounds: number
  readonly pendingPages: number
  /** What forecasts are multiplied by: doubled by each switchover that took longer than it may. */
  readonly distrust: number
}

export function noForecast(arenaPages: number): Forecast {
  return {
    arenaPages,
    bytesPerMs: undefined,
    stepPages: undefined,
    fewestPages: arenaPages,
    stalledRounds: 0,
    pendingPages: 0,
    distrust: 1,
  }
}

/** What a finished round showed. */
export interface Lesson {
  /** Pages dirtied since it was collected, and steps applied meanwhile. */
  readonly pendingPages: number
  readonly steps: number
  readonly bytesPerMs: number | undefined
}

export function learn(before: Forecast, { pendingPages, steps, bytesPerMs }: Lesson): Forecast {
  const fewest = Math.min(pendingPages, before.stepPages ?? Number.POSITIVE_INFINITY)
  const learnt = {
    ...before,
    bytesPerMs: movingMean(before.bytesPerMs, bytesPerMs),
    stepPages: steps > 0 ? fewest : before.stepPages,
    pendingPages,
  }
  const pages = pagesAtPark(learnt)
  return {
    ...learnt,
    fewestPages: Math.min(pages, before.fewestPages),
    stalledRounds: pages < SHRINKING * before.fewestPages ? 0 : before.stalledRounds + 1,
  }
}

function movingMean(mean: number | undefined, measured: number | undefined): number | undefined {
  if (mean === undefined || measured === undefined) return measured ?? mean
  return mean + BANDWIDTH_WEIGHT * (measured - mean)
}

/** A switchover was given up: the forecast was too good. Each time it must promise twice as much. */
export function disappoint(before: Forecast): Forecast {
  return { ...before, distrust: before.distrust * 2, fewestPages: before.arenaPages, stalledRounds: 0 }
}

/** Milliseconds that a park now is expected to take, or undefined before a round was measured. */
export function expectedDowntimeMs(forecast: Forecast, roundTripMs: number): number | undefined {
  const { bytesPerMs, distrust } = forecast
  if (bytesPerMs === undefined) return undefined
  return ((pagesAtPark(forecast) * PAGE_BYTES) / bytesPerMs + roundTripMs + OVERHEAD_MS) * distrust
}

function pagesAtPark({ pendingPages, stepPages, arenaPages }: Forecast): number {
  return Math.max(pendingPages, stepPages ?? arenaPages)
}

export type Decision =
  | { readonly park: false }
  | { readonly park: true; readonly reason: string; readonly expectedMs: number }

/** Park, or send another round? `limitMs` is the downtime limit. */
export function decide(forecast: Forecast, limitMs: number, roundTripMs: number): Decision {
  const expectedMs = expectedDowntimeMs(forecast, roundTripMs)
  if (expectedMs === undefined || expectedMs > limitMs) return { park: false }
  const pages = pagesAtPark(forecast)
  if (pages <= FEW_PAGES) return { park: true, reason: 'few pages left', expectedMs }
  const { fewestPages, stalledRounds } = forecast
  const nearTheBest = pages <= NEAR_THE_BEST * fewestPages || stalledRounds >= MAX_STALLED_ROUNDS
  if (stalledRounds >= STALLED_ROUNDS && nearTheBest)
    return { park: true, reason: 'rounds no longer shrink', expectedMs }
  return { park: false }
}
