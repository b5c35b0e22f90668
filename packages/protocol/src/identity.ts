/**
 * What two workers must have in common for one to take over the other's job bit for bit.
 *
 * Version strings prove nothing about bits, so almost nothing here is one: digests of the program, its data and its
 * layout, and what the first steps of the job computed. The target repeats those steps from the same seed in its
 * rehearsal; if its bits agree there, on the very kernels and data of this job, it may go on with them. The hashes of
 * `Math` functions that the program refers to are carried to name the culprit when they don't.
 */
import { z } from 'zod'
import { count, digest, name, path, recordOf, trackerKind } from './common.ts'
import type { ErrorReport } from './errors.ts'
import { LIMITS } from './limits.ts'

export const identity = z.strictObject({
  program: name,
  /** The program's own code and the exact versions of the packages that it imports. */
  programDigest: digest,
  parametersDigest: digest,
  layoutDigest: digest,
  /** By the name under which the program opened each file. */
  dataDigests: recordOf(path, digest, LIMITS.maxDataFiles),
  /** By name, for each `Math` function that the program's own code refers to. */
  mathDigests: recordOf(name, digest, LIMITS.maxMathFunctions),
  /** Losses and paged memory after the first steps from `init`. */
  rehearsalDigest: digest,
  arenaBytes: count.max(LIMITS.maxArenaBytes),
  tracker: trackerKind,
})
export type Identity = z.infer<typeof identity>

/** Bytes of paged memory that a worker takes while it is tracked: a shadow doubles them. */
export function trackedBytes({ arenaBytes, tracker }: Pick<Identity, 'arenaBytes' | 'tracker'>): number {
  return arenaBytes * (tracker === 'compare' ? 2 : 1)
}

/** The first reason why `target` must not take over from `source`, or undefined when the bits will agree. */
export function difference(source: Identity, target: Identity): ErrorReport | undefined {
  if (source.programDigest !== target.programDigest) {
    return {
      kind: 'program-differs',
      message: `the target runs another version of program ${source.program}: install the same program and package versions on both hosts`,
    }
  }
  if (source.parametersDigest !== target.parametersDigest) {
    return { kind: 'parameters-differ', message: 'the target was started with other parameters' }
  }
  for (const [file, expected] of Object.entries(source.dataDigests)) {
    if (target.dataDigests[file] !== expected) {
      return {
        kind: 'data-differs',
        message: `the target has other bytes in ${file}: install the same version of the data on both hosts`,
      }
    }
  }
  if (source.layoutDigest !== target.layoutDigest || source.arenaBytes !== target.arenaBytes) {
    return {
      kind: 'layout-differs',
      message:
        'the target laid out its tensors differently: does setup depend on something besides its parameters and data?',
    }
  }
  if (source.rehearsalDigest !== target.rehearsalDigest) {
    const culprits = Object.keys(source.mathDigests).filter(
      (fn) => source.mathDigests[fn] !== target.mathDigests[fn],
    )
    const because =
      culprits.length > 0
        ? `${culprits.map((fn) => `Math.${fn}`).join(', ')} gives other bits there: take it from a WASM kernel or a table`
        : 'its first steps from the same seed gave other bits'
    return { kind: 'bits-differ', message: `the target would not continue this job bit for bit: ${because}` }
  }
  return undefined
}
