/**
 * One workload at the edge: it hears workers, agents and clients, and does one thing after another.
 *
 * What happens to a workload waits in its queue, because most of it changes the ownership record, and the store
 * takes its time. Decisions are elsewhere: outputs are accepted by ownership.ts, migrations decided by
 * migration-machine.ts; orders to its workers are given by workload-workers.ts. What is left here is a short life:
 * starting, running, and one of three ends.
 *
 * Invariants: only the worker that owns the workload and those of its latest migration are heard; a workload that
 * has ended changes its status no more; every wait for a worker ends by itself.
 */
import {
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
import type { Clock } from './clock.ts'
import { Deferred } from './deferred.ts'
import type { Inventory } from './inventory.ts'
import type { KeyValueStore } from './key-value.ts'
import { USUAL_STEPS } from './lost-time.ts'
import type { MigrationPlan } from './migration-state.ts'
import { Move } from './move.ts'
import { makeMigrationId, makeSecret, makeWorkerId } from './names.ts'
import { OutputFeed } from './output-feed.ts'
import { OutputHistory } from './output-history.ts'
import { accept, type Decision, firstOwner, newestRange, type OwnershipRecord, recover } from './ownership.ts'
import { createOwnership, updateOwnership } from './ownership-store.ts'
import { SerialQueue } from './serial-queue.ts'
import { viewOfWorkload, type WorkloadSpec } from './workload-view.ts'
import { REAP_MS, WorkloadWorkers } from './workload-workers.ts'

export interface Services {
  readonly store: KeyValueStore
  readonly inventory: Inventory
  readonly log: Logger
  readonly clock: Clock
  migrationChanged(view: MigrationView): void
}

type Said<Type extends FromWorker['type']> = Extract<FromWorker, { type: Type }>

export class Workload {
  readonly spec: WorkloadSpec
  readonly feed: OutputFeed
  readonly #services: Services
  readonly #log: Logger
  readonly #queue = new SerialQueue()
  readonly #workers: WorkloadWorkers
  readonly #started = new Deferred()
  readonly #over = new Deferred()
  #status: WorkloadView['status'] = 'starting'
  #record: OwnershipRecord
  #host: string
  #owner: string
  #error: ErrorReport | undefined
  #end: Said<'ended'> | undefined
  #move: Move | undefined
  #stop: 'no' | 'wanted' | 'sent' = 'no'
  #cancelTimer: () => void = () => {}

  constructor(spec: WorkloadSpec, host: string, services: Services) {
    this.spec = spec
    this.#services = services
    this.#log = services.log.child({ workload: spec.id })
    this.#host = host
    this.#owner = makeWorkerId(spec.id, 1)
    this.#record = firstOwner(host)
    this.#workers = new WorkloadWorkers(spec, {
      inventory: services.inventory,
      clock: services.clock,
      log: this.#log,
      isOwner: (workerId) => workerId === this.#owner,
      overdue: (workerId) => this.#later(async () => this.#workers.kill(workerId)),
    })
    this.feed = new OutputFeed(new OutputHistory(), () => this.view(), services.clock)
  }

  get id(): string {
    return this.spec.id
  }

  get host(): string {
    return this.#host
  }

  get isActive(): boolean {
    return this.#status === 'starting' || this.#status === 'running'
  }

  /** Paged memory, with its shadow, as far as the owner has told. */
  get memoryBytes(): number {
    const identity = this.#workers.prepared(this.#owner)?.identity
    return identity === undefined ? 0 : identity.arenaBytes * (identity.tracker === 'compare' ? 2 : 1)
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
      record: this.#record,
      history: this.feed.history,
      prepared: this.#workers.prepared(this.#owner),
      migration: this.#move?.isOver === false ? this.#move.plan.id : undefined,
      stateDigest: this.#status === 'finished' ? this.#end?.stateDigest : undefined,
      error: this.#error,
    })
  }

  /** Settles when the workload trains. Errors: what kept it from starting, `setup-timeout`, `host-disconnected`. */
  async start(): Promise<WorkloadView> {
    await this.#do(async () => {
      await createOwnership(this.#services.store, this.id, this.#record)
      this.#workers.launch(this.#host, { workerId: this.#owner, mode: 'fresh', epoch: 1 })
      this.#after(LIMITS.setupTimeoutMs, () => this.#startTooSlow())
    })
    await this.#started.promise
    return this.view()
  }

  /** Errors: `not-running`, `already-migrating`, `already-there`, `unknown-host`, `host-disconnected`. */
  migrate(to: string, options: MigrationOptions): Promise<MigrationView> {
    return this.#do(async () => {
      const { epoch } = newestRange(this.#record)
      const plan: MigrationPlan = {
        id: makeMigrationId(),
        ...this.wayTo(to),
        targetWorker: makeWorkerId(this.id, epoch + 1),
        epoch,
        secret: makeSecret(),
        options,
        startedAtMs: this.#services.clock.nowMs(),
      }
      const move = this.#newMove(plan)
      this.#log.info({ migration: plan.id, from: plan.from, to }, 'migration begins')
      await move.begin()
      this.feed.workloadChanged()
      return move.view()
    })
  }

  /** From where and to where a migration would go. Errors: those of `migrate`. */
  wayTo(to: string): Pick<MigrationPlan, 'workload' | 'from' | 'to' | 'sourceAddress' | 'sourceWorker'> {
    this.#mustRun()
    if (this.#move?.isOver === false) {
      const { id, to } = this.#move.plan
      throw new GodwitError('already-migrating', `${this.id} is on its way to ${to} (${id})`)
    }
    if (to === this.#host) throw new GodwitError('already-there', `${this.id} runs on ${to} already`)
    this.#services.inventory.connectedHost(to)
    const { address: sourceAddress } = this.#services.inventory.connectedHost(this.#host)
    return { workload: this.id, from: this.#host, to, sourceAddress, sourceWorker: this.#owner }
  }

  /** Errors: `unknown-migration`, `out-of-order` when the target owns the workload already. */
  cancel(): Promise<MigrationView> {
    return this.#do(async () => {
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
      return move.view()
    })
  }

  /** Settles when the workload has stopped. Errors: `not-running`. */
  async stop(): Promise<WorkloadView> {
    await this.#do(async () => {
      if (!this.isActive) throw new GodwitError('not-running', `${this.id} has ${this.#status} already`)
      if (this.#stop !== 'no') return
      this.#stop = 'wanted'
      this.#after(LIMITS.handoverTimeoutMs + LIMITS.stopGraceMs, () => this.#stopNow())
      const error: ErrorReport = { kind: 'cancelled', message: 'the workload was stopped' }
      await this.#move?.handle({ type: 'cancel', error })
      // Its agent kills the worker when it comes back: it is not known any more.
      if (!this.#services.inventory.isConnected(this.#host)) await this.#stopNow()
    })
    await this.#over.promise
    return this.view()
  }

  fromWorker(workerId: string, message: Exclude<FromWorker, { type: 'estimated' }>): void {
    this.#later(() => this.#hear(workerId, message))
  }

  workerExited(workerId: string, error: ErrorReport | undefined): void {
    this.#later(async () => {
      this.#workers.forget(workerId)
      const gone = error ?? { kind: 'worker-crashed', message: `worker ${workerId} ended without saying why` }
      const move = this.#openMoveOf(workerId)
      // With a migration under way it decides what the loss of one of its sides means.
      if (move !== undefined) {
        await move.handle({
          type: workerId === move.plan.sourceWorker ? 'sourceExited' : 'targetExited',
          error: gone,
        })
      } else if (workerId === this.#owner) await this.#lost(gone)
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

  /** The agent of a worker's host has come back and the worker with it. */
  workerBack(workerId: string): void {
    this.#later(async () => {
      this.#acknowledge(workerId)
      const move = this.#move
      if (workerId === move?.plan.sourceWorker) await move.handle({ type: 'sourceHostBack' })
      if (workerId === move?.plan.targetWorker) await move.handle({ type: 'targetHostBack' })
      if (workerId === this.#owner && !this.isActive) this.#workers.tell(workerId, { type: 'stop' })
    })
  }

  close(): void {
    this.#cancelTimer()
    this.#workers.close()
    this.#move?.close()
    this.feed.close()
  }

  // ---- what workers say

  async #hear(workerId: string, message: Exclude<FromWorker, { type: 'estimated' }>): Promise<void> {
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
      case 'hello':
      case 'checkpointed':
        return
      default:
        return this.#hearOfMigration(workerId, message)
    }
  }

  async #onPrepared(workerId: string, message: Said<'prepared'>): Promise<void> {
    this.#workers.isPrepared(workerId, message)
    if (workerId === this.#owner) {
      if (this.#status !== 'starting') return
      this.#cancelTimer()
      this.#status = 'running'
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
    const { record, accepted } = await updateOwnership(this.#services.store, this.id, (record) =>
      accept(record, outputs),
    )
    this.#record = record
    this.#acknowledge(workerId)
    if (accepted.length === 0) return
    for (const output of accepted) this.feed.history.add(output)
    this.feed.stepsAdded()
    await this.#move?.accepted(accepted, record)
    await this.#finishIfEnded()
  }

  /** The owner's word counts once all that it did before is accepted. */
  async #finishIfEnded(): Promise<void> {
    const end = this.#end
    if (end === undefined) return
    if (this.#status !== 'running') return this.#workers.tell(this.#owner, { type: 'stop' })
    const { epoch } = newestRange(this.#record)
    if (end.epoch !== epoch || end.steps !== this.#record.acceptedSteps) return
    this.#log.info({ steps: end.steps, stateDigest: end.stateDigest }, 'workload finished')
    this.#ends('finished')
    await this.#move?.workloadEnded()
  }

  async #onFailed(workerId: string, error: ErrorReport): Promise<void> {
    const move = this.#openMoveOf(workerId)
    if (workerId === move?.plan.targetWorker) return move.handle({ type: 'targetFailed', error })
    if (workerId === this.#owner) await this.#lost(error)
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
    const [{ epoch }, host] = [newestRange(this.#record), this.#host]
    const decision = isOwner
      ? await this.#decide((record) => recover(record, { migration, epoch, host }))
      : { granted: false, epoch }
    this.#workers.tell(workerId, {
      type: 'recoverResult',
      migrationId: migration,
      granted: decision.granted,
      epoch: decision.epoch,
    })
    if (decision.granted) this.feed.workloadChanged()
  }

  // ---- ends

  async #startTooSlow(): Promise<void> {
    if (this.#status !== 'starting') return
    this.#workers.kill(this.#owner)
    await this.#lost({
      kind: 'setup-timeout',
      message: `the workload did not start within ${LIMITS.setupTimeoutMs} ms`,
    })
  }

  /** Nobody holds the workload any more. */
  async #lost(error: ErrorReport): Promise<void> {
    if (!this.isActive) return
    if (this.#stop === 'no') {
      this.#error = error
      this.#log.warn({ error }, 'workload failed')
    }
    this.#started.reject(fromErrorReport(error))
    this.#ends(this.#stop === 'no' ? 'failed' : 'stopped')
    await this.#move?.workloadEnded()
  }

  #ends(status: 'finished' | 'stopped' | 'failed'): void {
    this.#status = status
    this.#cancelTimer()
    this.#workers.tell(this.#owner, { type: 'stop' })
    this.#workers.retire(this.#owner)
    this.#over.resolve()
    this.feed.workloadChanged()
  }

  /** Once no migration needs the worker any more. */
  #sendStop(): void {
    if (this.#stop !== 'wanted' || !this.isActive || this.#move?.isOver === false) return
    this.#stop = 'sent'
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

  #acknowledge(workerId: string): void {
    const { acceptedSteps } = this.#record
    if (acceptedSteps > 0) this.#workers.tell(workerId, { type: 'acknowledge', step: acceptedSteps - 1 })
  }

  #newMove(plan: MigrationPlan): Move {
    this.#move?.close()
    const move: Move = new Move(plan, this.feed.history.latestStepMs(USUAL_STEPS), {
      clock: this.#services.clock,
      launchTarget: ({ to, targetWorker, epoch }) =>
        this.#workers.launch(to, { workerId: targetWorker, mode: 'incoming', epoch }),
      toWorker: (workerId, message) => this.#workers.tell(workerId, message),
      kill: (workerId) => this.#workers.kill(workerId),
      retire: (workerId) => this.#workers.retire(workerId),
      decide: (change) => this.#decide(change),
      own: (host, workerId) => {
        if (workerId !== this.#owner) this.#end = undefined
        this.#host = host
        this.#owner = workerId
        this.feed.workloadChanged()
      },
      lost: (error) => this.#lost(error),
      due: () => this.#later(() => move.handle({ type: 'tick' })),
      changed: (view) => {
        this.#log.debug({ migration: view.id, status: view.status, error: view.error }, 'migration')
        this.#services.migrationChanged(view)
        this.feed.migrationChanged(view)
        if (move.isOver) this.feed.workloadChanged()
      },
    })
    this.#move = move
    return move
  }

  async #decide(change: (record: OwnershipRecord) => Decision): Promise<Decision> {
    const decision = await updateOwnership(this.#services.store, this.id, change)
    this.#record = decision.record
    return decision
  }

  #openMoveOf(workerId: string): Move | undefined {
    const move = this.#move
    if (move === undefined || move.isOver) return undefined
    return workerId === move.plan.sourceWorker || workerId === move.plan.targetWorker ? move : undefined
  }

  #mustRun(): void {
    if (this.#status === 'running' && this.#stop === 'no') return
    const is = this.#stop === 'no' ? this.#status : 'stopping'
    throw new GodwitError('not-running', `${this.id} is ${is}: only a running workload can be moved`)
  }

  #do<T>(task: () => Promise<T>): Promise<T> {
    return this.#queue.run(async () => {
      try {
        return await task()
      } finally {
        this.#sendStop()
      }
    })
  }

  /** For what nobody waits for. A bug ends the one thing that it happened in. */
  #later(task: () => Promise<void>): void {
    this.#do(task).catch((error: unknown) => this.#log.error({ err: error }, 'a bug in the coordinator'))
  }
}
