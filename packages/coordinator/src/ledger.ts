/**
 * What is true of one workload: who owns which steps, and what was accepted of them. The record and the outputs change in one commit,
 * so that whoever reads them later finds each accepted step and no other.
 *
 * Invariants: nothing here is ahead of the store; a step is in the history when, and only when, the record counts it.
 */
import type { Divergence, Output } from '@godwit/protocol'
import type { KeyValueStore, Write } from './key-value.ts'
import type { OutputHistory } from './output-history.ts'
import { OutputStore } from './output-store.ts'
import { accept, type Decision, firstOwner, newestRange, type OwnershipRecord } from './ownership.ts'
import { createOwnership, keyOf, readOwnership, updateOwnership } from './ownership-store.ts'
import { acknowledgedStep, compareSteps, type Recomputation } from './recomputation.ts'

export class Ledger {
  readonly history: OutputHistory
  recomputation: Recomputation | undefined
  diverged: Divergence | undefined
  readonly #workload: string
  readonly #store: KeyValueStore
  readonly #outputs: OutputStore
  #record: OwnershipRecord

  private constructor(
    workload: string,
    store: KeyValueStore,
    known: { record: OwnershipRecord; outputs: OutputStore; history: OutputHistory },
  ) {
    this.#workload = workload
    this.#store = store
    this.#record = known.record
    this.#outputs = known.outputs
    this.history = known.history
  }

  /** Of a workload that starts on `host`. Nothing is written yet. */
  static fresh(workload: string, host: string, store: KeyValueStore, history: OutputHistory): Ledger {
    return new Ledger(workload, store, {
      record: firstOwner(host),
      outputs: new OutputStore(workload),
      history,
    })
  }

  /** Undefined when nothing is stored of it. */
  static async load(workload: string, store: KeyValueStore): Promise<Ledger | undefined> {
    const record = await readOwnership(store, workload)
    if (record === undefined) return undefined
    const outputs = new OutputStore(workload)
    const history = await outputs.load(store, record.acceptedSteps)
    return new Ledger(workload, store, { record, outputs, history })
  }

  get record(): OwnershipRecord {
    return this.#record
  }

  get epoch(): number {
    return newestRange(this.#record).epoch
  }

  /** The last step that workers may forget; -1 when there is none. */
  get acknowledgedStep(): number {
    return acknowledgedStep(this.#record.acceptedSteps, this.recomputation)
  }

  async create(also: readonly Write[]): Promise<void> {
    await createOwnership(this.#store, this.#workload, this.#record, also)
  }

  /** Deletes all that is stored here, and with it what `also` says. */
  async forget(also: readonly Write[]): Promise<void> {
    await this.#store.commit([
      { key: keyOf(this.#workload), value: undefined },
      ...this.#outputs.deletes(),
      ...also,
    ])
  }

  async decide(change: (record: OwnershipRecord) => Decision): Promise<Decision> {
    const decision = await updateOwnership(this.#store, this.#workload, change)
    this.#record = decision.record
    return decision
  }

  /** The outputs that count; the others are compared with those that did, if they were computed again. */
  async accept(outputs: readonly Output[]): Promise<readonly Output[]> {
    if (this.recomputation !== undefined) {
      const compared = compareSteps(this.recomputation, outputs, (step) =>
        // Of a step that is forgotten it gives the oldest that is not.
        this.history.read(step, 1).find((kept) => kept.step === step),
      )
      this.recomputation = compared.left
      this.diverged ??= compared.diverged
    }
    const { record, accepted } = await updateOwnership(
      this.#store,
      this.#workload,
      (record) => accept(record, outputs),
      (changed) => this.#outputs.writes(changed.accepted),
    )
    this.#record = record
    this.#outputs.written(accepted)
    for (const output of accepted) this.history.add(output)
    return accepted
  }
}
