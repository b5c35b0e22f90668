/**
 * One workload as the coordinator sees it: what is asked of it, one thing after another.
 *
 * What happens to a workload waits in its queue, because most of it changes what is stored, and the store takes its time. What it
 * goes through is in workload-life.ts, what its workers and their hosts say in workload-hearing.ts. Decisions are elsewhere: outputs are
 * accepted by ownership.ts, migrations decided by migration-machine.ts, restarts by restarts.ts; orders to its workers are given by
 * workload-workers.ts.
 */
import {
  type CheckpointView,
  type ErrorReport,
  GodwitError,
  type MigrationOptions,
  type MigrationView,
  type PlacementRules,
  toErrorReport,
  type WorkloadView,
} from '@godwit/protocol'
import type { WorkloadState } from './changes.ts'
import { Ledger } from './ledger.ts'
import type { QueuedMove } from './move-queue.ts'
import { makeWorkerId } from './names.ts'
import type { OutputFeed } from './output-feed.ts'
import { OutputHistory } from './output-history.ts'
import { KEYS, type MigrationRecord, type WorkloadRecord } from './records.ts'
import { NO_RESTARTS } from './restart-policy.ts'
import type { EndedWorkload } from './retention.ts'
import { WorkloadHearing } from './workload-hearing.ts'
import { type Prepared, type Services, WorkloadLife } from './workload-life.ts'
import type { Asked, WorkloadMoves } from './workload-moves.ts'
import { type PlacedJob, placedJob } from './workload-placed.ts'
import type { WorkloadSpec } from './workload-view.ts'

export class Workload {
  readonly #life: WorkloadLife
  /** For those who pass on what workers and agents say. */
  readonly hears: WorkloadHearing

