/**
 * What a migration cost its job: the time that its steps took longer than usual, and the downtime between two of them.
 *
 * Usual is the median of the steps just before the migration, which an odd slow step doesn't move. Counted are the
 * steps that were accepted while the migration ran and the ten after its switchover, in which caches warm up again.
 * A step's time is measured by the host that ran it, so the pause between two steps is in none of them: it is
 * added as the reported downtime.
 *
 * Invariant: steps that take exactly as long as before lose exactly the downtime.
 */

/** Steps before the migration that say what is usual. */
export const USUAL_STEPS = 64
/** Steps after the switchover that are counted. */
export const SETTLING_STEPS = 10

export interface LostTime {
  /** Undefined when no step was accepted before the migration: then nothing can be said. */
  readonly usualStepMs: number | undefined
  readonly excessMs: number
}

/** `stepMs`: the times of up to `USUAL_STEPS` steps before the migration began. */
export function beginLostTime(stepMs: readonly number[]): LostTime {
  return { usualStepMs: median(stepMs), excessMs: 0 }
}

/** Counts one more accepted step; `fromStep` is the first step at the target, undefined until it is known. */
export function countStep(
  lost: LostTime,
  output: { readonly step: number; readonly stepMs: number },
  fromStep: number | undefined,
): LostTime {
  if (lost.usualStepMs === undefined) return lost
  if (fromStep !== undefined && output.step >= fromStep + SETTLING_STEPS) return lost
  return { ...lost, excessMs: lost.excessMs + output.stepMs - lost.usualStepMs }
}

/** In milliseconds; null until the last counted step is accepted or the workload has ended. */
export function lostTimeMs(
  lost: LostTime,
  now: { acceptedSteps: number; fromStep: number; workloadEnded: boolean; downtimeMs: number },
): number | null {
  const complete = now.workloadEnded || now.acceptedSteps >= now.fromStep + SETTLING_STEPS
  return complete && lost.usualStepMs !== undefined ? lost.excessMs + now.downtimeMs : null
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle]
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2
}
