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
  type WorkloadView,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import { Checkpoints } from './checkpoints.ts'
import type { Clock } from './clock.ts'
import { Deferred } from './deferred.ts'
import type { Inventory } from './inventory.ts'
import type { KeyValueStore, Write } from './key-value.ts'
import { Ledger } from './ledger.ts'
import type { MigrationPlan } from './migration-state.ts'
import { Move, type MoveEdge } from './move.ts'
import { makeMigrationId, makeSecret, makeWorkerId } from './names.ts'
import { OutputFeed } from './output-feed.ts'
import { OutputHistory } from './output-history.ts'
import { newestRange, recover } from './ownership.ts'
import { beginRecomputation } from './recomputation.ts'
import { KEYS, type MigrationRecord, type WorkloadRecord, writeOf } from './records.ts'
import { NO_RESTARTS } from './restart-policy.ts'
import { type Attempt, Restarts } from './restarts.ts'
import { SerialQueue } from './serial-queue.ts'
import { viewOfWorkload, type WorkloadSpec } from './workload-view.ts'
import { REAP_MS, WorkloadWorkers } from './workload-workers.ts'

export interface Services {
  readonly store: KeyValueStore
  readonly inventory: Inventory
  readonly log: Logger
  readonly clock: Clock
  /** A number that none had before. */
  nextOrder(): number
  migrationChanged(view: MigrationView): void
  /** Something that was heard could not be written down: it must be said again. */
  storeFailed(error: GodwitError): void
}

