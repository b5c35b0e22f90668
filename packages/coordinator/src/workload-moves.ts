/**
 * The migrations of one workload: the one that is under way or was the latest, and what is said about earlier ones.
 *
 * What a migration does is decided by migration-machine.ts and carried out by move.ts. Here it begins, is cancelled, and hears its two
 * workers; and a source that slept through the end of an earlier one is told how that ended.
 *
 * Invariants: there is one migration at a time; a migration hears its own two workers, each as what it is. Everything but `wayTo`, `view`
 * and `waitForEnd` is called in the workload's queue.
 */
import {
  type BundleRef,
  bringMs,
  type ErrorReport,
  type FromWorker,
  GodwitError,
  LIMITS,
  type MigrationOptions,
  type MigrationView,
  toErrorReport,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import type { Clock } from './clock.ts'
import { Deferred } from './deferred.ts'
import type { Inventory } from './inventory.ts'
import type { Ledger } from './ledger.ts'
import { USUAL_STEPS } from './lost-time.ts'
import type { MigrationPlan } from './migration-state.ts'
import { Move, type MoveEdge, type MoveTurns } from './move.ts'
import type { QueuedMove } from './move-queue.ts'
import { makeMigrationId, makeSecret, makeWorkerId } from './names.ts'
import { recover } from './ownership.ts'
import type { MigrationRecord } from './records.ts'
import { linksOf, type Turns } from './turns.ts'
import type { WorkloadWorkers } from './workload-workers.ts'

export type OfMigration = Exclude<
  FromWorker,
  { type: 'prepared' | 'outputs' | 'ended' | 'failed' | 'estimated' | 'hello' | 'checkpointed' | 'pages' }
>
type Way = Pick<MigrationPlan, 'workload' | 'from' | 'to' | 'sourceAddress' | 'sourceWorker'>

/** By whom, and whether a host was named. */
export interface Asked {
  readonly maintenance?: string
  readonly isChosen?: boolean
}

/** What could not be written down is tried again. */
const STORE_ERRORS: ReadonlySet<string> = new Set(['disk-full', 'store-unusable', 'folder-in-use'])

export function alreadyThere(workload: string, host: string): GodwitError {
  return new GodwitError('already-there', `${workload} runs on ${host} already`)
}

/** What migrations need of their workload. */
export interface WorkloadMovesEdge {
  readonly workload: string
  readonly bundle: BundleRef | undefined
  readonly ledger: Ledger
  readonly workers: WorkloadWorkers
  readonly inventory: Inventory
  readonly clock: Clock
  readonly log: Logger
  readonly turns: Turns
  /** Whether a move that is asked for now may begin at once. */
  mayBegin(move: QueuedMove): boolean
  /** Where the move of `plan` goes as things are now. Errors: why it can go nowhere. */
  destination(plan: MigrationPlan): string
  nextOrder(): number
  owner(): { readonly host: string; readonly workerId: string; readonly isActive: boolean }
  /** Throws why the workload can't do what is asked for. */
  mustRun(what: string): void
  save(record: MigrationRecord): Promise<void>
  /** The owner from now on; `undone` is the host of an owner that it was taken back from. */
  own(host: string, workerId: string, undone: string | undefined): void
  lost(error: ErrorReport): Promise<void>
  changed(view: MigrationView): void
  readonly entered?: MoveEdge['entered']
  later(task: () => Promise<void>): void
}

export class WorkloadMoves {
  readonly #edge: WorkloadMovesEdge
  #move: Move | undefined

  constructor(edge: WorkloadMovesEdge) {
    this.#edge = edge
  }

  /** Under way, or the latest. */
  get latest(): Move | undefined {
    return this.#move
  }

  get open(): Move | undefined {
    return this.#move?.isOver === false ? this.#move : undefined
  }

  /** The open one, if the worker is one of its two. */
  openOf(workerId: string): Move | undefined {
    const move = this.open
    if (move?.isQueued === true) return undefined
    const isOfIt = workerId === move?.plan.sourceWorker || workerId === move?.plan.targetWorker
    return isOfIt ? move : undefined
  }

  /** What an earlier coordinator wrote down. */
  restore(migration: MigrationRecord): Move {
    const move: Move = Move.restore(
      migration,
      this.#edge.ledger.history,
      this.#moveEdge(() => move),
    )
    this.#move = move
    return move
  }

  /** Queued, where it may not begin at once. Errors: `not-running`, `already-migrating`, `already-there`, `unknown-host`, `host-disconnected`. */
  async begin(to: string, options: MigrationOptions, asked: Asked): Promise<MigrationView> {
    const { ledger, clock, log, bundle } = this.#edge
    // Asked for by somebody whose connection broke before the answer came.
    if (this.open?.plan.to === to) return this.open.view()
    const plan: MigrationPlan = {
      id: makeMigrationId(),
      ...this.#fromNowOn(this.wayTo(to)),
      options,
      askedAtMs: clock.calendarMs(),
      ...(asked.maintenance === undefined ? {} : { maintenance: asked.maintenance }),
      ...(asked.isChosen === true ? { isChosen: true } : {}),
      ...(bundle === undefined || options.computeOnly ? {} : { bringMs: bringMs(bundle) }),
    }
    const before = this.#move
    before?.close()
    const order = this.#edge.nextOrder()
    const { id, from } = plan
    const isQueued = !this.#edge.mayBegin({
      id,
      from,
      to,
      link: undefined,
      priority: options.priority,
      order,
      waitedMs: 0,
    })
    const move: Move = Move.create(
      { plan, order, isQueued },
      ledger.history,
      this.#moveEdge(() => move),
    )
    this.#move = move
    log.info({ migration: id, from, to }, isQueued ? 'migration is queued' : 'migration begins')
    try {
      await move.begin()
    } catch (error) {
      // It was not written down, so it never was.
      this.#move = before
      throw error
    }
    return move.view()
  }

  /** What is true of a plan as it begins. */
  #fromNowOn(way: Way) {
    const { workload, ledger, clock } = this.#edge
    const { epoch } = ledger
    const steps = ledger.history.latestStepMs(USUAL_STEPS)
    return {
      ...way,
      targetWorker: makeWorkerId(workload, epoch + 1),
      epoch,
      secret: makeSecret(),
      startedAtMs: clock.nowMs(),
      ...(steps.length === 0 ? {} : { longestStepMs: Math.max(...steps) }),
    }
  }

  /** The one that is queued, as the queue sees it. */
  get queued(): QueuedMove | undefined {
    const move = this.open
    if (move?.isQueued !== true) return undefined
    const { id, from, to, options, startedAtMs } = move.plan
    const { priority } = options
    return {
      waitedMs: this.#edge.clock.nowMs() - startedAtMs,
      id,
      from,
      to,
      link: undefined,
      priority,
      order: move.order,
      busy: move.isPaused ? 'somebody to let it go on' : this.#waits(move.plan),
    }
  }

  /** Why it would not help that its turn came. */
  #waits({ to, isChosen }: MigrationPlan): string | undefined {
    try {
      this.#mustBeMovable()
      const { inventory } = this.#edge
      inventory.connectedHost(this.#edge.owner().host)
      // One that is not known any more will not come back: it is refused as its turn comes.
      if (isChosen !== true && inventory.isKnown(to)) inventory.connectedHost(to)
      return undefined
    } catch (error) {
      if (error instanceof GodwitError) return error.message
      throw error
    }
  }

  /** Its turn has come. Whatever has changed since it was asked for is seen now. */
  async admit(migration: string): Promise<void> {
    const move = this.open
    if (move?.plan.id !== migration || !move.isQueued || this.#waits(move.plan) !== undefined) return
    const { log } = this.#edge
    try {
      const to = this.#edge.destination(move.plan)
      // Another host than was thought of as it was asked for: there it may have to wait again.
      if (to !== move.plan.to && this.queued !== undefined && !this.#edge.mayBegin({ ...this.queued, to }))
        return
      const way = this.#way(to)
      log.info({ migration, from: way.from, to: way.to }, 'migration begins')
      await move.handle({ type: 'admitted', plan: { ...move.plan, ...this.#fromNowOn(way) } })
    } catch (error) {
      if (!(error instanceof GodwitError) || !move.isQueued || STORE_ERRORS.has(error.kind)) throw error
      await move.handle({ type: 'refused', error: toErrorReport(error) })
    }
  }

  /** Why it can't be moved just now, wherever to. */
  get busy(): string | undefined {
    try {
      this.#mustBeFree()
      this.#edge.inventory.connectedHost(this.#edge.owner().host)
      return undefined
    } catch (error) {
      if (error instanceof GodwitError) return error.message
      throw error
    }
  }

  /** From where and to where a migration would go. Errors: those of `begin`. */
  wayTo(to: string): Way {
    this.#mustBeFree()
    return this.#way(to)
  }

  #way(to: string): Way {
    const { workload, inventory } = this.#edge
    const { host: from, workerId: sourceWorker } = this.#edge.owner()
    if (to === from) throw alreadyThere(workload, to)
    inventory.receivingHost(to)
    const { address: sourceAddress } = inventory.connectedHost(from)
    return { workload, from, to, sourceAddress, sourceWorker }
  }

  #mustBeFree(): void {
    this.#mustBeMovable()
    const { workload } = this.#edge
    if (this.open === undefined) return
    const { id, to } = this.open.plan
    const what = this.open.isQueued ? 'is queued for a move' : 'is on its way'
    throw new GodwitError('already-migrating', `${workload} ${what} to ${to} (${id})`)
  }

  #mustBeMovable(): void {
    this.#edge.mustRun('can be moved')
    const { workload, ledger } = this.#edge
    // Its state is older than what was accepted: no claim to it would be granted.
    const { recomputation } = ledger
    if (recomputation !== undefined) {
      throw new GodwitError(
        'not-running',
        `${workload} is taking steps again after a restart, ${recomputation.nextStep} of ${recomputation.untilStep}: it can be moved once it has caught up`,
      )
    }
  }

  /** Errors: `unknown-migration`, `out-of-order` when the target owns the workload already. */
  async cancel(): Promise<Move> {
    const { workload } = this.#edge
    const move = this.#mustBeOpen()
    if (!move.isCancellable && move.status !== 'cancelling') {
      throw new GodwitError(
        'out-of-order',
        `${workload} has just moved to ${move.plan.to}: there is nothing left to cancel`,
      )
    }
    await move.handle({ type: 'cancel', error: { kind: 'cancelled', message: 'cancelled by request' } })
    return move
  }

  /** Takes it out of the queue, if it is still in it. */
  async withdraw(migration: string, error: ErrorReport): Promise<void> {
    const move = this.open
    if (move?.plan.id === migration && move.isQueued) await move.handle({ type: 'cancel', error })
  }

  /** Settles when `move` has ended, or after `cancelWithinMs` with what it waits for. */
  async waitForEnd(move: Move): Promise<MigrationView> {
    const late = new Deferred()
    const cancelTimer = this.#edge.clock.after(LIMITS.cancelWithinMs, () => late.resolve())
    await Promise.race([move.over, late.promise])
    cancelTimer()
    return move.view()
  }

  /** Before it has switched over. Errors: `unknown-migration`, `out-of-order` when it is too late. */
  async hold(): Promise<MigrationView> {
    const { workload } = this.#edge
    const move = this.#mustBeOpen()
    if (move.status === 'switchover' || !move.isCancellable || move.isLetGo) {
      throw new GodwitError(
        'out-of-order',
        `${workload} is switching over to ${move.plan.to}: it can't be held any more`,
      )
    }
    await move.handle({ type: 'hold' })
    return move.view()
  }

  /** Before it has switched over. Errors: `unknown-migration`, `out-of-order` when it is too late. */
  async pause(by: string): Promise<MigrationView> {
    const { workload } = this.#edge
    const move = this.#mustBeOpen()
    if (move.status === 'switchover' || !move.isCancellable || move.isLetGo) {
      throw new GodwitError(
        'out-of-order',
        `${workload} is switching over to ${move.plan.to}: it can't be paused any more`,
      )
    }
    if (!move.isPaused) await move.handle({ type: 'pause', by })
    return move.view()
  }

  /** Lets go on what is paused; of what is not, nothing is left to do. Errors: `unknown-migration`. */
  async resume(): Promise<MigrationView> {
    const move = this.#mustBeOpen()
    if (move.isPaused && move.isCancellable) await move.handle({ type: 'pause', by: undefined })
    return move.view()
  }

  /** Lets go what is held; of what is not, or has moved since, nothing is left to do. Errors: `unknown-migration`. */
  async switchover(): Promise<MigrationView> {
    const latest = this.#move
    if (latest?.status === 'completed') return latest.view()
    const move = this.#mustBeOpen()
    if (move.isCancellable) await move.handle({ type: 'letGo' })
    return move.view()
  }

  #mustBeOpen(): Move {
    if (this.open !== undefined) return this.open
    throw new GodwitError('unknown-migration', `${this.#edge.workload} has no migration under way`)
  }

  async hear(workerId: string, message: OfMigration): Promise<void> {
    const move = this.#move
    const speaker = message.type === 'claim' ? move?.plan.targetWorker : move?.plan.sourceWorker
    if (move === undefined || message.migrationId !== move.plan.id || workerId !== speaker) {
      if (message.type === 'recover') return this.#recoverLate(workerId, message.migrationId, message.error)
      if (message.type === 'migrationEnded' && this.#isNobodys(workerId))
        return this.#letGo(workerId, message.migrationId)
      this.#edge.log.warn({ workerId, type: message.type, migration: message.migrationId }, 'not heard')
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

  /** Neither the owner nor a part of what is under way. */
  #isNobodys(workerId: string): boolean {
    return workerId !== this.#edge.owner().workerId && this.openOf(workerId) === undefined
  }

  /** A source that missed its release, since the coordinator died just then, and whose job has moved on: it speaks until it is heard. */
  #letGo(workerId: string, migrationId: string): void {
    const { workers } = this.#edge
    workers.tell(workerId, { type: 'release', migrationId })
    workers.retire(workerId)
  }

  /**
   * From a source that missed the end of a migration before the latest: frozen as it is, it would train no more and
   * refuse to move. The newer migration goes first, since its claim rests on the epoch that changes here.
   */
  async #recoverLate(workerId: string, migration: string, error: ErrorReport): Promise<void> {
    const { ledger, workers, log } = this.#edge
    const { host, workerId: owner, isActive } = this.#edge.owner()
    const isOwner = workerId === owner && isActive
    const newer = this.open
    if (isOwner && newer?.isQueued === false) {
      log.warn({ workerId, migration }, 'the source is frozen by an earlier migration')
      await newer.handle({ type: 'cancel', error })
      // Asked again, it is answered once the source has refused the newer one.
      if (!newer.isOver) return
    }
    const { epoch } = ledger
    const decision = isOwner
      ? await ledger.decide((record) => recover(record, { migration, epoch, host }))
      : { granted: false, epoch }
    const { granted } = decision
    workers.tell(workerId, {
      type: 'recoverResult',
      migrationId: migration,
      granted,
      epoch: decision.epoch,
    })
    if (granted) this.#edge.own(host, workerId, undefined)
  }

  close(): void {
    this.#move?.close()
  }

  #moveTurns(): MoveTurns {
    const { inventory, turns } = this.#edge
    const asked = ({ id, from, to, options }: MigrationPlan) => ({
      id,
      links: linksOf(inventory.knownHost(from), inventory.knownHost(to)),
      priority: options.priority,
    })
    return {
      ask: (plan) => turns.ask(asked(plan)),
      switching: (plan) => turns.switching(asked(plan)),
      begins: (plan) => turns.begins(asked(plan)),
      hasBegun: ({ id }) => turns.hasBegun(id),
      over: ({ id }) => turns.over(id),
      has: ({ id }) => turns.has(id),
      behind: ({ id }) => turns.behind(id),
    }
  }

  #moveEdge(move: () => Move): MoveEdge {
    const { clock, inventory, workers, ledger, save, lost, later, changed, entered } = this.#edge
    return {
      clock,
      isConnected: (host) => inventory.isConnected(host),
      save,
      fetching: (workerId) => workers.fetching(workerId),
      launchTarget: ({ to, targetWorker, epoch, options: { computeOnly } }) =>
        workers.launch(to, { workerId: targetWorker, mode: 'incoming', epoch, computeOnly }),
      toWorker: (workerId, message) => workers.tell(workerId, message),
      turns: this.#moveTurns(),
      kill: (workerId) => workers.kill(workerId),
      retire: (workerId) => workers.retire(workerId),
      decide: (change) => ledger.decide(change),
      own: (host, workerId) => {
        const { from, to } = move().plan
        this.#edge.own(host, workerId, host === from ? to : undefined)
      },
      lost,
      due: () => later(() => move().handle({ type: 'tick' })),
      changed,
      entered,
    }
  }
}