  private constructor(record: WorkloadRecord, ledger: Ledger, services: Services) {
    this.#life = new WorkloadLife(record, ledger, services)
    this.hears = new WorkloadHearing(this.#life)
  }

  static create(spec: WorkloadSpec, host: string, services: Services): Workload {
    const record: WorkloadRecord = {
      spec,
      order: services.nextOrder(),
      status: 'starting',
      startedAtMs: services.clock.calendarMs(),
      host,
      owner: makeWorkerId(spec.id, 1),
      stopWanted: false,
      restarts: NO_RESTARTS,
    }
    return new Workload(record, Ledger.fresh(spec.id, host, services.store, new OutputHistory()), services)
  }

  /** One that an earlier coordinator wrote down, with its latest migration. Nothing happens before `resume`. */
  static restore(
    record: WorkloadRecord,
    ledger: Ledger,
    services: Services,
    migration: MigrationRecord | undefined,
  ): Workload {
    const workload = new Workload(record, ledger, services)
    const life = workload.#life
    const { owner, host, prepared, attempt } = record
    if (prepared !== undefined) life.workers.isPrepared(owner, prepared)
    const move = migration && life.moves.restore(migration)
    // Whoever lives of a job that is over is killed as one that nobody knows.
    if (!life.isActive) return workload
    // During a restart the old owner is no more.
    life.workers.isKnown(attempt?.workerId ?? owner, host)
    if (move === undefined) return workload
    if (move.isQueued) return workload
    const { sourceWorker, from, targetWorker, to } = move.plan
    if (move.isOver) {
      if (move.status === 'completed') life.workers.isKnown(sourceWorker, from)
      return workload
    }
    if (attempt === undefined) life.workers.isKnown(sourceWorker, from)
    // One that was to be killed may live: its agent is told that nobody knows it.
    if (move.status !== 'cancelling') life.workers.isKnown(targetWorker, to)
    return workload
  }

  get id(): string {
    return this.spec.id
  }

  get spec(): WorkloadSpec {
    return this.#life.spec
  }

  get feed(): OutputFeed {
    return this.#life.feed
  }

  get isActive(): boolean {
    return this.#life.isActive
  }

  get state(): WorkloadState {
    return this.#life.state
  }

  view(): WorkloadView {
    return this.#life.view()
  }

  get host(): string {
    return this.#life.host
  }

  /** It is there, on its way there, or leaves it. */
  isAt(host: string): boolean {
    const { from, to } = this.#life.moves.open?.plan ?? {}
    return host === this.#life.host || host === from || host === to
  }

  /** Where it is and has been. */
  hosts(): string[] {
    return [this.#life.host, ...this.#life.ledger.record.ranges.map(({ host }) => host)]
  }

  /** For retention.ts; undefined while it is not over. One of an earlier release doesn't say when it was: it counts from now on. */
  ended(nowMs: number): EndedWorkload | undefined {
    if (this.#life.isActive) return undefined
    this.#life.endedAtMs ??= nowMs
    const { firstStep, nextStep } = this.feed.history
    return { id: this.id, endedAtMs: this.#life.endedAtMs, keptSteps: nextStep - firstStep }
  }

  /** Undefined once it is over. */
  placed(): PlacedJob | undefined {
    if (!this.#life.isActive) return undefined
    return placedJob({
      spec: { ...this.spec, rules: this.#life.rules },
      host: this.#life.host,
      prepared: this.#life.workers.prepared(this.#life.owner),
      moves: this.#life.moves,
      checkpoint: this.#life.checkpoints.latest,
      history: this.feed.history,
    })
  }

  /** Of the migration that is under way or was the latest. */
  get migration(): MigrationView | undefined {
    return this.#life.moves.latest?.view()
  }

  /** Settles when the workload trains. Errors: what kept it from starting, `setup-timeout`. */
  async start(): Promise<WorkloadView> {
    await this.#life.do(async () => {
      try {
        await this.#life.ledger.create(this.#life.writes())
      } catch (error) {
        // It was not written down, so it never was: its name is free.
        this.#life.status = 'failed'
        this.#life.error = toErrorReport(error)
        throw error
      }
      this.#life.launch()
    })
    return this.started()
  }

  /** The same for whoever asks for it again. */
  async started(): Promise<WorkloadView> {
    if (this.#life.status === 'starting') await this.#life.started.promise
    return this.view()
  }

  /** Goes on where an earlier coordinator ended. Called once, before any agent is heard. */
  resume(): void {
    this.#life.resume()
  }

  /** Errors: `not-running`, `already-migrating`, `already-there`, and those of `receivingHost`. */
  migrate(to: string, options: MigrationOptions, asked: Asked = {}): Promise<MigrationView> {
    return this.#life.do(async () => {
      const view = await this.#life.moves.begin(to, options, asked)
      this.feed.workloadChanged()
      return view
    })
  }

  /** Its move that is queued, if one is; and the way of one that is under way. */
  get queued(): QueuedMove | undefined {
    return this.#life.moves.queued
  }

  get underWay(): { readonly from: string; readonly to: string } | undefined {
    const { open } = this.#life.moves
    return open === undefined || open.isQueued ? undefined : open.plan
  }

  /** Of the queued one: where it is in the queue, and why. */
  waits(at: { readonly place: number; readonly reason: string }): void {
    this.#life.moves.open?.waits(at)
  }

  /** Its turn has come. */
  admit(migration: string): Promise<void> {
    return new Promise((resolve) =>
      this.#life.later(() => this.#life.moves.admit(migration).finally(resolve)),
    )
  }

  /** Takes it out of the queue, if it is still in it. */
  withdraw(migration: string, error: ErrorReport): void {
    this.#life.later(() => this.#life.moves.withdraw(migration, error))
  }

  /** The worker that owns it, and what it said as it was ready. */
  get source(): {
    readonly workerId: string
    readonly epoch: number
    readonly prepared: Prepared | undefined
  } {
    const { epoch } = this.#life.ledger
    return { workerId: this.#life.owner, epoch, prepared: this.#life.workers.prepared(this.#life.owner) }
  }

  /** From where and to where a migration would go. Errors: those of `migrate`. */
  wayTo(to: string): ReturnType<WorkloadMoves['wayTo']> {
    return this.#life.moves.wayTo(to)
  }

  /**
   * Settles when the migration has ended, or after `cancelWithinMs` with what it waits for.
   * Errors: `unknown-migration`, `out-of-order` when the target owns the workload already.
   */
  async cancel(): Promise<MigrationView> {
    const move = await this.#life.do(() => this.#life.moves.cancel())
    return this.#life.moves.waitForEnd(move)
  }

  /** Errors: `not-running`. */
  setRules(rules: PlacementRules): Promise<void> {
    return this.#life.do(async () => {
      if (!this.#life.isActive)
        throw new GodwitError('not-running', `${this.id} is over: it goes nowhere any more`)
      this.#life.rules = rules
      await this.#life.save()
      this.feed.workloadChanged()
    })
  }

  /** Its migration sends nothing before `goOn`. Errors: those of `WorkloadMoves.pause`. */
  pause(by: string): Promise<MigrationView> {
    return this.#life.do(() => this.#life.moves.pause(by))
  }

  /** Errors: those of `WorkloadMoves.resume`. */
  goOn(): Promise<MigrationView> {
    return this.#life.do(() => this.#life.moves.resume())
  }

  /** Its migration does not switch over before `switchover`. Errors: those of `WorkloadMoves.hold`. */
  hold(): Promise<MigrationView> {
    return this.#life.do(() => this.#life.moves.hold())
  }

  /** Lets its migration go. Errors: `unknown-migration`. */
  switchover(): Promise<MigrationView> {
    return this.#life.do(() => this.#life.moves.switchover())
  }

  /** Settles when the checkpoint is written. Errors: `not-running`, `host-disconnected`, `checkpoint-failed`. */
  async checkpoint(): Promise<CheckpointView> {
    this.#life.mustRun('can be checkpointed')
    this.#life.services.inventory.connectedHost(this.#life.host)
    return this.#life.checkpoints.ask(this.#life.owner)
  }

  /** Settles when the workload has stopped. Errors: `not-running`. */
  async stop(): Promise<WorkloadView> {
    await this.#life.do(async () => {
      if (!this.#life.isActive) {
        if (this.#life.status === 'stopped' && this.#life.stop !== 'no') return
        throw new GodwitError('not-running', `${this.id} has ${this.#life.status} already`)
      }
      if (this.#life.stop !== 'no') return
      this.#life.stop = 'wanted'
      try {
        await this.#life.save()
      } catch (error) {
        this.#life.stop = 'no'
        throw error
      }
      this.#life.limitStop()
      const error: ErrorReport = { kind: 'cancelled', message: 'the workload was stopped' }
      await this.#life.moves.latest?.handle({ type: 'cancel', error })
      // Its agent kills the worker when it comes back: it is not known any more.
      if (!this.#life.services.inventory.isConnected(this.#life.host)) await this.#life.stopNow()
    })
    if (this.#life.isActive) await this.#life.over.promise
    return this.view()
  }

  /** Deletes all that is written of it, and of its `migrations`. From then on it hears nobody. False while it is not over. */
  async forget(migrations: readonly string[]): Promise<boolean> {
    return this.#life.do(async () => {
      if (this.#life.isActive) return false
      const keys = [KEYS.workload(this.id), ...migrations.map((id) => KEYS.migration(id))]
      await this.#life.ledger.forget(keys.map((key) => ({ key, value: undefined })))
      this.#life.isForgotten = true
      this.#life.checkpoints.deleteAll(this.#life.ledger.record.ranges.map(({ host }) => host))
      this.close()
      return true
    })
  }

  close(): void {
    this.#life.close()
  }
}
