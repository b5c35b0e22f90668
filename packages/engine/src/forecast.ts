/**
 * When and where to park: the forecast behind the switchover.
 *
 * Pre-copy is a race between sending pages and dirtying them. Each round ends with a set of pages dirtied
 * meanwhile; if rounds shrink, another round makes the downtime shorter, and if they don't, nothing is gained by
 * waiting. So the downtime limit is permission and the shrinking is the reason: park once the forecast is within the
 * limit and rounds have stopped shrinking, and then at a moment that is about as good as the best one seen. Rounds are cheap,
 * because training goes on in them, and a busy machine makes single ones long: one bad round is no verdict.
 *
 * A step breathes: `apply` writes, `compute` only reads. Two instants of it are fit to park:
 * - after `apply`, at the boundary. What one step dirties is left to send, however little is pending right now: a
 *   collection between two applies finds nothing, and the park comes after the next one.
 * - before `apply`. A whole `compute` has passed without a write, and what the link carries in that time is gone; the
 *   delta that was computed goes over instead.
 * Both are forecast, and the one with fewer bytes left is taken.
 */
import { PAGE_BYTES, type ParkPoint, sayBytes } from '@godwit/protocol'

/** Weight of the newest round in the moving means. */
const WEIGHT = 0.5
/** A round helps when it leaves less than this share of the fewest bytes so far. */
const SHRINKING = 0.8
/** So many rounds in a row that don't help are enough. */
const STALLED_ROUNDS = 2
/** Then the park waits for at most so much more than the fewest bytes seen, and at most so many rounds. */
const NEAR_THE_BEST = 1.25
const MAX_STALLED_ROUNDS = 10
/** Fewer bytes than this are a single frame: another round costs as much as sending them parked. */
const FEW_BYTES = 64 * PAGE_BYTES
/** Parking, the last scan and waking up the target's thread, on top of bytes over bandwidth; about what loopback showed. */
const OVERHEAD_MS = 1.5

/** One step as the thread measured it. */
export interface StepShape {
  readonly computeMs: number
  /** Of the delta, as it would be sent. */
  readonly deltaBytes: number
}

export interface Forecast {
  readonly arenaPages: number
  /** Bytes installed a millisecond, an exponentially weighted mean over rounds. Undefined before the first. */
  readonly bytesPerMs: number | undefined
  /** Pages that one step dirties, at most: the fewest that a round with a step in it left behind. */
  readonly stepPages: number | undefined
  /** Undefined for a program that steps as a whole, or before its first step was seen. */
  readonly shape: StepShape | undefined
  /** The fewest bytes that a park was expected to leave, over all rounds; the whole arena before the first. */
  readonly fewestBytes: number
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
    shape: undefined,
    fewestBytes: arenaPages * PAGE_BYTES,
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
  readonly shape?: StepShape | undefined
}

export function learn(before: Forecast, { pendingPages, steps, bytesPerMs, shape }: Lesson): Forecast {
  const fewest = Math.min(pendingPages, before.stepPages ?? Number.POSITIVE_INFINITY)
  const learnt: Forecast = {
    ...before,
    bytesPerMs: movingMean(before.bytesPerMs, bytesPerMs),
    stepPages: steps > 0 ? fewest : before.stepPages,
    shape: shape && {
      computeMs: movingMean(before.shape?.computeMs, shape.computeMs) as number,
      deltaBytes: shape.deltaBytes,
    },
    pendingPages,
  }
  const bytes = bytesLeft(learnt, 'boundary')
  return {
    ...learnt,
    fewestBytes: Math.min(bytes, before.fewestBytes),
    stalledRounds: bytes < SHRINKING * before.fewestBytes ? 0 : before.stalledRounds + 1,
  }
}

function movingMean(mean: number | undefined, measured: number | undefined): number | undefined {
  if (mean === undefined || measured === undefined) return measured ?? mean
  return mean + WEIGHT * (measured - mean)
}

/** A switchover was given up: the forecast was too good. Each time it must promise twice as much. */
export function disappoint(before: Forecast): Forecast {
  return { ...afterPause(before), distrust: before.distrust * 2 }
}

/** Nothing was sent for a while: what was the fewest then says nothing of now. */
export function afterPause(before: Forecast): Forecast {
  return { ...before, fewestBytes: before.arenaPages * PAGE_BYTES, stalledRounds: 0 }
}

