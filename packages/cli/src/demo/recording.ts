/**
 * What a run reported, step by step, and the comparison of two: the whole claim of the project in one function.
 *
 * Losses are compared as the 64 bits they are. Equal numbers would not do: 0 equals -0 and NaN equals nothing,
 * and a run that ends in either is exactly where one wants to know.
 *
 * Invariant: nothing is put right here. A step that came twice, out of order or not at all stays visible.
 */
import type { Output, WorkloadView } from '@godwit/protocol'

export interface Recording {
  /** By step: the bits of its loss, of its first report. */
  readonly bits: ReadonlyMap<number, bigint>
  /** Steps that were reported more than once, or later than their successor. */
  readonly repeated: readonly number[]
  /** Undefined unless the run has finished. */
  readonly stateDigest: string | undefined
}

export interface Comparison {
  /** Steps that both runs reported. */
  steps: number
  lossBitsEqual: boolean
  stateDigestEqual: boolean
  /** The first step whose bits differ. */
  firstDifference: number | undefined
  /** By run, steps that are missing and steps that came more than once. */
  missing: number
  repeated: number
}

export class Recorder implements Recording {
  readonly bits = new Map<number, bigint>()
  readonly repeated: number[] = []
  /** Losses by step, for the curve. */
  readonly losses: number[] = []
  workload: WorkloadView | undefined
  #lastStep = -1

  get stateDigest(): string | undefined {
    return this.workload?.stateDigest
  }

  add(output: Output): void {
    if (output.step <= this.#lastStep) this.repeated.push(output.step)
    else this.#lastStep = output.step
    if (this.bits.has(output.step)) return
    this.bits.set(output.step, bitsOf(output.loss))
    this.losses[output.step] = output.loss
  }
}

/** Both runs were asked for `steps` steps. */
export function compareRuns(migrated: Recording, control: Recording, steps: number): Comparison {
  let compared = 0
  let missing = 0
  let firstDifference: number | undefined
  for (let step = 0; step < steps; step++) {
    const [left, right] = [migrated.bits.get(step), control.bits.get(step)]
    if (left === undefined) missing += 1
    if (right === undefined) missing += 1
    if (left === undefined || right === undefined) continue
    compared += 1
    if (left !== right) firstDifference ??= step
  }
  return {
    steps: compared,
    lossBitsEqual: compared === steps && firstDifference === undefined,
    stateDigestEqual: migrated.stateDigest !== undefined && migrated.stateDigest === control.stateDigest,
    firstDifference,
    missing,
    repeated: migrated.repeated.length + control.repeated.length,
  }
}

/** Whether the two runs were one and the same to the bit, each step reported once. */
export function isContinuous(comparison: Comparison): boolean {
  return comparison.lossBitsEqual && comparison.stateDigestEqual && comparison.repeated === 0
}

/** IEEE 754 double precision. */
export function bitsOf(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  return view.getBigUint64(0)
}
