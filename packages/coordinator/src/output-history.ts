/**
 * The accepted outputs of one workload, kept for those who begin to follow later.
 *
 * A long job has a million steps, so a step costs two numbers here and no object: loss and step time in two rings
 * that grow up to a limit and then forget the oldest. Its epoch follows from where epochs began. Metrics are rare or
 * bulky, and kept for the latest steps that had some.
 *
 * Invariant: what is kept is gapless, up to the last accepted step; losses come back bit for bit.
 */
import { LIMITS, type Output } from '@godwit/protocol'

const FIRST_CAPACITY = 1024
/** Steps whose metrics are kept: 64 messages full of them. */
const MAX_KEPT_METRICS = 64 * LIMITS.maxOutputsPerMessage

export class OutputHistory {
  readonly #maxSteps: number
  readonly #epochs: { epoch: number; fromStep: number }[] = []
  readonly #metrics = new Map<number, Record<string, number>>()
  #losses: Float64Array
  #stepMs: Float64Array
  #firstStep = 0
  #nextStep = 0

  /** `startStep`: of those before nothing is known any more. */
  constructor(maxSteps: number = LIMITS.maxKeptSteps, startStep = 0) {
    this.#maxSteps = maxSteps
    // With steps missing at the beginning none would lie at its own number while the rings grow.
    this.#losses = new Float64Array(startStep > 0 ? maxSteps : Math.min(FIRST_CAPACITY, maxSteps))
    this.#stepMs = new Float64Array(this.#losses.length)
    this.#firstStep = startStep
    this.#nextStep = startStep
  }

  /** The first step that is kept. */
  get firstStep(): number {
    return this.#firstStep
  }

  /** The step that will be added next. */
  get nextStep(): number {
    return this.#nextStep
  }

  /** Adds the output of `nextStep`. */
  add(output: Output): void {
    if (output.step !== this.#nextStep) {
      throw new Error(`step ${output.step} was accepted where ${this.#nextStep} comes next`)
    }
    if (this.#nextStep === this.#losses.length && this.#losses.length < this.#maxSteps) this.#grow()
    const slot = output.step % this.#losses.length
    this.#losses[slot] = output.loss
    this.#stepMs[slot] = output.stepMs
    if (this.#epochs.at(-1)?.epoch !== output.epoch) {
      this.#epochs.push({ epoch: output.epoch, fromStep: output.step })
    }
    if (output.metrics !== undefined) this.#keepMetrics(output.step, output.metrics)
    this.#nextStep += 1
    this.#firstStep = Math.max(this.#firstStep, this.#nextStep - this.#losses.length)
    while ((this.#epochs[1]?.fromStep ?? this.#nextStep) <= this.#firstStep) this.#epochs.shift()
  }

  /** Up to `max` outputs from `fromStep` on, or from the first one kept. */
  read(fromStep: number, max: number): Output[] {
    const outputs: Output[] = []
    const from = Math.max(fromStep, this.#firstStep)
    const to = Math.min(this.#nextStep, from + max)
    for (let step = from; step < to; step++) outputs.push(this.#at(step))
    return outputs
  }

  /** Losses and step times of steps that are kept, one after the other: a view of what is here, valid until the next `add`, or a copy. */
  columns(from: number, end: number): { losses: Float64Array; stepMs: Float64Array } {
    return { losses: this.#stretch(this.#losses, from, end), stepMs: this.#stretch(this.#stepMs, from, end) }
  }

  /** Of a step that is kept. */
  outputAt(step: number): Output {
    return this.#at(step)
  }

  /** By step, as far as they are kept. */
  *metricsIn(
    from: number,
    end: number,
  ): Generator<readonly [step: number, metrics: Readonly<Record<string, number>>]> {
    for (const each of this.#metrics) if (each[0] >= from && each[0] < end) yield each
  }

  /** Step times in milliseconds of up to `count` latest steps, oldest first. */
  latestStepMs(count: number): number[] {
    return this.read(Math.max(0, this.#nextStep - count), count).map(({ stepMs }) => stepMs)
  }

  /** The last accepted output. */
  get latest(): Output | undefined {
    return this.#nextStep === this.#firstStep ? undefined : this.#at(this.#nextStep - 1)
  }

  #at(step: number): Output {
    const slot = step % this.#losses.length
    const epoch = this.#epochs.findLast(({ fromStep }) => fromStep <= step)?.epoch
    const loss = this.#losses[slot]
    const stepMs = this.#stepMs[slot]
    if (epoch === undefined || loss === undefined || stepMs === undefined) {
      throw new Error(`step ${step} is not kept`)
    }
    const metrics = this.#metrics.get(step)
    return { step, epoch, loss, stepMs, ...(metrics === undefined ? {} : { metrics }) }
  }

  #stretch(ring: Float64Array, from: number, end: number): Float64Array {
    const first = from % ring.length
    if (first + end - from <= ring.length) return ring.subarray(first, first + end - from)
    const stretch = new Float64Array(end - from)
    stretch.set(ring.subarray(first))
    stretch.set(ring.subarray(0, end - from - (ring.length - first)), ring.length - first)
    return stretch
  }

  #keepMetrics(step: number, metrics: Record<string, number>): void {
    this.#metrics.set(step, metrics)
    if (this.#metrics.size <= MAX_KEPT_METRICS) return
    const oldest = this.#metrics.keys().next()
    if (!oldest.done) this.#metrics.delete(oldest.value)
  }

  /** Only while nothing was forgotten: then each step still lies at its own number. */
  #grow(): void {
    const capacity = Math.min(this.#maxSteps, 2 * this.#losses.length)
    const losses = new Float64Array(capacity)
    losses.set(this.#losses)
    this.#losses = losses
    const stepMs = new Float64Array(capacity)
    stepMs.set(this.#stepMs)
    this.#stepMs = stepMs
  }
}
