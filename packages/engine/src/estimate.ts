/**
 * A migration played through before it happens.
 *
 * Nothing new is decided here: rounds of the measured job over the measured link are counted out one after the other, and after each
 * the forecast is asked what it would ask for. So an estimate is as good as what was measured, and the engine's own changes
 * of mind are in it.
 *
 * How many pages several steps write is interpolated: each is taken to write as many, drawn from as large a part of the arena as
 * makes the steps that were watched write what they did. A job that rewrites the same pages and one that
 * scatters are both met exactly at one step and at all that were watched. (The urn model behind working-set estimates; Denning.)
 *
 * Left out are the page codec, and what two hosts do to each other's speed.
 */
import {
  type Estimate,
  type JobMeasure,
  type LinkMeasure,
  type MigrationOptions,
  PAGE_BYTES,
} from '@godwit/protocol'
import { decide, expectedPark, type Forecast, isStalled, learn, noForecast } from './forecast.ts'

/** More rounds than any migration that gets anywhere has. */
const MAX_ROUNDS = 1000
/** A round that has next to nothing to send takes so long all the same. */
const SHORTEST_ROUND_MS = 0.5
const BISECTIONS = 50

type Chosen = Pick<MigrationOptions, 'downtimeLimitMs' | 'parkPoint' | 'method' | 'maxBandwidth'>

export function estimateMigration(job: JobMeasure, measured: LinkMeasure, chosen: Chosen): Estimate {
  const { maxBandwidth = Number.POSITIVE_INFINITY } = chosen
  const link = { ...measured, bytesPerMs: Math.min(measured.bytesPerMs, maxBandwidth / 1000) }
  const times = chosen.method === 'stopcopy' ? stopAndCopy(job, link) : preCopy(job, link, chosen)
  return { ...times, totalMs: job.setupMs + times.totalMs, job, link }
}

/** What came of it; `totalMs` without setup. */
type Played = Omit<Estimate, 'job' | 'link'>

/** Nothing was sent before: all of it is left. */
function stopAndCopy(
  { arenaPages, zeroPages }: JobMeasure,
  { bytesPerMs, roundTripMs }: LinkMeasure,
): Played {
  const forecast = { ...noForecast(arenaPages - zeroPages), bytesPerMs }
  const downtimeMs = expectedPark(forecast, 'boundary', roundTripMs)?.downtimeMs ?? 0
  const reason = 'stop and copy, as asked'
  return { converges: true, downtimeMs, totalMs: downtimeMs, rounds: 1, parkPoint: 'boundary', reason }
}

function preCopy(
  job: JobMeasure,
  link: LinkMeasure,
  { parkPoint, downtimeLimitMs: limitMs }: Chosen,
): Played {
  const { bytesPerMs, roundTripMs } = link
  const allowed = { parkPoint, limitMs }
  const shape =
    job.computeMs === undefined ? undefined : { computeMs: job.computeMs, deltaBytes: job.deltaBytes ?? 0 }
  const written = pagesWritten(job)
  let forecast: Forecast = noForecast(job.arenaPages)
  let [atMs, toSend, rounds] = [0, job.arenaPages - job.zeroPages, 0]
  while (rounds < MAX_ROUNDS) {
    rounds += 1
    const endMs = atMs + Math.max(SHORTEST_ROUND_MS, (toSend * PAGE_BYTES) / bytesPerMs)
    const steps = Math.floor(endMs / job.stepMs) - Math.floor(atMs / job.stepMs)
    const pendingPages = written(steps)
    forecast = learn(forecast, { pendingPages, steps, bytesPerMs, shape })
    atMs = endMs
    const decision = decide(forecast, allowed, roundTripMs)
    if (decision.park) {
      const { point, reason, expectedMs: downtimeMs } = decision
      const totalMs = atMs + waitForPark(job, atMs, point) + downtimeMs
      return { converges: true, downtimeMs, totalMs, rounds: rounds + 1, parkPoint: point, reason }
    }
    if (isStalled(forecast, allowed, roundTripMs)) break
    // A round waits for something to send.
    if (pendingPages === 0) atMs = nextBoundary(job, atMs)
    toSend = pendingPages === 0 ? written(1) : pendingPages
  }
  const forced = expectedPark(forecast, parkPoint, roundTripMs)
  const [downtimeMs, point] = [forced?.downtimeMs ?? 0, forced?.point ?? 'boundary']
  return {
    converges: false,
    downtimeMs,
    totalMs: atMs + waitForPark(job, atMs, point) + downtimeMs,
    rounds: rounds + 1,
    parkPoint: point,
    reason: `rounds stop shrinking, and what they leave takes longer than ${limitMs} ms`,
  }
}

function nextBoundary({ stepMs }: JobMeasure, atMs: number): number {
  return (Math.floor(atMs / stepMs) + 1) * stepMs
}

/** From the wish to park to the thread parked: at the next boundary, or after the compute that begins there. */
function waitForPark(job: JobMeasure, atMs: number, point: 'boundary' | 'preApply'): number {
  return nextBoundary(job, atMs) - atMs + (point === 'preApply' ? (job.computeMs ?? 0) : 0)
}

/** By number of steps, the pages that they write together. */
export function pagesWritten({
  arenaPages,
  stepPages,
  watchedPages,
  watchedSteps,
}: Pick<JobMeasure, 'arenaPages' | 'stepPages' | 'watchedPages' | 'watchedSteps'>): (
  steps: number,
) => number {
  if (stepPages === 0) return () => 0
  const among = (pages: number, steps: number): number => pages * (1 - (1 - stepPages / pages) ** steps)
  // Of a single step nothing is known of the next: the worst.
  let [low, high] = [watchedSteps > 1 ? Math.max(stepPages, watchedPages) : arenaPages, arenaPages]
  for (let times = 0; times < BISECTIONS && low < high; times++) {
    const middle = (low + high) / 2
    if (among(middle, watchedSteps) < watchedPages) low = middle
    else high = middle
  }
  return (steps) => Math.round(among(high, steps))
}
