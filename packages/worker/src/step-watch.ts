/**
 * Watches what a migration does to training: how long steps take while rounds are sent, for the report, and how fast rounds may be
 * sent so that they take no longer than allowed. The rules are @godwit/engine's.
 *
 * What is usual is the median of the steps before the migration reached this host.
 */
import { availableParallelism } from 'node:os'
import { beginSlowdown, measuredSlowdown, RecentSteps, type Slowdown, stepTaken } from '@godwit/engine'
import { LIMITS, type Priority } from '@godwit/protocol'
import { nowMs } from './clock.ts'

export class StepWatch {
  readonly #usualStepMs: number | undefined
  readonly #meanwhile = new RecentSteps()
  /** Undefined where training may become as slow as it does. */
  #slowdown: Slowdown | undefined

  /** `maxSlowdown`: as in the migration's options. */
  constructor(
    before: RecentSteps,
    { maxSlowdown, priority }: { maxSlowdown?: number | undefined; priority: Priority },
  ) {
    const allowed = maxSlowdown ?? defaultMaxSlowdown(priority)
    const usualStepMs = before.medianMs
    this.#usualStepMs = usualStepMs
    if (usualStepMs !== undefined && allowed < 1)
      this.#slowdown = beginSlowdown({ usualStepMs, maxSlowdown: allowed })
  }

  /** A step was applied while a round was sent; `sentBytes` since the migration began. Returns what may be sent a millisecond from now on, undefined without a limit. */
  stepped(stepMs: number, sentBytes: number): number | undefined {
    this.#meanwhile.add(stepMs)
    this.#slowdown &&= stepTaken(this.#slowdown, { stepMs, sentBytes }, nowMs())
    return this.#slowdown?.limitBytesPerMs
  }

  /** How much longer steps became, as a share; undefined where too few were seen. */
  get measured(): number | undefined {
    return measuredSlowdown(this.#usualStepMs, this.#meanwhile)
  }
}

/** Who is in a hurry may disturb training more, and who is not less. */
const HURRY: Readonly<Record<Priority, number>> = { high: 2, normal: 1, low: 0.5 }

function defaultMaxSlowdown(priority: Priority): number {
  if (availableParallelism() < LIMITS.slowdownCores) return Number.POSITIVE_INFINITY
  return LIMITS.defaultMaxSlowdown * HURRY[priority]
}
