/**
 * One workload at the edge: it hears workers, agents and clients, and does one thing after another.
 *
 * What happens to a workload waits in its queue, because most of it changes what is stored, and the store takes its time. Decisions
 * are elsewhere: outputs are accepted by ownership.ts, migrations decided by migration-machine.ts, restarts by restarts.ts; orders to
 * its workers are given by workload-workers.ts. What is left here is a short life: starting, running, restarting, and one of three ends.
 *
 * Invariants: only the worker that owns the workload, the one that is to take its place, and those of its latest migration are
 * heard; a workload that has ended changes its status no more; every wait for a worker ends by itself; what an order rests on
 * is written down before it is sent (records.ts).
 */
import {
  type CheckpointView,
  difference,
  type ErrorReport,
  type FromWorker,
  fromErrorReport,
  GodwitError,
  LIMITS,
  type MigrationOptions,
  type MigrationView,
  toErrorReport,
  type WorkloadView,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import type { WorkloadState } from './changes.ts'
import { CheckpointKeeping } from './checkpoint-keeping.ts'
import { Checkpoints } from './checkpoints.ts'
import type { Clock } from './clock.ts'
import { Deferred } from './deferred.ts'
import type { Inventory } from './inventory.ts'
import type { KeyValueStore, Write } from './key-value.ts'
import { Ledger } from './ledger.ts'
import type { MoveEdge } from './move.ts'
import type { QueuedMove } from './move-queue.ts'
import type { MoveQueue } from './moves-waiting.ts'
import { makeWorkerId } from './names.ts'
import { OutputFeed } from './output-feed.ts'
import { OutputHistory } from './output-history.ts'
import { newestRange } from './ownership.ts'
import { beginRecomputation } from './recomputation.ts'
import { KEYS, type MigrationRecord, type WorkloadRecord, writeOf } from './records.ts'
import { isRestartable, NO_RESTARTS } from './restart-policy.ts'
import { type Attempt, Restarts } from './restarts.ts'
import type { EndedWorkload } from './retention.ts'
import { SerialQueue } from './serial-queue.ts'
import type { Turns } from './turns.ts'
import type { WatchedTime } from './watched-time.ts'
import { type Asked, WorkloadMoves } from './workload-moves.ts'
import { type PlacedJob, placedJob } from './workload-placed.ts'
import { viewOfWorkload, type WorkloadSpec } from './workload-view.ts'
import { REAP_MS, WorkloadWorkers } from './workload-workers.ts'

export interface Services {
  readonly store: KeyValueStore
  readonly inventory: Inventory
  readonly log: Logger
  readonly clock: Clock
  readonly watched: WatchedTime
  readonly turns: Turns
  readonly queue: Pick<MoveQueue, 'mayBegin' | 'destination'>
  /** A number that none had before. */
  nextOrder(): number
  migrationChanged(view: MigrationView): void
  workloadChanged(id: string): void
  readonly entered?: MoveEdge['entered']
  /** Something that was heard could not be written down: it must be said again. */
  storeFailed(error: GodwitError): void
}

type Said<Type extends FromWorker['type']> = Extract<FromWorker, { type: Type }>
export type Prepared = Said<'prepared'>
type Heard = Exclude<FromWorker, { type: 'estimated' }>

export class Workload {
  readonly spec: WorkloadSpec
  readonly feed: OutputFeed
  readonly #services: Services
  readonly #log: Logger
  readonly #queue = new SerialQueue()
  readonly #workers: WorkloadWorkers
  readonly #ledger: Ledger
  readonly #restarts: Restarts
  readonly #checkpoints: Checkpoints
  readonly #keeping: CheckpointKeeping
  readonly #moves: WorkloadMoves
  readonly #order: number
  readonly #startedAtMs: number | undefined
  readonly #started = new Deferred()
  readonly #over = new Deferred()
  #status: WorkloadView['status']
  #host: string
  #owner: string
  /** In this coordinator's life. */
  #launched = false
  #resumeEpoch: number | undefined
  #error: ErrorReport | undefined
  #end: Said<'ended'> | undefined
  #endedAtMs: number | undefined
  #isForgotten = false
  #stop: 'no' | 'wanted' | 'sent'
  #cancelTimer: () => void = () => {}

  private constructor(record: WorkloadRecord, ledger: Ledger, services: Services) {
    const { spec, host, owner } = record
    this.spec = spec
    this.#services = services
    this.#log = services.log.child({ workload: spec.id })
    this.#ledger = ledger
    this.#order = record.order
    this.#startedAtMs = record.startedAtMs
    this.#status = record.status
    this.#host = host
    this.#owner = owner
    this.#resumeEpoch = record.resumeEpoch
    this.#error = record.error
    this.#end = record.end
    this.#endedAtMs = record.endedAtMs
    this.#stop = record.stopWanted ? 'wanted' : 'no'
    ledger.recomputation = record.recomputation
    ledger.diverged = record.diverged
    const { inventory, clock } = services
    this.#workers = new WorkloadWorkers(spec, {
      inventory,
      clock,
      log: this.#log,
      isOwner: (workerId) => workerId === this.#owner,
      overdue: (workerId) => this.#later(async () => this.#workers.kill(workerId)),
    })
    this.#restarts = new Restarts(
      {
        workload: spec.id,
        clock,
        log: this.#log,
        record: () => ledger.record,
        identity: () => this.#workers.prepared(this.#owner)?.identity,
        deleteCheckpoint: () => this.#checkpoints.undone(this.#host),
        isConnected: () => inventory.isConnected(this.#host),
        save: async () => {
          await this.#save()
          this.feed.workloadChanged()
        },
        launch: ({ workerId, epoch }) =>
          this.#workers.launch(this.#host, { workerId, mode: 'restored', epoch }),
        kill: (workerId) => this.#workers.kill(workerId),
        decide: (change) => ledger.decide(change),
        restarted: (attempt, epoch, step) => this.#restarted(attempt, epoch, step),
        givenUp: (error) => this.#lost(error),
        later: (task) => this.#later(task),
      },
      { count: record.restarts, attempt: record.attempt },
    )
    this.#checkpoints = new Checkpoints(
      {
        clock,
        tell: (workerId, message) => this.#workers.tell(workerId, message),
        deleteAt: (host) => inventory.send(host, { type: 'deleteCheckpoint', workloadId: spec.id }),
      },
      record.checkpoint,
    )
    this.#keeping = new CheckpointKeeping({
      checkpoints: this.#checkpoints,
      log: this.#log,
      isPeriodic: spec.checkpointEveryMs !== undefined,
      owner: () => ({ host: this.#host, workerId: this.#owner, status: this.#status }),
      goesOn: () => this.isActive && this.#stop === 'no',
      isActive: () => this.isActive,
      hosts: () => ledger.record.ranges.map(({ host }) => host),
      hostOf: (workerId) => inventory.worker(workerId)?.host,
      save: () => this.#save(),
      changed: () => this.feed.workloadChanged(),
    })
    this.feed = new OutputFeed(
      ledger.history,
      () => this.view(),
      clock,
      () => services.workloadChanged(spec.id),
    )
    this.#moves = new WorkloadMoves({
      workload: spec.id,
      ledger,
      workers: this.#workers,
      inventory,
      clock,
      log: this.#log,
      turns: services.turns,
      mayBegin: (move) => services.queue.mayBegin(move),
      destination: (plan) => services.queue.destination(plan),
      nextOrder: () => services.nextOrder(),
      owner: () => ({ host: this.#host, workerId: this.#owner, isActive: this.isActive }),
      mustRun: (what) => this.#mustRun(what),
      save: (move) => this.#save(writeOf(KEYS.migration(move.state.plan.id), move)),
      own: (host, workerId, undone) => this.#own(host, workerId, undone),
      lost: (error) => this.#ownerLost(error),
      changed: (view) => this.#migrationChanged(view),
      entered: services.entered,
      later: (task) => this.#later(task),
    })
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
    const { owner, host, prepared, attempt } = record
    if (prepared !== undefined) workload.#workers.isPrepared(owner, prepared)
    const move = migration && workload.#moves.restore(migration)
    // Whoever lives of a job that is over is killed as one that nobody knows.
    if (!workload.isActive) return workload
    // During a restart the old owner is no more.
    workload.#workers.isKnown(attempt?.workerId ?? owner, host)
    if (move === undefined) return workload
    if (move.isQueued) return workload
    const { sourceWorker, from, targetWorker, to } = move.plan
    if (move.isOver) {
      if (move.status === 'completed') workload.#workers.isKnown(sourceWorker, from)
      return workload
    }
    if (attempt === undefined) workload.#workers.isKnown(sourceWorker, from)
    // One that was to be killed may live: its agent is told that nobody knows it.
    if (move.status !== 'cancelling') workload.#workers.isKnown(targetWorker, to)
    return workload
  }

  get id(): string {
    return this.spec.id
  }

  get host(): string {
    return this.#host
  }

  get state(): WorkloadState {
    const { feed } = this
    const error = this.#error
    return {
      status: this.#status,
      host: this.#host,
      acceptedSteps: feed.history.nextStep,
      ...(error !== undefined && { error }),
    }
  }

  get isActive(): boolean {
    return this.#status === 'starting' || this.#status === 'running' || this.#status === 'restarting'
  }

  /** For retention.ts; undefined while it is not over. One of an earlier release doesn't say when it was: it counts from now on. */
  ended(nowMs: number): EndedWorkload | undefined {
    if (this.isActive) return undefined
    this.#endedAtMs ??= nowMs
    const { firstStep, nextStep } = this.feed.history
    return { id: this.id, endedAtMs: this.#endedAtMs, keptSteps: nextStep - firstStep }
  }

  /** Undefined once it is over. */
  placed(): PlacedJob | undefined {
    if (!this.isActive) return undefined
    return placedJob({
      spec: this.spec,
      host: this.#host,
      prepared: this.#workers.prepared(this.#owner),
      moves: this.#moves,
      checkpoint: this.#checkpoints.latest,
      history: this.feed.history,
    })
  }

  /** Of the migration that is under way or was the latest. */
  get migration(): MigrationView | undefined {
    return this.#moves.latest?.view()
  }

  view(): WorkloadView {
    return viewOfWorkload({
      spec: this.spec,
      status: this.#status,
      startedAtMs: this.#startedAtMs,
      host: this.#host,
      record: this.#ledger.record,
      history: this.feed.history,
      prepared: this.#workers.prepared(this.#owner),
      migration: this.#moves.open?.plan.id,
      stateDigest: this.#status === 'finished' ? this.#end?.stateDigest : undefined,
      restarts: this.#restarts.count.total,
      checkpoint: this.#checkpoints.latest,
      diverged: this.#ledger.diverged,
      // While it is being restarted: why.
      error: this.#error ?? this.#restarts.attempt?.error,
    })
  }

  /** Settles when the workload trains. Errors: what kept it from starting, `setup-timeout`. */
  async start(): Promise<WorkloadView> {
    await this.#do(async () => {
      try {
        await this.#ledger.create(this.#writes())
      } catch (error) {
        // It was not written down, so it never was: its name is free.
        this.#status = 'failed'
        this.#error = toErrorReport(error)
        throw error
      }
      this.#launch()
    })
    return this.started()
  }

  /** The same for whoever asks for it again. */
  async started(): Promise<WorkloadView> {
    if (this.#status === 'starting') await this.#started.promise
    return this.view()
  }

  /** Goes on where an earlier coordinator ended. Called once, before any agent is heard. */
  resume(): void {
    this.#later(async () => {
      if (this.isActive) await this.#moves.latest?.resume(this.#ledger.record)
      else await this.#moves.open?.workloadEnded()
      if (this.#status === 'starting') this.#after(LIMITS.setupTimeoutMs, () => this.#startTooSlow())
      if (this.#stop === 'wanted') this.#limitStop()
    })
  }

  /** Errors: `not-running`, `already-migrating`, `already-there`, and those of `receivingHost`. */
  migrate(to: string, options: MigrationOptions, asked: Asked = {}): Promise<MigrationView> {
    return this.#do(async () => {
      const view = await this.#moves.begin(to, options, asked)
      this.feed.workloadChanged()
      return view
    })
  }

  /** Its move that is queued, if one is; and the way of one that is under way. */
  get queued(): QueuedMove | undefined {
    return this.#moves.queued
  }

  get underWay(): { readonly from: string; readonly to: string } | undefined {
    const { open } = this.#moves
    return open === undefined || open.isQueued ? undefined : open.plan
  }

  /** Of the queued one: where it is in the queue, and why. */
  waits(at: { readonly place: number; readonly reason: string }): void {
    this.#moves.open?.waits(at)
  }

  /** Its turn has come. */
  admit(migration: string): Promise<void> {
    return new Promise((resolve) => this.#later(() => this.#moves.admit(migration).finally(resolve)))
  }

  /** Takes it out of the queue, if it is still in it. */
  withdraw(migration: string, error: ErrorReport): void {
    this.#later(() => this.#moves.withdraw(migration, error))
  }

  /** The worker that owns it, and what it said as it was ready. */
  get source(): {
    readonly workerId: string
    readonly epoch: number
    readonly prepared: Prepared | undefined
  } {
    const { epoch } = this.#ledger
    return { workerId: this.#owner, epoch, prepared: this.#workers.prepared(this.#owner) }
  }

  /** From where and to where a migration would go. Errors: those of `migrate`. */
  wayTo(to: string): ReturnType<WorkloadMoves['wayTo']> {
    return this.#moves.wayTo(to)
  }

  /**
   * Settles when the migration has ended, or after `cancelWithinMs` with what it waits for.
   * Errors: `unknown-migration`, `out-of-order` when the target owns the workload already.
   */
  async cancel(): Promise<MigrationView> {
    const move = await this.#do(() => this.#moves.cancel())
    return this.#moves.waitForEnd(move)
  }

  /** Its migration does not switch over before `switchover`. Errors: those of `WorkloadMoves.hold`. */
  hold(): Promise<MigrationView> {
    return this.#do(() => this.#moves.hold())
  }

  /** Lets its migration go. Errors: `unknown-migration`. */
  switchover(): Promise<MigrationView> {
    return this.#do(() => this.#moves.switchover())
  }

  /** Settles when the checkpoint is written. Errors: `not-running`, `host-disconnected`, `checkpoint-failed`. */
  async checkpoint(): Promise<CheckpointView> {
    this.#mustRun('can be checkpointed')
    this.#services.inventory.connectedHost(this.#host)
    return this.#checkpoints.ask(this.#owner)
  }

  /** Settles when the workload has stopped. Errors: `not-running`. */
  async stop(): Promise<WorkloadView> {
    await this.#do(async () => {
      if (!this.isActive) {
        if (this.#status === 'stopped' && this.#stop !== 'no') return
        throw new GodwitError('not-running', `${this.id} has ${this.#status} already`)
      }
      if (this.#stop !== 'no') return
      this.#stop = 'wanted'
      try {
        await this.#save()
      } catch (error) {
        this.#stop = 'no'
        throw error
      }
      this.#limitStop()
      const error: ErrorReport = { kind: 'cancelled', message: 'the workload was stopped' }
      await this.#moves.latest?.handle({ type: 'cancel', error })
      // Its agent kills the worker when it comes back: it is not known any more.
      if (!this.#services.inventory.isConnected(this.#host)) await this.#stopNow()
    })
    if (this.isActive) await this.#over.promise
    return this.view()
  }

  fromWorker(workerId: string, message: Heard): void {
    this.#later(() => this.#hear(workerId, message))
  }

  workerExited(workerId: string, error: ErrorReport | undefined): void {
    this.#later(async () => {
      // Written down by a coordinator that ended before it was launched.
      const isUnlaunched = workerId === this.#owner && this.#status === 'starting' && !this.#launched
      if (isUnlaunched && this.#stop === 'no') return this.#launch()
      const known = this.#services.inventory.worker(workerId)
      this.#workers.forget(workerId)
      this.#checkpoints.gone(workerId)
      const gone = error ?? { kind: 'worker-crashed', message: `worker ${workerId} ended without saying why` }
      try {
        await this.#exited(workerId, gone)
      } catch (error) {
        // It is said once: should it not have been written down, it is missed when its agent connects anew.
        if (known !== undefined) this.#workers.isKnown(workerId, known.host)
        throw error
      }
    })
  }

  /**
   * The agent of `host` has gone. Its workers may go on, and so does a workload: one that was to be launched there may not have
   * been, which is seen when the agent is back.
   */
  hostLost(host: string): void {
    this.#later(async () => {
      if (this.#status === 'starting' && this.#host === host) this.#launched = false
      const move = this.#moves.latest
      if (move?.plan.to === host) await move.handle({ type: 'targetHostLost' })
    })
  }

  /** The agent of `host` has come back; its workers are told of one by one, before. */
  hostBack(host: string): void {
    this.#later(async () => {
      if (host === this.#host) await this.#restarts.hostBack()
    })
  }

  /** The agent of a worker's host has come back and the worker with it. */
  workerBack(workerId: string): void {
    this.#later(async () => {
      this.#launched = true
      this.#restarts.back(workerId)
      this.#acknowledge(workerId)
      this.#checkpoints.askAgain(workerId)
      const move = this.#moves.latest
      if (workerId === move?.plan.sourceWorker) await move.handle({ type: 'sourceHostBack' })
      if (workerId === move?.plan.targetWorker) await move.handle({ type: 'targetHostBack' })
      if (workerId !== this.#owner) return
      this.#tellResume()
      if (!this.isActive || this.#stop === 'sent') this.#workers.tell(workerId, { type: 'stop' })
    })
  }

  /** The host keeps a checkpoint of this workload. */
  checkpointFound(host: string): void {
    this.#later(async () => this.#keeping.found(host))
  }

  /** Deletes all that is written of it, and of its `migrations`. From then on it hears nobody. False while it is not over. */
  async forget(migrations: readonly string[]): Promise<boolean> {
    return this.#do(async () => {
      if (this.isActive) return false
      const keys = [KEYS.workload(this.id), ...migrations.map((id) => KEYS.migration(id))]
      await this.#ledger.forget(keys.map((key) => ({ key, value: undefined })))
      this.#isForgotten = true
      this.#checkpoints.deleteAll(this.#ledger.record.ranges.map(({ host }) => host))
      this.close()
      return true
    })
  }

  close(): void {
    this.#cancelTimer()
    this.#workers.close()
    this.#restarts.close()
    this.#moves.close()
    this.feed.close()
  }

  // ---- what workers say

  async #hear(workerId: string, message: Heard): Promise<void> {
    switch (message.type) {
      case 'prepared':
        return this.#onPrepared(workerId, message)
      case 'outputs':
        return this.#onOutputs(workerId, message)
      case 'ended':
        if (workerId === this.#owner) this.#end = message
        return this.#finishIfEnded()
      case 'failed':
        return this.#onFailed(workerId, message.error)
      case 'checkpointed':
        return this.#keeping.heard(workerId, message)
      case 'hello':
        return
      default:
        return this.#moves.hear(workerId, message)
    }
  }

  async #onPrepared(workerId: string, message: Said<'prepared'>): Promise<void> {
    this.#workers.isPrepared(workerId, message)
    if (workerId === this.#restarts.attempt?.workerId) return this.#restarts.prepared(workerId, message)
    if (workerId === this.#owner) {
      this.#tellResume()
      return this.#trains()
    }
    const move = this.#moves.latest
    if (workerId === move?.plan.targetWorker) {
      const source = this.#workers.prepared(move.plan.sourceWorker)
      const differs = source === undefined ? undefined : difference(source.identity, message.identity)
      await move.handle({ type: 'targetPrepared', difference: differs })
    }
  }

  /** The worker that was started for it has taken steps. */
  async #trains(): Promise<void> {
    if (this.#status !== 'starting') return
    // A stop that is under way keeps its limit.
    if (this.#stop === 'no') this.#cancelTimer()
    this.#status = 'running'
    await this.#save()
    this.#log.info({ host: this.#host }, 'workload trains')
    this.#started.resolve()
    this.feed.workloadChanged()
  }

  async #onOutputs(workerId: string, { outputs }: Said<'outputs'>): Promise<void> {
    if (!this.isActive) return this.#acknowledge(workerId)
    const { diverged } = this.#ledger
    const accepted = await this.#ledger.accept(outputs)
    if (this.#resumeEpoch !== undefined && outputs.some(({ epoch }) => epoch === this.#resumeEpoch))
      this.#resumeEpoch = undefined
    if (this.#ledger.diverged !== diverged) {
      this.#log.error({ ...this.#ledger.diverged }, 'a step that was computed again gave other bits')
      await this.#save()
      this.feed.workloadChanged()
    }
    this.#acknowledge(workerId)
    if (accepted.length === 0) return
    // Whoever takes steps has begun, though its word for it was lost: should it be lost now, it is restarted.
    await this.#trains()
    this.feed.stepsAdded()
    await this.#moves.latest?.accepted(accepted, this.#ledger.record)
    await this.#finishIfEnded()
  }

  /** The owner's word counts once all that it did before is accepted. */
  async #finishIfEnded(): Promise<void> {
    const end = this.#end
    if (end === undefined) return
    // A short job may have been over before anybody heard that it began: a worker says its last word again, not those before.
    await this.#trains()
    if (this.#status !== 'running') return this.#workers.tell(this.#owner, { type: 'stop' })
    const { epoch, record } = this.#ledger
    if (end.epoch !== epoch || end.steps !== record.acceptedSteps) return
    this.#log.info({ steps: end.steps, stateDigest: end.stateDigest }, 'workload finished')
    await this.#ends('finished')
  }

  async #onFailed(workerId: string, error: ErrorReport): Promise<void> {
    if (workerId === this.#restarts.attempt?.workerId) return this.#restarts.exited(workerId, error)
    const move = this.#moves.openOf(workerId)
    if (workerId === move?.plan.targetWorker) return move.handle({ type: 'targetFailed', error })
    if (move !== undefined && isRestartable(error.kind)) return move.handle({ type: 'sourceExited', error })
    if (workerId === this.#owner) await this.#ownerLost(error)
  }

  async #exited(workerId: string, error: ErrorReport): Promise<void> {
    if (workerId === this.#restarts.attempt?.workerId) return this.#restarts.exited(workerId, error)
    const move = this.#moves.openOf(workerId)
    // With a migration under way it decides what the loss of one of its sides means.
    if (workerId === move?.plan.targetWorker) return move.handle({ type: 'targetExited', error })
    if (move !== undefined) return move.handle({ type: 'sourceExited', error })
    if (workerId === this.#owner) await this.#ownerLost(error)
  }

  // ---- starts, restarts and ends

  #launch(): void {
    this.#launched = true
    this.#workers.launch(this.#host, { workerId: this.#owner, mode: 'fresh', epoch: 1 })
    this.#after(LIMITS.setupTimeoutMs, () => this.#startTooSlow())
  }

  async #startTooSlow(): Promise<void> {
    if (this.#status !== 'starting') return
    this.#workers.kill(this.#owner)
    const isAway = !this.#services.inventory.isConnected(this.#host)
    const why = isAway ? `: the agent of ${this.#host} is not connected` : ''
    await this.#lost({
      kind: 'setup-timeout',
      message: `the workload did not start within ${LIMITS.setupTimeoutMs} ms${why}`,
    })
  }

  /** Nobody holds the workload in memory any more: it goes on from its checkpoint, if it may. */
  async #ownerLost(error: ErrorReport): Promise<void> {
    if (this.#status === 'restarting') return
    if (this.#status !== 'running' || this.#stop !== 'no' || this.spec.restartPolicy === 'never')
      return this.#lost(error)
    this.#status = 'restarting'
    this.#end = undefined
    this.#resumeEpoch = undefined
    this.#workers.kill(this.#owner)
    this.#checkpoints.gone(this.#owner)
    if (!(await this.#restarts.begin(error))) return this.#lost(error)
    this.#log.warn({ error, attempt: this.#restarts.attempt?.id }, 'worker lost: the job is restarted')
  }

  async #restarted({ id, workerId }: Attempt, epoch: number, checkpointStep: number): Promise<void> {
    const { record } = this.#ledger
    this.#ledger.recomputation = beginRecomputation(epoch, checkpointStep, record.acceptedSteps)
    this.#host = newestRange(record).host
    this.#owner = workerId
    this.#status = 'running'
    this.#resumeEpoch = epoch
    await this.#save()
    this.#log.info({ restart: id, epoch, checkpointStep }, 'job restarted')
    this.#acknowledge(workerId)
    this.#tellResume()
    this.feed.workloadChanged()
  }

  /** Again each time that it may not have been heard. */
  #tellResume(): void {
    if (this.#resumeEpoch !== undefined)
      this.#workers.tell(this.#owner, { type: 'resume', epoch: this.#resumeEpoch })
  }

  /** Nobody holds the workload any more, and it is over. */
  async #lost(error: ErrorReport): Promise<void> {
    if (!this.isActive) return
    if (this.#stop === 'no') {
      this.#error = error
      this.#log.warn({ error }, 'workload failed')
    }
    await this.#ends(this.#stop === 'no' ? 'failed' : 'stopped', error)
  }

  /** An end that can't be written down has not come: nobody is told, and it is tried again. */
  async #ends(status: 'finished' | 'stopped' | 'failed', error?: ErrorReport): Promise<void> {
    if (!this.isActive) return
    const before = this.#status
    this.#status = status
    this.#endedAtMs = this.#services.watched.nowMs
    try {
      await this.#save()
    } catch (cause) {
      this.#status = before
      this.#after(LIMITS.repeatMs, () => this.#ends(status, error))
      throw cause
    }
    this.#restarts.cancel()
    this.#endWorkers()
    if (error !== undefined) this.#started.reject(fromErrorReport(error))
    await this.#moves.latest?.workloadEnded()
  }

  #endWorkers(): void {
    this.#cancelTimer()
    this.#workers.tell(this.#owner, { type: 'stop' })
    this.#workers.retire(this.#owner)
    this.#checkpoints.gone(this.#owner)
    this.#keeping.prune()
    this.#over.resolve()
    this.feed.workloadChanged()
  }

  /** However long anybody takes, the job is stopped by then. */
  #limitStop(): void {
    this.#after(LIMITS.handoverTimeoutMs + LIMITS.stopGraceMs, () => this.#stopNow())
  }

  /** Once no migration needs the worker any more. */
  async #sendStop(): Promise<void> {
    if (this.#stop !== 'wanted' || !this.isActive || this.#moves.open !== undefined) return
    this.#stop = 'sent'
    if (this.#status === 'restarting') return this.#stopNow()
    this.#workers.tell(this.#owner, { type: 'stop' })
    this.#after(REAP_MS, () => this.#stopNow())
  }

  async #stopNow(): Promise<void> {
    if (!this.isActive) return
    const { sourceWorker, targetWorker } = this.#moves.latest?.plan ?? {}
    for (const workerId of [this.#owner, sourceWorker, targetWorker]) {
      if (workerId !== undefined) this.#workers.kill(workerId)
    }
    const error: ErrorReport = {
      kind: 'cancelled',
      message: 'the worker was killed: it did not stop in time',
    }
    await this.#moves.latest?.handle({ type: 'sourceExited', error })
    await this.#lost(error)
  }

  // ---- plumbing

  /** The one thing that is waited for; what was waited for before is not any more. */
  #after(delayMs: number, task: () => Promise<void>): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#services.clock.after(delayMs, () => this.#later(task))
  }

  /** One that is to take the owner's place has yet to send what it would forget. */
  #acknowledge(workerId: string): void {
    const step = this.#ledger.acknowledgedStep
    if (step < 0 || workerId === this.#restarts.attempt?.workerId) return
    this.#workers.tell(workerId, { type: 'acknowledge', step })
  }

  async #save(...also: Write[]): Promise<void> {
    await this.#services.store.commit([...also, ...this.#writes()])
  }

  #writes(): Write[] {
    const record: WorkloadRecord = {
      spec: this.spec,
      order: this.#order,
      status: this.#status,
      startedAtMs: this.#startedAtMs,
      host: this.#host,
      owner: this.#owner,
      prepared: this.#workers.prepared(this.#owner),
      error: this.#error,
      end: this.#end,
      endedAtMs: this.#endedAtMs,
      stopWanted: this.#stop !== 'no',
      restarts: this.#restarts.count,
      attempt: this.#restarts.attempt,
      resumeEpoch: this.#resumeEpoch,
      recomputation: this.#ledger.recomputation,
      checkpoint: this.#checkpoints.latest,
      diverged: this.#ledger.diverged,
    }
    return [writeOf(KEYS.workload(this.id), record)]
  }

  /** The owner from now on; `undone` is the host of an owner that the job was taken back from. */
  #own(host: string, workerId: string, undone: string | undefined): void {
    if (workerId !== this.#owner) {
      this.#end = undefined
      this.#resumeEpoch = undefined
      this.#checkpoints.gone(this.#owner)
      if (undone !== undefined) this.#checkpoints.undone(undone)
    }
    this.#host = host
    this.#owner = workerId
    this.feed.workloadChanged()
  }

  #migrationChanged(view: MigrationView): void {
    this.#log.debug({ migration: view.id, status: view.status, error: view.error }, 'migration')
    this.#services.migrationChanged(view)
    this.feed.migrationChanged(view)
    if (view.status === 'completed' && this.#host === view.to) this.#keeping.moved(view.id)
    if (this.#moves.open === undefined) this.feed.workloadChanged()
  }

  #mustRun(what: string): void {
    if (this.#status === 'running' && this.#stop === 'no') return
    const is = this.#stop === 'no' ? this.#status : 'stopping'
    throw new GodwitError('not-running', `${this.id} is ${is}: only a running workload ${what}`)
  }

  #do<T>(task: () => Promise<T>): Promise<T> {
    return this.#queue.run(async () => {
      try {
        return await task()
      } finally {
        await this.#sendStop()
      }
    })
  }

  /** For what nobody waits for. A bug ends the one thing that it happened in. */
  #later(task: () => Promise<void>): void {
    this.#do(async () => (this.#isForgotten ? undefined : task())).catch((error: unknown) => {
      if (error instanceof GodwitError) this.#services.storeFailed(error)
      else this.#log.error({ err: error }, 'a bug in the coordinator')
    })
  }
}