type Said<Type extends FromWorker['type']> = Extract<FromWorker, { type: Type }>
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
  readonly #order: number
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
  #move: Move | undefined
  #stop: 'no' | 'wanted' | 'sent'
  #cancelTimer: () => void = () => {}

  private constructor(record: WorkloadRecord, ledger: Ledger, services: Services) {
    const { spec, host, owner } = record
    this.spec = spec
    this.#services = services
    this.#log = services.log.child({ workload: spec.id })
    this.#ledger = ledger
    this.#order = record.order
    this.#status = record.status
    this.#host = host
    this.#owner = owner
    this.#resumeEpoch = record.resumeEpoch
    this.#error = record.error
    this.#end = record.end
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
        record: () => ledger.record,
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
    this.feed = new OutputFeed(ledger.history, () => this.view(), clock)
  }

  static create(spec: WorkloadSpec, host: string, services: Services): Workload {
    const record: WorkloadRecord = {
      spec,
      order: services.nextOrder(),
      status: 'starting',
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
    if (!workload.isActive) return workload
    // During a restart the old owner is no more.
    if (attempt === undefined) workload.#workers.isKnown(owner, host)
    else workload.#workers.isKnown(attempt.workerId, host)
    if (migration === undefined) return workload
    const move = Move.restore(
      migration,
      ledger.history,
      workload.#moveEdge(() => move),
    )
    workload.#move = move
    const { sourceWorker, from, targetWorker, to } = move.plan
    if (!move.isOver && attempt === undefined) workload.#workers.isKnown(sourceWorker, from)
    // One that was to be killed may live: its agent is told that nobody knows it.
    if (!move.isOver && move.status !== 'cancelling') workload.#workers.isKnown(targetWorker, to)
    if (move.status === 'completed') workload.#workers.isKnown(sourceWorker, from)
    return workload
  }

  get id(): string {
    return this.spec.id
  }

  get host(): string {
    return this.#host
  }

  get isActive(): boolean {
    return this.#status === 'starting' || this.#status === 'running' || this.#status === 'restarting'
  }

  /** Paged memory, with its shadow, as far as the owner has told. */
  get memoryBytes(): number {
    const prepared = this.#workers.prepared(this.#owner)
    if (prepared === undefined) return 0
    const { arenaBytes, tracker } = prepared.identity
    return prepared.memoryBytes ?? arenaBytes * (tracker === 'compare' ? 2 : 1)
  }

  /** Of the migration that is under way or was the latest. */
  get migration(): MigrationView | undefined {
    return this.#move?.view()
  }

  view(): WorkloadView {
    return viewOfWorkload({
      spec: this.spec,
      status: this.#status,
      host: this.#host,
      record: this.#ledger.record,
      history: this.feed.history,
      prepared: this.#workers.prepared(this.#owner),
      migration: this.#move?.isOver === false ? this.#move.plan.id : undefined,
      stateDigest: this.#status === 'finished' ? this.#end?.stateDigest : undefined,
      restarts: this.#restarts.count.total,
      checkpoint: this.#checkpoints.latest,
      diverged: this.#ledger.diverged,
      error: this.#error,
    })
  }

  /** Settles when the workload trains. Errors: what kept it from starting, `setup-timeout`, `host-disconnected`. */
  async start(): Promise<WorkloadView> {
    await this.#do(async () => {
      await this.#ledger.create(this.#writes())
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
      await this.#move?.resume(this.#ledger.record)
      if (this.#status === 'starting') this.#after(LIMITS.setupTimeoutMs, () => this.#startTooSlow())
      if (this.#stop === 'wanted') this.#limitStop()
    })
  }

  /** Errors: `not-running`, `already-migrating`, `already-there`, `unknown-host`, `host-disconnected`. */
  migrate(to: string, options: MigrationOptions): Promise<MigrationView> {
    return this.#do(async () => {
      // Asked for by somebody whose connection broke before the answer came.
      if (this.#move?.isOver === false && this.#move.plan.to === to) return this.#move.view()
      const { epoch } = this.#ledger
      const plan: MigrationPlan = {
        id: makeMigrationId(),
        ...this.wayTo(to),
        targetWorker: makeWorkerId(this.id, epoch + 1),
        epoch,
        secret: makeSecret(),
        options,
        startedAtMs: this.#services.clock.nowMs(),
      }
      this.#move?.close()
      const move: Move = Move.create(
        plan,
        this.#services.nextOrder(),
        this.feed.history,
        this.#moveEdge(() => move),
      )
      this.#move = move
      this.#log.info({ migration: plan.id, from: plan.from, to }, 'migration begins')
      await move.begin()
      this.feed.workloadChanged()
      return move.view()
    })
  }

  /** From where and to where a migration would go. Errors: those of `migrate`. */
  wayTo(to: string): Pick<MigrationPlan, 'workload' | 'from' | 'to' | 'sourceAddress' | 'sourceWorker'> {
    this.#mustRun('can be moved')
    // Its state is older than what was accepted: no claim to it would be granted.
    const { recomputation } = this.#ledger
    if (recomputation !== undefined) {
      throw new GodwitError(
        'not-running',
        `${this.id} is taking steps again after a restart, ${recomputation.nextStep} of ${recomputation.untilStep}: it can be moved once it has caught up`,
      )
    }
    if (this.#move?.isOver === false) {
      const { id, to } = this.#move.plan
      throw new GodwitError('already-migrating', `${this.id} is on its way to ${to} (${id})`)
    }
    if (to === this.#host) throw new GodwitError('already-there', `${this.id} runs on ${to} already`)
    this.#services.inventory.connectedHost(to)
    const { address: sourceAddress } = this.#services.inventory.connectedHost(this.#host)
    return { workload: this.id, from: this.#host, to, sourceAddress, sourceWorker: this.#owner }
  }

  /**
   * Settles when the migration has ended, or after `cancelWithinMs` with what it waits for.
   * Errors: `unknown-migration`, `out-of-order` when the target owns the workload already.
   */
  async cancel(): Promise<MigrationView> {
    const move = await this.#do(async () => {
      const move = this.#move
      if (move === undefined || move.isOver) {
        throw new GodwitError('unknown-migration', `${this.id} has no migration under way`)
      }
      if (!move.isCancellable && move.status !== 'cancelling') {
        throw new GodwitError(
          'out-of-order',
          `${this.id} has just moved to ${move.plan.to}: there is nothing left to cancel`,
        )
      }
      await move.handle({ type: 'cancel', error: { kind: 'cancelled', message: 'cancelled by request' } })
      return move
    })
    const late = new Deferred()
    const cancelTimer = this.#services.clock.after(LIMITS.cancelWithinMs, () => late.resolve())
    await Promise.race([move.over, late.promise])
    cancelTimer()
    return move.view()
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
      await this.#save()
      this.#limitStop()
      const error: ErrorReport = { kind: 'cancelled', message: 'the workload was stopped' }
      await this.#move?.handle({ type: 'cancel', error })
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
      if (workerId === this.#owner && this.#status === 'starting' && !this.#launched) return this.#launch()
      this.#workers.forget(workerId)
      this.#checkpoints.gone(workerId)
      const gone = error ?? { kind: 'worker-crashed', message: `worker ${workerId} ended without saying why` }
      if (workerId === this.#restarts.attempt?.workerId) return this.#restarts.exited(workerId, gone)
      const move = this.#openMoveOf(workerId)
      // With a migration under way it decides what the loss of one of its sides means.
      if (move !== undefined) {
        await move.handle({
          type: workerId === move.plan.sourceWorker ? 'sourceExited' : 'targetExited',
          error: gone,
        })
      } else if (workerId === this.#owner) await this.#ownerLost(gone)
    })
  }

  /** The agent of `host` has gone. Its workers may go on, and a workload that trains is left alone. */
  hostLost(host: string): void {
    this.#later(async () => {
      if (this.#status === 'starting' && this.#host === host) {
        this.#workers.kill(this.#owner)
        await this.#lost({ kind: 'host-disconnected', message: `the agent of ${host} disconnected` })
      }
      if (this.#move?.plan.to === host) await this.#move.handle({ type: 'targetHostLost' })
    })
  }

  /** The agent of `host` has come back; its workers are told of one by one, before. */
  hostBack(host: string): void {
    this.#later(async () => {
      if (host === this.#host) this.#restarts.hostBack()
    })
  }

  /** The agent of a worker's host has come back and the worker with it. */
  workerBack(workerId: string): void {
    this.#later(async () => {
      this.#launched = true
      this.#restarts.back(workerId)
      this.#acknowledge(workerId)
      const move = this.#move
      if (workerId === move?.plan.sourceWorker) await move.handle({ type: 'sourceHostBack' })
      if (workerId === move?.plan.targetWorker) await move.handle({ type: 'targetHostBack' })
      if (workerId !== this.#owner) return
      this.#tellResume()
      if (!this.isActive || this.#stop === 'sent') this.#workers.tell(workerId, { type: 'stop' })
    })
  }

  /** The host keeps a checkpoint of this workload. */
  checkpointFound(host: string): void {
    this.#later(async () => {
      this.#checkpoints.foundAt(host)
      if (this.#status === 'finished' || this.#status === 'stopped') this.#checkpoints.deleteAll()
      else this.#checkpoints.deleteOld(this.#host)
    })
  }

  close(): void {
    this.#cancelTimer()
    this.#workers.close()
    this.#restarts.close()
    this.#move?.close()
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
        return this.#onCheckpointed(workerId, message)
      case 'hello':
        return
      default:
        return this.#hearOfMigration(workerId, message)
    }
  }

  async #onPrepared(workerId: string, message: Said<'prepared'>): Promise<void> {
    this.#workers.isPrepared(workerId, message)
    if (workerId === this.#restarts.attempt?.workerId) return this.#restarts.prepared(workerId, message)
    if (workerId === this.#owner) {
      this.#tellResume()
      if (this.#status !== 'starting') return
      this.#cancelTimer()
      this.#status = 'running'
      await this.#save()
      this.#log.info({ host: this.#host }, 'workload trains')
      this.#started.resolve()
      this.feed.workloadChanged()
    } else if (workerId === this.#move?.plan.targetWorker) {
      const source = this.#workers.prepared(this.#move.plan.sourceWorker)
      const differs = source === undefined ? undefined : difference(source.identity, message.identity)
      await this.#move.handle({ type: 'targetPrepared', difference: differs })
    }
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
    this.feed.stepsAdded()
    await this.#move?.accepted(accepted, this.#ledger.record)
    await this.#finishIfEnded()
  }

  async #onCheckpointed(workerId: string, message: Said<'checkpointed'>): Promise<void> {
    const host = this.#services.inventory.worker(workerId)?.host
    if (host === undefined || (workerId !== this.#owner && message.report !== undefined)) return
    if (message.error !== undefined) this.#log.warn({ error: message.error }, 'no checkpoint was written')
    if (this.isActive && this.#checkpoints.written(host, message)) {
      await this.#save()
      this.#checkpoints.deleteOld(this.#host)
      this.feed.workloadChanged()
    }
    this.#checkpoints.settled(host, message)
  }

  /** The owner's word counts once all that it did before is accepted. */
  async #finishIfEnded(): Promise<void> {
    const end = this.#end
    if (end === undefined) return
    if (this.#status !== 'running') return this.#workers.tell(this.#owner, { type: 'stop' })
    const { epoch, record } = this.#ledger
    if (end.epoch !== epoch || end.steps !== record.acceptedSteps) return
    this.#log.info({ steps: end.steps, stateDigest: end.stateDigest }, 'workload finished')
    await this.#ends('finished')
    await this.#move?.workloadEnded()
  }

  async #onFailed(workerId: string, error: ErrorReport): Promise<void> {
    if (workerId === this.#restarts.attempt?.workerId) return this.#restarts.exited(workerId, error)
    const move = this.#openMoveOf(workerId)
    if (workerId === move?.plan.targetWorker) return move.handle({ type: 'targetFailed', error })
    if (workerId === this.#owner) await this.#ownerLost(error)
  }

  async #hearOfMigration(
    workerId: string,
    message: Exclude<
      FromWorker,
      { type: 'prepared' | 'outputs' | 'ended' | 'failed' | 'estimated' | 'hello' | 'checkpointed' }
    >,
  ): Promise<void> {
    const move = this.#move
    const speaker = message.type === 'claim' ? move?.plan.targetWorker : move?.plan.sourceWorker
    if (move === undefined || message.migrationId !== move.plan.id || workerId !== speaker) {
      if (message.type === 'recover') return this.#recoverLate(workerId, message.migrationId, message.error)
      this.#log.warn({ workerId, type: message.type, migration: message.migrationId }, 'not heard')
      return
    }
    switch (message.type) {
      case 'outgoingOpened':
        return move.handle({ type: 'outgoingOpened', port: message.port })
      case 'migrationProgress':
        return move.handle({ type: 'progress', status: message.status, progress: message.progress })
      case 'claim':
        return move.handle({ type: 'claim', fromStep: message.fromStep })
      case 'recover':
        return move.handle({ type: 'recover', error: message.error })
      case 'migrationEnded': {
        const { status, report, error } = message
        return move.handle({ type: 'sourceEnded', status, report, error })
      }
    }
  }

  /**
   * From a source that missed the end of a migration before the latest: frozen as it is, it would train no more and
   * refuse to move. The newer migration goes first, since its claim rests on the epoch that changes here.
   */
  async #recoverLate(workerId: string, migration: string, error: ErrorReport): Promise<void> {
    const isOwner = workerId === this.#owner && this.isActive
    if (isOwner && this.#move?.isOver === false) {
      this.#log.warn({ workerId, migration }, 'the source is frozen by an earlier migration')
      await this.#move.handle({ type: 'cancel', error })
      // Asked again, it is answered once the source has refused the newer one.
      if (!this.#move.isOver) return
    }
    const { epoch } = this.#ledger
    const host = this.#host
    const decision = isOwner
      ? await this.#ledger.decide((record) => recover(record, { migration, epoch, host }))
      : { granted: false, epoch }
    this.#workers.tell(workerId, {
      type: 'recoverResult',
      migrationId: migration,
      granted: decision.granted,
      epoch: decision.epoch,
    })
    if (decision.granted) this.feed.workloadChanged()
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
    await this.#lost({
      kind: 'setup-timeout',
      message: `the workload did not start within ${LIMITS.setupTimeoutMs} ms`,
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
    await this.#ends(this.#stop === 'no' ? 'failed' : 'stopped')
    this.#started.reject(fromErrorReport(error))
    await this.#move?.workloadEnded()
  }

  async #ends(status: 'finished' | 'stopped' | 'failed'): Promise<void> {
    this.#status = status
    this.#restarts.cancel()
    await this.#save()
    this.#cancelTimer()
    this.#workers.tell(this.#owner, { type: 'stop' })
    this.#workers.retire(this.#owner)
    this.#checkpoints.gone(this.#owner)
    // Of a job that failed it may say why.
    if (status !== 'failed') this.#checkpoints.deleteAll()
    this.#over.resolve()
    this.feed.workloadChanged()
  }

  /** However long anybody takes, the job is stopped by then. */
  #limitStop(): void {
    this.#after(LIMITS.handoverTimeoutMs + LIMITS.stopGraceMs, () => this.#stopNow())
  }

  /** Once no migration needs the worker any more. */
  async #sendStop(): Promise<void> {
    if (this.#stop !== 'wanted' || !this.isActive || this.#move?.isOver === false) return
    this.#stop = 'sent'
    if (this.#status === 'restarting') return this.#stopNow()
    this.#workers.tell(this.#owner, { type: 'stop' })
    this.#after(REAP_MS, () => this.#stopNow())
  }

  async #stopNow(): Promise<void> {
    if (!this.isActive) return
    const { sourceWorker, targetWorker } = this.#move?.plan ?? {}
    for (const workerId of [this.#owner, sourceWorker, targetWorker]) {
      if (workerId !== undefined) this.#workers.kill(workerId)
    }
    const error: ErrorReport = {
      kind: 'cancelled',
      message: 'the worker was killed: it did not stop in time',
    }
    await this.#move?.handle({ type: 'sourceExited', error })
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
      host: this.#host,
      owner: this.#owner,
      prepared: this.#workers.prepared(this.#owner),
      error: this.#error,
      end: this.#end,
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

  #moveEdge(move: () => Move): MoveEdge {
    const { clock, inventory } = this.#services
    return {
      clock,
      isConnected: (host) => inventory.isConnected(host),
      save: (record) => this.#save(writeOf(KEYS.migration(record.state.plan.id), record)),
      launchTarget: ({ to, targetWorker, epoch }) =>
        this.#workers.launch(to, { workerId: targetWorker, mode: 'incoming', epoch }),
      toWorker: (workerId, message) => this.#workers.tell(workerId, message),
      kill: (workerId) => this.#workers.kill(workerId),
      retire: (workerId) => this.#workers.retire(workerId),
      decide: (change) => this.#ledger.decide(change),
      own: (host, workerId) => {
        if (workerId !== this.#owner) {
          this.#end = undefined
          this.#resumeEpoch = undefined
          this.#checkpoints.gone(this.#owner)
          if (host === move().plan.from) this.#checkpoints.undone(move().plan.to)
        }
        this.#host = host
        this.#owner = workerId
        this.feed.workloadChanged()
      },
      lost: (error) => this.#ownerLost(error),
      due: () => this.#later(() => move().handle({ type: 'tick' })),
      changed: (view) => {
        this.#log.debug({ migration: view.id, status: view.status, error: view.error }, 'migration')
        this.#services.migrationChanged(view)
        this.feed.migrationChanged(view)
        if (move().isOver) this.feed.workloadChanged()
      },
    }
  }

  #openMoveOf(workerId: string): Move | undefined {
    const move = this.#move
    if (move === undefined || move.isOver) return undefined
    return workerId === move.plan.sourceWorker || workerId === move.plan.targetWorker ? move : undefined
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
    this.#do(task).catch((error: unknown) => {
      if (error instanceof GodwitError) this.#services.storeFailed(error)
      else this.#log.error({ err: error }, 'a bug in the coordinator')
    })
  }
}
