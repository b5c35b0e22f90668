/**
 * The short life of a workload: starting, running, restarting, and one of three ends; with all that stands around it, what is written down of
 * it, and the queue in which things happen to it one after the other.
 *
 * Invariants: a workload that has ended changes its status no more; every wait for a worker ends by itself; what an order rests on is
 * written down before it is sent (records.ts).
 */
import {
  type ErrorReport,
  type FromWorker,
  fromErrorReport,
  GodwitError,
  LIMITS,
  type MigrationView,
  type PlacementRules,
  setupMs,
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
import type { Ledger } from './ledger.ts'
import type { MoveEdge } from './move.ts'
import type { MoveQueue } from './moves-waiting.ts'
import { OutputFeed } from './output-feed.ts'
import { newestRange } from './ownership.ts'
import { beginRecomputation } from './recomputation.ts'
import { KEYS, type WorkloadRecord, writeOf } from './records.ts'
import { type Attempt, Restarts } from './restarts.ts'
import { SerialQueue } from './serial-queue.ts'
import type { Turns } from './turns.ts'
import type { WatchedTime } from './watched-time.ts'
import { WorkloadMoves } from './workload-moves.ts'
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

export type Said<Type extends FromWorker['type']> = Extract<FromWorker, { type: Type }>
export type Prepared = Said<'prepared'>

export class WorkloadLife {
  readonly spec: WorkloadSpec
  rules: PlacementRules | undefined
  readonly services: Services
  readonly log: Logger
  readonly ledger: Ledger
  readonly feed: OutputFeed
  readonly workers: WorkloadWorkers
  readonly restarts: Restarts
  readonly checkpoints: Checkpoints
  readonly keeping: CheckpointKeeping
  readonly moves: WorkloadMoves
  readonly started = new Deferred()
  readonly over = new Deferred()
  readonly #queue = new SerialQueue()
  readonly #order: number
  readonly #startedAtMs: number | undefined
  status: WorkloadView['status']
  host: string
  owner: string
  /** In this coordinator's life. */
  launched = false
  resumeEpoch: number | undefined
  error: ErrorReport | undefined
  end: Said<'ended'> | undefined
  endedAtMs: number | undefined
  isForgotten = false
  stop: 'no' | 'wanted' | 'sent'
  #cancelTimer: () => void = () => {}

  constructor(record: WorkloadRecord, ledger: Ledger, services: Services) {
    const { spec, host, owner } = record
    this.spec = spec
    this.rules = record.rules ?? spec.rules
    this.services = services
    this.log = services.log.child({ workload: spec.id })
    this.ledger = ledger
    this.#order = record.order
    this.#startedAtMs = record.startedAtMs
    this.status = record.status
    this.host = host
    this.owner = owner
    this.resumeEpoch = record.resumeEpoch
    this.error = record.error
    this.end = record.end
    this.endedAtMs = record.endedAtMs
    this.stop = record.stopWanted ? 'wanted' : 'no'
    ledger.recomputation = record.recomputation
    ledger.diverged = record.diverged
    const { inventory, clock } = services
    this.workers = new WorkloadWorkers(spec, {
      inventory,
      clock,
      log: this.log,
      isOwner: (workerId) => workerId === this.owner,
      overdue: (workerId) => this.later(async () => this.workers.kill(workerId)),
    })
    this.restarts = new Restarts(
      {
        workload: spec.id,
        setupMs: setupMs(spec.bundle),
        clock,
        log: this.log,
        record: () => ledger.record,
        identity: () => this.workers.prepared(this.owner)?.identity,
        deleteCheckpoint: () => this.checkpoints.undone(this.host),
        isConnected: () => inventory.isConnected(this.host),
        save: async () => {
          await this.save()
          this.feed.workloadChanged()
        },
        launch: ({ workerId, epoch }) =>
          this.workers.launch(this.host, { workerId, mode: 'restored', epoch }),
        kill: (workerId) => this.workers.kill(workerId),
        decide: (change) => ledger.decide(change),
        restarted: (attempt, epoch, step) => this.#restarted(attempt, epoch, step),
        givenUp: (error) => this.#lost(error),
        later: (task) => this.later(task),
      },
      { count: record.restarts, attempt: record.attempt },
    )
    this.checkpoints = new Checkpoints(
      {
        clock,
        tell: (workerId, message) => this.workers.tell(workerId, message),
        deleteAt: (host) => inventory.send(host, { type: 'deleteCheckpoint', workloadId: spec.id }),
      },
      record.checkpoint,
    )
    this.keeping = new CheckpointKeeping({
      checkpoints: this.checkpoints,
      log: this.log,
      isPeriodic: spec.checkpointEveryMs !== undefined,
      owner: () => ({ host: this.host, workerId: this.owner, status: this.status }),
      goesOn: () => this.isActive && this.stop === 'no',
      isActive: () => this.isActive,
      hosts: () => ledger.record.ranges.map(({ host }) => host),
      hostOf: (workerId) => inventory.worker(workerId)?.host,
      save: () => this.save(),
      changed: () => this.feed.workloadChanged(),
    })
    this.feed = new OutputFeed(
      ledger.history,
      () => this.view(),
      clock,
      () => services.workloadChanged(spec.id),
    )
    this.moves = new WorkloadMoves({
      workload: spec.id,
      bundle: spec.bundle,
      ledger,
      workers: this.workers,
      inventory,
      clock,
      log: this.log,
      turns: services.turns,
      mayBegin: (move) => services.queue.mayBegin(move),
      destination: (plan) => services.queue.destination(plan),
      nextOrder: () => services.nextOrder(),
      owner: () => ({ host: this.host, workerId: this.owner, isActive: this.isActive }),
      mustRun: (what) => this.mustRun(what),
      save: (move) => this.save(writeOf(KEYS.migration(move.state.plan.id), move)),
      own: (host, workerId, undone) => this.#own(host, workerId, undone),
      lost: (error) => this.ownerLost(error),
      changed: (view) => this.#migrationChanged(view),
      entered: services.entered,
      later: (task) => this.later(task),
    })
  }

  get state(): WorkloadState {
    const { feed } = this
    const error = this.error
    return {
      status: this.status,
      host: this.host,
      acceptedSteps: feed.history.nextStep,
      ...(error !== undefined && { error }),
    }
  }

  get isActive(): boolean {
    return this.status === 'starting' || this.status === 'running' || this.status === 'restarting'
  }

  view(): WorkloadView {
    return viewOfWorkload({
      spec: { ...this.spec, rules: this.rules },
      status: this.status,
      startedAtMs: this.#startedAtMs,
      host: this.host,
      record: this.ledger.record,
      history: this.feed.history,
      prepared: this.workers.prepared(this.owner),
      fetching: this.workers.fetching(this.restarts.attempt?.workerId ?? this.owner),
      migration: this.moves.open?.plan.id,
      stateDigest: this.status === 'finished' ? this.end?.stateDigest : undefined,
      restarts: this.restarts.count.total,
      checkpoint: this.checkpoints.latest,
      diverged: this.ledger.diverged,
      // While it is being restarted: why.
      error: this.error ?? this.restarts.attempt?.error,
    })
  }

  /** The worker that was started for it has taken steps. */
  async trains(): Promise<void> {
    if (this.status !== 'starting') return
    // A stop that is under way keeps its limit.
    if (this.stop === 'no') this.#cancelTimer()
    this.status = 'running'
    await this.save()
    this.log.info({ host: this.host }, 'workload trains')
    this.started.resolve()
    this.feed.workloadChanged()
  }

  /** The owner's word counts once all that it did before is accepted. */
  async finishIfEnded(): Promise<void> {
    const end = this.end
    if (end === undefined) return
    // A short job may have been over before anybody heard that it began: a worker says its last word again, not those before.
    await this.trains()
    if (this.status !== 'running') return this.workers.tell(this.owner, { type: 'stop' })
    const { epoch, record } = this.ledger
    if (end.epoch !== epoch || end.steps !== record.acceptedSteps) return
    this.log.info({ steps: end.steps, stateDigest: end.stateDigest }, 'workload finished')
    await this.#ends('finished')
  }

  resume(): void {
    this.later(async () => {
      if (this.isActive) await this.moves.latest?.resume(this.ledger.record)
      else await this.moves.open?.workloadEnded()
      if (this.status === 'starting') this.#after(setupMs(this.spec.bundle), () => this.#startTooSlow())
      if (this.stop === 'wanted') this.limitStop()
    })
  }

  launch(): void {
    this.launched = true
    this.workers.launch(this.host, { workerId: this.owner, mode: 'fresh', epoch: 1 })
    this.#after(setupMs(this.spec.bundle), () => this.#startTooSlow())
  }

  async #startTooSlow(): Promise<void> {
    if (this.status !== 'starting') return
    this.workers.kill(this.owner)
    const isAway = !this.services.inventory.isConnected(this.host)
    const why = isAway ? `: the agent of ${this.host} is not connected` : ''
    await this.#lost({
      kind: 'setup-timeout',
      message: `the workload did not start within ${setupMs(this.spec.bundle)} ms${why}`,
    })
  }

  /** Nobody holds the workload in memory any more: it goes on from its checkpoint, if it may. */
  async ownerLost(error: ErrorReport): Promise<void> {
    if (this.status === 'restarting') return
    if (this.status !== 'running' || this.stop !== 'no' || this.spec.restartPolicy === 'never')
      return this.#lost(error)
    this.status = 'restarting'
    this.end = undefined
    this.resumeEpoch = undefined
    this.workers.kill(this.owner)
    this.checkpoints.gone(this.owner)
    if (!(await this.restarts.begin(error))) return this.#lost(error)
    this.log.warn({ error, attempt: this.restarts.attempt?.id }, 'worker lost: the job is restarted')
  }

  async #restarted({ id, workerId }: Attempt, epoch: number, checkpointStep: number): Promise<void> {
    const { record } = this.ledger
    this.ledger.recomputation = beginRecomputation(epoch, checkpointStep, record.acceptedSteps)
    this.host = newestRange(record).host
    this.owner = workerId
    this.status = 'running'
    this.resumeEpoch = epoch
    await this.save()
    this.log.info({ restart: id, epoch, checkpointStep }, 'job restarted')
    this.acknowledge(workerId)
    this.tellResume()
    this.feed.workloadChanged()
  }

  /** Again each time that it may not have been heard. */
  tellResume(): void {
    if (this.resumeEpoch !== undefined)
      this.workers.tell(this.owner, { type: 'resume', epoch: this.resumeEpoch })
  }

  /** Nobody holds the workload any more, and it is over. */
  async #lost(error: ErrorReport): Promise<void> {
    if (!this.isActive) return
    if (this.stop === 'no') {
      this.error = error
      this.log.warn({ error }, 'workload failed')
    }
    await this.#ends(this.stop === 'no' ? 'failed' : 'stopped', error)
  }

  /** An end that can't be written down has not come: nobody is told, and it is tried again. */
  async #ends(status: 'finished' | 'stopped' | 'failed', error?: ErrorReport): Promise<void> {
    if (!this.isActive) return
    const before = this.status
    this.status = status
    this.endedAtMs = this.services.watched.nowMs
    try {
      await this.save()
    } catch (cause) {
      this.status = before
      this.#after(LIMITS.repeatMs, () => this.#ends(status, error))
      throw cause
    }
    this.restarts.cancel()
    this.#endWorkers()
    if (error !== undefined) this.started.reject(fromErrorReport(error))
    await this.moves.latest?.workloadEnded()
  }

  #endWorkers(): void {
    this.#cancelTimer()
    this.workers.tell(this.owner, { type: 'stop' })
    this.workers.retire(this.owner)
    this.checkpoints.gone(this.owner)
    this.keeping.prune()
    this.over.resolve()
    this.feed.workloadChanged()
  }

  /** However long anybody takes, the job is stopped by then. */
  limitStop(): void {
    this.#after(LIMITS.handoverTimeoutMs + LIMITS.stopGraceMs, () => this.stopNow())
  }

  /** Once no migration needs the worker any more. */
  async #sendStop(): Promise<void> {
    if (this.stop !== 'wanted' || !this.isActive || this.moves.open !== undefined) return
    this.stop = 'sent'
    if (this.status === 'restarting') return this.stopNow()
    this.workers.tell(this.owner, { type: 'stop' })
    this.#after(REAP_MS, () => this.stopNow())
  }

  async stopNow(): Promise<void> {
    if (!this.isActive) return
    const { sourceWorker, targetWorker } = this.moves.latest?.plan ?? {}
    for (const workerId of [this.owner, sourceWorker, targetWorker]) {
      if (workerId !== undefined) this.workers.kill(workerId)
    }
    const error: ErrorReport = {
      kind: 'cancelled',
      message: 'the worker was killed: it did not stop in time',
    }
    await this.moves.latest?.handle({ type: 'sourceExited', error })
    await this.#lost(error)
  }

  /** The one thing that is waited for; what was waited for before is not any more. */
  #after(delayMs: number, task: () => Promise<void>): void {
    this.#cancelTimer()
    this.#cancelTimer = this.services.clock.after(delayMs, () => this.later(task))
  }

  /** One that is to take the owner's place has yet to send what it would forget. */
  acknowledge(workerId: string): void {
    const step = this.ledger.acknowledgedStep
    if (step < 0 || workerId === this.restarts.attempt?.workerId) return
    this.workers.tell(workerId, { type: 'acknowledge', step })
  }

  async save(...also: Write[]): Promise<void> {
    await this.services.store.commit([...also, ...this.writes()])
  }

  writes(): Write[] {
    const record: WorkloadRecord = {
      spec: this.spec,
      rules: this.rules === this.spec.rules ? undefined : this.rules,
      order: this.#order,
      status: this.status,
      startedAtMs: this.#startedAtMs,
      host: this.host,
      owner: this.owner,
      prepared: this.workers.prepared(this.owner),
      error: this.error,
      end: this.end,
      endedAtMs: this.endedAtMs,
      stopWanted: this.stop !== 'no',
      restarts: this.restarts.count,
      attempt: this.restarts.attempt,
      resumeEpoch: this.resumeEpoch,
      recomputation: this.ledger.recomputation,
      checkpoint: this.checkpoints.latest,
      diverged: this.ledger.diverged,
    }
    return [writeOf(KEYS.workload(this.spec.id), record)]
  }

  /** The owner from now on; `undone` is the host of an owner that the job was taken back from. */
  #own(host: string, workerId: string, undone: string | undefined): void {
    if (workerId !== this.owner) {
      this.end = undefined
      this.resumeEpoch = undefined
      this.checkpoints.gone(this.owner)
      if (undone !== undefined) this.checkpoints.undone(undone)
    }
    this.host = host
    this.owner = workerId
    this.feed.workloadChanged()
  }

  #migrationChanged(view: MigrationView): void {
    this.log.debug({ migration: view.id, status: view.status, error: view.error }, 'migration')
    this.services.migrationChanged(view)
    this.feed.migrationChanged(view)
    if (view.status === 'completed' && this.host === view.to) this.keeping.moved(view.id)
    if (this.moves.open === undefined) this.feed.workloadChanged()
  }

  mustRun(what: string): void {
    if (this.status === 'running' && this.stop === 'no') return
    const is = this.stop === 'no' ? this.status : 'stopping'
    throw new GodwitError('not-running', `${this.spec.id} is ${is}: only a running workload ${what}`)
  }

  do<T>(task: () => Promise<T>): Promise<T> {
    return this.#queue.run(async () => {
      try {
        return await task()
      } finally {
        await this.#sendStop()
      }
    })
  }

  /** For what nobody waits for. A bug ends the one thing that it happened in. */
  later(task: () => Promise<void>): void {
    this.do(async () => (this.isForgotten ? undefined : task())).catch((error: unknown) => {
      if (error instanceof GodwitError) this.services.storeFailed(error)
      else this.log.error({ err: error }, 'a bug in the coordinator')
    })
  }

  close(): void {
    this.#cancelTimer()
    this.workers.close()
    this.restarts.close()
    this.moves.close()
    this.feed.close()
  }
}
