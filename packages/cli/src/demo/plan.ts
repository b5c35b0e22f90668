/**
 * How long the demo trains and when it moves: enough steps that a person sees the loss fall, and moves spread over
 * the run with time on both sides of each.
 */

/** Steps of about 20 seconds for each program that comes with Godwit; the demo trains them twice. */
const STEPS: Readonly<Record<string, number>> = {
  'mnist-mlp': 1500,
  'char-transformer': 80,
  'word-embeddings': 12_000,
}
const OTHER_STEPS = 500
/** Steps between the end of a move and the next: more than the ten over which its lost time is measured. */
const MIN_GAP_STEPS = 12

export function defaultSteps(program: string): number {
  return STEPS[program] ?? OTHER_STEPS
}

/**
 * At which step each of `migrations` moves begins, for a run of `steps`. The last half of the run is left for the last
 * move's own time and for steps after it.
 */
export function migrationSteps(steps: number, migrations: number): number[] {
  return Array.from({ length: migrations }, (_, index) =>
    Math.floor((steps * (index + 0.3)) / (migrations + 0.6)),
  )
}

/** The step at which the next move begins when the one before was done at `doneStep`. */
export function nextStart(plannedStep: number, doneStep: number | undefined): number {
  return doneStep === undefined ? plannedStep : Math.max(plannedStep, doneStep + MIN_GAP_STEPS)
}