/** Bytes that a park at `point` is expected to leave. Until a step was seen, it may be everything. */
function bytesLeft(
  { pendingPages, stepPages, arenaPages, shape, bytesPerMs }: Forecast,
  point: ParkPoint,
): number {
  const pageBytes = Math.max(pendingPages, stepPages ?? arenaPages) * PAGE_BYTES
  if (point === 'boundary' || shape === undefined) return pageBytes
  return Math.max(0, pageBytes - shape.computeMs * (bytesPerMs ?? 0)) + shape.deltaBytes
}

/** Where a park leaves less, of the points that the person allows and the program has. */
function cheapestPoint(forecast: Forecast, allowed: ParkPoint | 'auto'): ParkPoint {
  if (forecast.shape === undefined || allowed === 'boundary') return 'boundary'
  if (allowed === 'preApply') return 'preApply'
  return bytesLeft(forecast, 'preApply') < bytesLeft(forecast, 'boundary') ? 'preApply' : 'boundary'
}

export interface Allowed {
  readonly parkPoint: ParkPoint | 'auto'
  readonly limitMs: number
}

export interface Expected {
  readonly point: ParkPoint
  readonly downtimeMs: number
}

/** The park that is expected to be shortest, or undefined before a round was measured. */
export function expectedPark(
  forecast: Forecast,
  allowed: ParkPoint | 'auto',
  roundTripMs: number,
): Expected | undefined {
  const { bytesPerMs, distrust } = forecast
  if (bytesPerMs === undefined) return undefined
  const point = cheapestPoint(forecast, allowed)
  const downtimeMs = (bytesLeft(forecast, point) / bytesPerMs + roundTripMs + OVERHEAD_MS) * distrust
  return { point, downtimeMs }
}

export type Decision =
  | { readonly park: false }
  | {
      readonly park: true
      readonly point: ParkPoint
      /** Why now, and with why there. */
      readonly why: string
      readonly reason: string
      readonly expectedMs: number
    }

/** Park, and where, or send another round? */
export function decide(forecast: Forecast, { parkPoint, limitMs }: Allowed, roundTripMs: number): Decision {
  const expected = expectedPark(forecast, parkPoint, roundTripMs)
  if (expected === undefined || expected.downtimeMs > limitMs) return { park: false }
  const { point, downtimeMs: expectedMs } = expected
  const parkHere = (why: string): Decision => ({
    park: true,
    point,
    why,
    reason: `${why}; ${comparison(forecast, point, parkPoint)}`,
    expectedMs,
  })
  if (bytesLeft(forecast, point) <= FEW_BYTES && forecast.stepPages !== undefined)
    return parkHere('few pages left')
  const { fewestBytes, stalledRounds } = forecast
  const nearTheBest =
    point === 'preApply' ||
    bytesLeft(forecast, 'boundary') <= NEAR_THE_BEST * fewestBytes ||
    stalledRounds >= MAX_STALLED_ROUNDS
  if (stalledRounds >= STALLED_ROUNDS && nearTheBest) return parkHere('rounds no longer shrink')
  return { park: false }
}

/** Why the park is where it is, for people. */
export function comparison(forecast: Forecast, point: ParkPoint, allowed: ParkPoint | 'auto'): string {
  if (forecast.shape === undefined)
    return 'at the boundary: the program does not split its step, or was not seen stepping'
  if (allowed !== 'auto') return `${point} as asked`
  const left = (where: ParkPoint): string => sayBytes(Math.round(bytesLeft(forecast, where)))
  const [early, late] = [left('preApply'), left('boundary')]
  return point === 'preApply'
    ? `before apply ${early} are expected to be left, at the boundary ${late}`
    : `at the boundary ${late} are expected to be left, before apply ${early}`
}

/** Rounds no longer shrink, and what they leave takes longer than it may. */
export function isStalled(forecast: Forecast, { parkPoint, limitMs }: Allowed, roundTripMs: number): boolean {
  const expected = expectedPark(forecast, parkPoint, roundTripMs)
  return expected !== undefined && expected.downtimeMs > limitMs && forecast.stalledRounds >= STALLED_ROUNDS
}
