/**
 * A job's curve: what each step reported, as columns, and what of it is drawn.
 *
 * A run has more steps than a screen has pixels. So what is drawn is thinned: of each stretch of steps that falls on one pixel the first, the last,
 * the lowest and the highest point of each line (M4; Jugel et al., VLDB 2014), by which the picture is that of all points. In memory the older part
 * is thinned by the same rule when there are too many: a page that is open for a week is as large as one that was just opened.
 *
 * Invariants: steps ascend and none is there twice; a value that was not reported is NaN in a column and null in what is drawn.
 */
import { signal } from '@preact/signals'
import { Speeds, type Stretch } from './speeds.ts'

/** As it comes: from the coordinator's history or live. */
export interface CurvePoint {
  readonly step: number
  readonly loss: number
  readonly metrics?: Readonly<Record<string, number>> | undefined
  readonly stepMs?: number | undefined
}

export interface StepRange {
  readonly from: number
  readonly to: number
}

/** What a chart takes: steps, then one column for each line. */
export type DrawnColumns = [number[], ...(number | null)[][]]

export const LOSS = 'loss'
export const STEP_TIME = 'step time'
export const MAX_POINTS = 131_072
const FIRST_CAPACITY = 1024

export class Curve {
  /** Rises with each change: whoever draws reads it. */
  readonly version = signal(0)
  readonly #maxPoints: number
  readonly #speeds = new Speeds()
  #size = 0
  #steps = new Float64Array(FIRST_CAPACITY)
  #columns = new Map<string, Float64Array>([
    [LOSS, new Float64Array(FIRST_CAPACITY)],
    [STEP_TIME, new Float64Array(FIRST_CAPACITY)],
  ])

  constructor(maxPoints: number = MAX_POINTS) {
    this.#maxPoints = maxPoints
  }

  get size(): number {
    return this.#size
  }

  /** Loss, step time, then metrics in the order in which they were met. */
  get names(): string[] {
    return [...this.#columns.keys()]
  }

  /** From the first to the last step that is known; undefined where none is. */
  get extent(): StepRange | undefined {
    if (this.#size === 0) return undefined
    return { from: this.#steps[0] as number, to: this.#steps[this.#size - 1] as number }
  }

  /** Steps that were taken, each of them, by step. */
  add(points: readonly CurvePoint[]): void {
    const end = this.extent?.to ?? -1
    for (const { step, stepMs } of points)
      if (step > end && stepMs !== undefined) this.#speeds.add(step, stepMs)
    this.#merge(points)
  }

  /** Those that are there already are replaced. */
  #merge(points: readonly CurvePoint[]): void {
    const [first] = points
    if (first === undefined) return
    const after = this.#indexOf(first.step)
    const later = after === this.#size ? [] : this.#points(after, this.#size)
    this.#size = after
    for (const point of merged(later, points)) this.#push(point)
    this.version.value++
  }

  clear(): void {
    this.#size = 0
    this.#speeds.clear()
    this.version.value++
  }

  /** Undefined where the step is not known, or did not report it. */
  valueAt(name: string, step: number): number | undefined {
    const index = this.#indexOf(step)
    if (index === this.#size || this.#steps[index] !== step) return undefined
    const value = this.#columns.get(name)?.[index] as number
    return Number.isNaN(value) ? undefined : value
  }

  /** The latest that was reported. */
  latest(name: string): number | undefined {
    const column = this.#columns.get(name)
    if (column === undefined) return undefined
    for (let index = this.#size - 1; index >= 0; index--) {
      const value = column[index] as number
      if (!Number.isNaN(value)) return value
    }
    return undefined
  }

  /** Lines of these names in a range, with the points of each next to it, so that they run to its edges. `pixels`: how many it is drawn on. */
  drawn(names: readonly string[], range: StepRange, pixels: number): DrawnColumns {
    const [begin, end] = this.#around(range)
    const columns = names.map((name) => this.#columns.get(name))
    const within =
      end - begin <= 4 * pixels
        ? Array.from({ length: end - begin }, (_, at) => begin + at)
        : this.#chosen(columns, begin, end, range, pixels)
    const chosen = [...this.#knownBefore(columns, begin), ...within, ...this.#knownAfter(columns, end)]
    const steps = chosen.map((index) => this.#steps[index] as number)
    const lines = columns.map((column) =>
      chosen.map((index) => {
        const value = column?.[index] ?? Number.NaN
        return Number.isNaN(value) ? null : value
      }),
    )
    return [steps, ...lines]
  }

  /** A history of which points and speeds alone are known: in place of what is known of them, beside all else. */
  load(points: readonly CurvePoint[], history: readonly Stretch[]): void {
    this.#speeds.load(history)
    this.#merge(points)
  }

  /** Steps a second, over stretches of about four pixels at least. */
  throughput(range: StepRange, pixels: number): DrawnColumns {
    const stretches = this.#speeds.within(range, Math.max(1, pixels / 4))
    return [
      stretches.map(({ fromStep, steps }) => fromStep + (steps >> 1)),
      stretches.map(({ stepsPerSecond }) => stepsPerSecond),
    ]
  }

  /** Indices of the points in a range, with one more at each side. */
  #around({ from, to }: StepRange): [begin: number, end: number] {
    const begin = Math.max(0, this.#indexOf(from) - 1)
    const after = this.#indexOf(to + 1)
    return [begin, Math.min(this.#size, after + 1)]
  }

  /** Of columns that are reported seldom, the last points before `begin`. */
  #knownBefore(columns: readonly (Float64Array | undefined)[], begin: number): number[] {
    const found = new Set<number>()
    for (const column of columns) {
      let index = Math.min(begin, this.#size - 1)
      while (index >= 0 && Number.isNaN(column?.[index] ?? Number.NaN)) index--
      if (index >= 0 && index < begin) found.add(index)
    }
    return [...found].sort((a, b) => a - b)
  }

  #knownAfter(columns: readonly (Float64Array | undefined)[], end: number): number[] {
    const found = new Set<number>()
    for (const column of columns) {
      let index = end - 1
      while (index < this.#size && Number.isNaN(column?.[index] ?? Number.NaN)) index++
      if (index >= end && index < this.#size) found.add(index)
    }
    return [...found].sort((a, b) => a - b)
  }

  #chosen(
    columns: readonly (Float64Array | undefined)[],
    begin: number,
    end: number,
    range: StepRange,
    pixels: number,
  ): number[] {
    const known = columns.filter((column) => column !== undefined)
    const bucketOf = bucketing(range, pixels)
    const chosen: number[] = []
    for (let index = begin; index < end; ) {
      const bucket = bucketOf(this.#steps[index] as number)
      const first = index
      while (index < end && bucketOf(this.#steps[index] as number) === bucket) index++
      chosen.push(...telling(known, first, index))
    }
    return chosen
  }

  #push({ step, loss, metrics, stepMs }: CurvePoint): void {
    if (this.#size === this.#maxPoints) this.#thinOlder()
    if (this.#size === this.#steps.length) this.#grow()
    const at = this.#size++
    this.#steps[at] = step
    for (const column of this.#columns.values()) column[at] = Number.NaN
    this.#column(LOSS)[at] = loss
    this.#column(STEP_TIME)[at] = stepMs ?? Number.NaN
    // A metric that is called loss would be another thing under the same name.
    for (const [name, value] of Object.entries(metrics ?? {}))
      if (name !== LOSS) this.#column(name)[at] = value
  }

  #column(name: string): Float64Array {
    const known = this.#columns.get(name)
    if (known !== undefined) return known
    const made = new Float64Array(this.#steps.length).fill(Number.NaN)
    this.#columns.set(name, made)
    return made
  }

  #grow(): void {
    const larger = (column: Float64Array): Float64Array<ArrayBuffer> => {
      const grown = new Float64Array(2 * column.length).fill(Number.NaN)
      grown.set(column)
      return grown
    }
    this.#steps = larger(this.#steps)
    for (const [name, column] of this.#columns) this.#columns.set(name, larger(column))
  }

  /** The first three quarters become half as many points at most. */
  #thinOlder(): void {
    const older = (3 * this.#size) >> 2
    const columns = [...this.#columns.values()]
    const buckets = Math.max(1, Math.floor(older / (8 * columns.length)))
    const range = { from: this.#steps[0] as number, to: this.#steps[older - 1] as number }
    const kept = this.#chosen(columns, 0, older, range, buckets)
    for (const column of [this.#steps, ...columns]) {
      for (const [at, index] of kept.entries()) column[at] = column[index] as number
      column.copyWithin(kept.length, older, this.#size)
    }
    this.#size = kept.length + this.#size - older
  }

  #points(begin: number, end: number): CurvePoint[] {
    const metrics = this.names.filter((name) => name !== LOSS && name !== STEP_TIME)
    return Array.from({ length: end - begin }, (_, at) => {
      const index = begin + at
      const value = (name: string): number => (this.#columns.get(name) as Float64Array)[index] as number
      const stepMs = value(STEP_TIME)
      const reported = metrics.map((name) => [name, value(name)] as const)
      return {
        step: this.#steps[index] as number,
        loss: value(LOSS),
        stepMs: Number.isNaN(stepMs) ? undefined : stepMs,
        metrics: Object.fromEntries(reported.filter(([, each]) => !Number.isNaN(each))),
      }
    })
  }

  /** Of the first point at `step` or after it. */
  #indexOf(step: number): number {
    let [low, high] = [0, this.#size]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#steps[middle] as number) < step) low = middle + 1
      else high = middle
    }
    return low
  }
}

function bucketing({ from, to }: StepRange, buckets: number): (step: number) => number {
  const scale = buckets / (to - from + 1)
  return (step) => Math.floor((step - from) * scale)
}

/** Indices of the first, last, lowest and highest known values of each column, ascending. */
function telling(columns: readonly Float64Array[], begin: number, end: number): number[] {
  const chosen = new Set<number>()
  for (const column of columns) {
    let [first, last, lowest, highest] = [-1, -1, -1, -1]
    for (let index = begin; index < end; index++) {
      const value = column[index] as number
      if (Number.isNaN(value)) continue
      if (first < 0) first = lowest = highest = index
      last = index
      if (value < (column[lowest] as number)) lowest = index
      if (value > (column[highest] as number)) highest = index
    }
    if (first >= 0) for (const index of [first, last, lowest, highest]) chosen.add(index)
  }
  return [...chosen].sort((a, b) => a - b)
}

/** By step; of two for one step the newer. */
function* merged(older: readonly CurvePoint[], newer: readonly CurvePoint[]): Generator<CurvePoint> {
  let next = 0
  for (const point of newer) {
    for (; next < older.length && (older[next] as CurvePoint).step < point.step; next++)
      yield older[next] as CurvePoint
    if (older[next]?.step === point.step) next++
    yield point
  }
  for (; next < older.length; next++) yield older[next] as CurvePoint
}
