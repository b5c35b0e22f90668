/**
 * One step under the microscope: watched while it computes, each half done twice, and the second time from what a
 * move carries instead of what lies in memory.
 */
import { encodeValue, GodwitError } from '@godwit/protocol'
import { type Bench, difference, listed, reportBits, stateDifference } from './check-bench.ts'
import { Broken, type CheckName } from './check-findings.ts'
import { deltaDifferences, movedDelta } from './check-values.ts'
import type { Delta, StepReport } from './contract.ts'

/** Takes a split step. Throws `Broken` for `compute-writes`, `compute-repeats` or `apply-repeats`. */
export function dissectStep(bench: Bench): void {
  const before = encodeValue(bench.state)
  let first: Delta | undefined
  const written = bench.writtenBy(() => {
    first = bench.compute()
  })
  if (written.length > 0) {
    throw new Broken(
      'compute-writes',
      `compute wrote to ${listed(written)} at step ${bench.step}: return what changes in the delta, and write it in apply`,
    )
  }
  const state = stateDifference(before, encodeValue(bench.state))
  if (state !== undefined) {
    throw new Broken(
      'compute-writes',
      `compute changed ${state} at step ${bench.step}: return it in delta.values, and change it in apply`,
    )
  }
  const moved = movedDelta(first as Delta)
  const again = bench.compute()
  const differs = deltaDifferences(moved, again)
  if (differs.length > 0) {
    throw new Broken(
      'compute-repeats',
      `compute, asked again at step ${bench.step}, gave another ${listed(differs)}: it may depend on tensors and small state only (no counter, no random source, no clock)`,
    )
  }
  stepTwice(bench, (attempt) => bench.apply(attempt === 0 ? again : moved), 'apply')
}

/** Takes a step twice from the same state; the second time as a target would, from what a move carries. */
export function stepTwice(bench: Bench, take: (attempt: 0 | 1) => StepReport, what: 'apply' | 'step'): void {
  const { step } = bench
  const before = bench.save()
  const first = reportBits(take(0))
  const after = bench.fingerprint()
  bench.restore(before, step)
  const reportDiffers = reportBits(take(1)) !== first
  const differs = difference(after, bench.fingerprint()) ?? (reportDiffers ? 'what it reports' : undefined)
  if (differs !== undefined) {
    throw new Broken(
      'apply-repeats',
      `${what}, done again from the same state at step ${step}, gave other bits in ${differs}: it may depend on tensors, small state${what === 'apply' ? ' and the delta' : ''} only; keep what it remembers in them`,
    )
  }
}

/** Charges what `body` throws to `check`; a loss that is no number has a check of its own. */
export function blame<T>(check: CheckName, body: () => T): T {
  try {
    return body()
  } catch (error) {
    if (!(error instanceof GodwitError)) throw error
    throw new Broken(error.kind === 'loss-not-finite' ? 'loss' : check, error.message, { cause: error })
  }
}
