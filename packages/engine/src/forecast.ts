/**
 * When to park: the forecast behind the switchover.
 *
 * Pre-copy is a race between sending pages and dirtying them. Each round ends with a set of pages dirtied
 * meanwhile; if rounds shrink, another round makes the downtime shorter, and if they don't, nothing is gained by
 * waiting. So the downtime limit is permission and the shrinking is the reason: park once the forecast is within the
 * limit and the last round did not help enough to expect more of the next one.
 *
 * What will be left at the park is at least what one step dirties, however little is pending right now: a collection
 * between two applies finds nothing, and the park comes after the next one. Until a step was seen, it may be everything.
 */
import { PAGE_BYTES } from '@godwit/protocol'

/** Weight of the newest round in the bandwidth's moving mean. */
const BANDWIDTH_WEIGHT = 0.5
/** A round that leaves more than this share of the one before has stopped helping. */
const SHRINKING = 0.8
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
  readonly previousPages: number | undefined
  readonly pendingPages: number
}

export function noForecast(arenaPages: number): Forecast {
  return {
    arenaPages,
    bytesPerMs: undefined,
    stepPages: undefined,
    previousPages: undefined,
    pendingPages: 0,
  }
}

/** What a finished round showed. */
export interface Lesson {
  /** Pages in the round. */
  readonly pages: number
  /** Pages dirtied since it was collected, and steps applied meanwhile. */
  readonly pendingPages: number
  readonly steps: number
  readonly bytesPerMs: number | undefined
}

export function learn(forecast: Forecast, { pages, pendingPages, steps, bytesPerMs }: Lesson): Forecast {
  const fewest = Math.min(pendingPages, forecast.stepPages ?? Number.POSITIVE_INFINITY)
  return {
    ...forecast,
    bytesPerMs: movingMean(forecast.bytesPerMs, bytesPerMs),
    stepPages: steps > 0 ? fewest : forecast.stepPages,
    previousPages: pages,
    pendingPages,
  }
}

function movingMean(mean: number | undefined, measured: number | undefined): number | undefined {
  if (mean === undefined || measured === undefined) return measured ?? mean
  return mean + BANDWIDTH_WEIGHT * (measured - mean)
}

/** Milliseconds that a park now is expected to take, or undefined before a round was measured. */
export function expectedDowntimeMs(forecast: Forecast, roundTripMs: number): number | undefined {
  const { bytesPerMs } = forecast
  return bytesPerMs === undefined
    ? undefined
    : (pagesAtPark(forecast) * PAGE_BYTES) / bytesPerMs + roundTripMs + OVERHEAD_MS
}

export type Decision =
  | { readonly park: false }
  | { readonly park: true; readonly reason: string; readonly expectedMs: number }

function pagesAtPark({ pendingPages, stepPages, arenaPages }: Forecast): number {
  return Math.max(pendingPages, stepPages ?? arenaPages)
}

/** Park, or send another round? `limitMs` is the downtime limit. */
export function decide(forecast: Forecast, limitMs: number, roundTripMs: number): Decision {
  const expectedMs = expectedDowntimeMs(forecast, roundTripMs)
  if (expectedMs === undefined || expectedMs > limitMs) return { park: false }
  const pages = pagesAtPark(forecast)
  if (pages <= FEW_PAGES) return { park: true, reason: 'few pages left', expectedMs }
  const { previousPages } = forecast
  if (previousPages !== undefined && pages > SHRINKING * previousPages) {
    return { park: true, reason: 'rounds no longer shrink', expectedMs }
  }
  return { park: false }
}
