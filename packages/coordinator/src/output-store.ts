/**
 * The accepted outputs of a workload in the store: chunks of steps, each under its first step, oldest first.
 *
 * A chunk is written in the same commit as the ownership record that accepts its steps, so the two never disagree. The
 * newest chunk is written again with each batch until it is full: a step costs the store some thirty bytes and no entry.
 * What the record does not count as accepted is not read back, and the next chunk to begin there overwrites it.
 *
 * Invariants: losses and step times come back bit for bit; what is kept is gapless up to the last accepted step; at most about
 * `maxKeptSteps` steps of a workload are kept.
 */
import { decodeValue, encodeValue, LIMITS, type Output } from '@godwit/protocol'
import type { KeyValueStore, Write } from './key-value.ts'
import { OutputHistory } from './output-history.ts'

/** As many as a message carries: some five kilobytes. */
export const CHUNK_STEPS = LIMITS.maxOutputsPerMessage
/** Of a key's number: every step that a double counts exactly. */
const STEP_DIGITS = 16

interface Chunk {
  /** Indices at which an epoch begins. */
  readonly epochs: readonly (readonly [index: number, epoch: number])[]
  readonly losses: Float64Array
  readonly stepMs: Float64Array
  readonly metrics: readonly (readonly [index: number, metrics: Record<string, number>])[]
}

export class OutputStore {
  readonly #workload: string
  readonly #maxSteps: number
  /** First steps of the chunks before the newest, oldest first. */
  #full: readonly number[] = []
  #newest: readonly Output[] = []

  constructor(workload: string, maxSteps: number = LIMITS.maxKeptSteps) {
    this.#workload = workload
    this.#maxSteps = maxSteps
  }

  /** What is to be written with the record that accepts `outputs`. Nothing changes here before `written`. */
  writes(outputs: readonly Output[]): Write[] {
    const { full, newest } = this.#with(outputs)
    const unchanged = new Set(this.#full)
    const added = full.filter((step) => !unchanged.has(step))
    const all = [...this.#newest, ...outputs]
    const base = all[0]?.step ?? 0
    const chunks = [...added, ...(newest[0] === undefined ? [] : [newest[0].step])].map((step) => ({
      key: this.#key(step),
      value: encodeChunk(all.slice(step - base, step - base + CHUNK_STEPS)),
    }))
    const kept = new Set(full)
    const forgotten = this.#full.filter((step) => !kept.has(step))
    return [...chunks, ...forgotten.map((step) => ({ key: this.#key(step), value: undefined }))]
  }

  /** The commit was made. */
  written(outputs: readonly Output[]): void {
    const { full, newest } = this.#with(outputs)
    this.#full = full
    this.#newest = newest
  }

  /** What deletes all of it. */
  deletes(): Write[] {
    const newest = this.#newest[0] === undefined ? [] : [this.#newest[0].step]
    return [...this.#full, ...newest].map((step) => ({ key: this.#key(step), value: undefined }))
  }

  /** Everything that is kept, up to `acceptedSteps`. Called once, before anything else. */
  async load(store: KeyValueStore, acceptedSteps: number): Promise<OutputHistory> {
    let history = new OutputHistory(this.#maxSteps)
    for (const { key, value } of await store.list(`outputs/${this.#workload}/`)) {
      const first = Number(key.slice(-STEP_DIGITS))
      const outputs = decodeChunk(first, value).filter(({ step }) => step < acceptedSteps)
      if (outputs.length === 0) continue
      if (first > history.nextStep) history = new OutputHistory(this.#maxSteps, first)
      for (const output of outputs) if (output.step === history.nextStep) history.add(output)
      if (this.#newest[0] !== undefined) this.#full = [...this.#full, this.#newest[0].step]
      this.#newest = outputs
    }
    if (history.nextStep < acceptedSteps) history = new OutputHistory(this.#maxSteps, acceptedSteps)
    if (this.#newest.length >= CHUNK_STEPS || (this.#newest.at(-1)?.step ?? -1) + 1 < acceptedSteps) {
      if (this.#newest[0] !== undefined) this.#full = [...this.#full, this.#newest[0].step]
      this.#newest = []
    }
    return history
  }

  #with(outputs: readonly Output[]): { full: readonly number[]; newest: readonly Output[] } {
    let newest = [...this.#newest, ...outputs]
    const full = [...this.#full]
    while (newest.length >= CHUNK_STEPS && newest[0] !== undefined) {
      full.push(newest[0].step)
      newest = newest.slice(CHUNK_STEPS)
    }
    const last = outputs.at(-1)?.step ?? 0
    while (full[1] !== undefined && full[1] <= last - this.#maxSteps) full.shift()
    return { full, newest }
  }

  #key(step: number): string {
    return `outputs/${this.#workload}/${String(step).padStart(STEP_DIGITS, '0')}`
  }
}

function encodeChunk(outputs: readonly Output[]): Uint8Array {
  const chunk: Chunk = {
    epochs: outputs.flatMap(({ epoch }, index) =>
      epoch === outputs[index - 1]?.epoch ? [] : [[index, epoch]],
    ),
    losses: Float64Array.from(outputs, ({ loss }) => loss),
    stepMs: Float64Array.from(outputs, ({ stepMs }) => stepMs),
    metrics: outputs.flatMap(({ metrics }, index) => (metrics === undefined ? [] : [[index, metrics]])),
  }
  return encodeValue(chunk)
}

function decodeChunk(first: number, bytes: Uint8Array): Output[] {
  const { epochs, losses, stepMs, metrics } = decodeValue(bytes) as Chunk
  const metricsAt = new Map(metrics)
  let epoch = 0
  const begins = new Map(epochs)
  return Array.from(losses, (loss, index) => {
    epoch = begins.get(index) ?? epoch
    const own = metricsAt.get(index)
    return {
      step: first + index,
      epoch,
      loss,
      stepMs: stepMs[index] ?? 0,
      ...(own === undefined ? {} : { metrics: own }),
    }
  })
}
