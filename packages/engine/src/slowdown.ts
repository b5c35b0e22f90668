/**
 * How fast rounds may be sent without training becoming slower than it may.
 *
 * Sending takes what steps need too: a core now and then, the caches, the memory's bandwidth. How much depends on the machine, so it is
 * not computed but tried, as TCP tries a link: while steps take longer than allowed the pace is cut by a share, else it is raised by a
 * smaller one, until it no longer holds anybody back.
 *
 * Steps can be slow for other reasons, for which no pace is slow enough. So it is never cut below a sixteenth of the
 * fastest that was seen: what slowness is left then is hardly ours, and a migration that takes for ever helps nobody.
 *
 * Steps are judged by their median, as what is usual is: a mean of few is moved by a single one that was interrupted. (Measured on two
 * cores: undisturbed steps had a mean 4 to 18 % above their median, and a moving mean sent everything at the sixteenth.)
 *
 * Invariants: without a step there is no change; a limit is undefined or between that sixteenth and the fastest.
 */

/** Steps whose median says what is usual; and the fewest that do. */
const RECENT_STEPS = 64
const FEWEST_STEPS = 8
/** A change shows in the steps after it: it is judged by so many of them at least, the latest of so long. */
const JUDGED_STEPS = 5
const MOST_JUDGED_STEPS = 25
const BETWEEN_CHANGES_MS = 50
const CUT = 0.75
const RAISE = 1.1
const LOWEST_SHARE = 1 / 16

/** The times of the latest steps. Mutable, because it is kept all the time and not only while a migration asks. */
export class RecentSteps {
  readonly #stepMs = new Float64Array(RECENT_STEPS)
  #count = 0

  add(stepMs: number): void {
    this.#stepMs[this.#count % RECENT_STEPS] = stepMs
    this.#count += 1
  }

  /** Undefined while there are too few. */
  get medianMs(): number | undefined {
    if (this.#count < FEWEST_STEPS) return undefined
    return median(this.#stepMs.subarray(0, Math.min(this.#count, RECENT_STEPS)))
  }
}

export interface Slowdown {
  readonly usualStepMs: number
  /** A share: 0.1 allows steps a tenth longer. */
  readonly maxSlowdown: number
  /** Since the last change; the latest of them. */
  readonly stepMs: readonly number[]
  /** The fastest that was sent. */
  readonly fastestBytesPerMs: number
  /** Undefined: as fast as it goes. */
  readonly limitBytesPerMs: number | undefined
  /** Undefined before the first step. */
  readonly changed: { readonly atMs: number; readonly sentBytes: number } | undefined
}

export function beginSlowdown({
  usualStepMs,
  maxSlowdown,
}: {
  usualStepMs: number
  maxSlowdown: number
}): Slowdown {
  return {
    usualStepMs,
    maxSlowdown,
    stepMs: [],
    fastestBytesPerMs: 0,
    limitBytesPerMs: undefined,
    changed: undefined,
  }
}

/** A step was taken while a round was sent; `sentBytes` since the migration began. */
export function stepTaken(
  before: Slowdown,
  { stepMs, sentBytes }: { stepMs: number; sentBytes: number },
  nowMs: number,
): Slowdown {
  const since = before.changed
  if (since === undefined) return { ...before, changed: { atMs: nowMs, sentBytes } }
  const judged = [...before.stepMs, stepMs].slice(-MOST_JUDGED_STEPS)
  const tookMs = nowMs - since.atMs
  if (tookMs < BETWEEN_CHANGES_MS || judged.length < JUDGED_STEPS) return { ...before, stepMs: judged }
  const bytesPerMs = (sentBytes - since.sentBytes) / tookMs
  const next: Slowdown = {
    ...before,
    stepMs: [],
    fastestBytesPerMs: Math.max(before.fastestBytesPerMs, bytesPerMs),
    changed: { atMs: nowMs, sentBytes },
  }
  const isTooSlow = median(Float64Array.from(judged)) > before.usualStepMs * (1 + before.maxSlowdown)
  return { ...next, limitBytesPerMs: isTooSlow ? cut(next, bytesPerMs) : raised(next) }
}

/** Of at least one. */
function median(values: Float64Array): number {
  return values.slice().sort()[values.length >> 1] as number
}

function cut({ limitBytesPerMs, fastestBytesPerMs }: Slowdown, bytesPerMs: number): number | undefined {
  // Nothing was sent: nothing of it is our doing.
  if (bytesPerMs === 0) return limitBytesPerMs
  const usedBytesPerMs = Math.min(limitBytesPerMs ?? Number.POSITIVE_INFINITY, bytesPerMs)
  return Math.max(LOWEST_SHARE * fastestBytesPerMs, CUT * usedBytesPerMs)
}

function raised({ limitBytesPerMs, fastestBytesPerMs }: Slowdown): number | undefined {
  if (limitBytesPerMs === undefined) return undefined
  const more = RAISE * limitBytesPerMs
  return more >= fastestBytesPerMs ? undefined : more
}

/** How much longer steps became, as a share; negative when they became shorter. Undefined where too few were seen. */
export function measuredSlowdown(
  usualStepMs: number | undefined,
  meanwhile: RecentSteps,
): number | undefined {
  const { medianMs } = meanwhile
  return usualStepMs === undefined || medianMs === undefined || usualStepMs <= 0
    ? undefined
    : medianMs / usualStepMs - 1
}
