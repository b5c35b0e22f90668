/**
 * One migration carried out: the machine decides, this asks the record, sends the messages and keeps the time.
 *
 * Everything here runs inside the workload's queue, so that the machine's questions are answered before anything
 * else happens to it. What is added to the machine's view is what only the coordinator has seen: the time that the
 * job lost.
 *
 * A state is written down before its effects go out, so that a coordinator that starts anew knows of everything that may have
 * happened. The exception is what follows from the ownership record, which is written already: a claim is answered first and
 * written down after, because the job stands still meanwhile. `resume` makes up for it.
 */
import {
  type BundleProgress,
  type ErrorReport,
  LIMITS,
  type MigrationView,
  type Output,
  type ToWorker,
} from '@godwit/protocol'
import type { Clock } from './clock.ts'
import { Deferred } from './deferred.ts'
import {
  beginLostTime,
  countStep,
  type LostTime,
  lostTimeMs,
  SETTLING_STEPS,
  USUAL_STEPS,
} from './lost-time.ts'
import { beginMigration, stepMigration } from './migration-machine.ts'
import {
  deadlineMs,
  type EventType,
  isCancellable,
  isOver,
  isSourceOwner,
  type MigrationEffect,
  type MigrationEvent,
  type MigrationPlan,
  type MigrationState,
  type MigrationStep,
  migrationStatus,
  type StateName,
  viewOf,
} from './migration-state.ts'
import type { OutputHistory } from './output-history.ts'
import { claim, type Decision, newestRange, type OwnershipRecord, recover } from './ownership.ts'
import { durable, isNews, type MigrationRecord, shifted } from './records.ts'
import type { Ahead } from './turns.ts'

/** What a migration needs of its workload. */
export interface MoveEdge {
  readonly clock: Clock
  isConnected(host: string): boolean
  /** Writes the record down, with the workload's. */
  save(record: MigrationRecord): Promise<void>
  /** How far the bundle is that the target fetches. */
  fetching(workerId: string): BundleProgress | undefined
  launchTarget(plan: MigrationPlan): void
  toWorker(workerId: string, message: ToWorker): void
  /** Who else switches over on the links of this plan. */
  readonly turns: MoveTurns
  kill(workerId: string): void
  /** Told to go: killed if it does not. */
  retire(workerId: string): void
  /** Changes the ownership record by compare-and-set. */
  decide(change: (record: OwnershipRecord) => Decision): Promise<Decision>
  own(host: string, workerId: string): void
  /** Nobody holds the workload any more. */
  lost(error: ErrorReport): Promise<void>
  /** The time has come: call `handle` with a tick, in the workload's queue. */
  due(): void
  changed(view: MigrationView): void
  /** Told of each cell of the machine's table that is entered: for whoever counts which ones a test has met. */
  readonly entered?: ((state: StateName, event: EventType) => void) | undefined
}

export interface MoveTurns {
  /** True: it is to switch over. */
  ask(plan: MigrationPlan): boolean
  switching(plan: MigrationPlan): void
  begins(plan: MigrationPlan): void
  hasBegun(plan: MigrationPlan): void
  over(plan: MigrationPlan): void
  has(plan: MigrationPlan): boolean
  behind(plan: MigrationPlan): Ahead | undefined
}

export class Move {
  readonly #edge: MoveEdge
  #state: MigrationState
  #lostTime: LostTime
  /** First step at the target, once it owns the workload. */
  #fromStep: number | undefined
  readonly #over = new Deferred()
  readonly #order: number
  readonly #history: OutputHistory
  /** Accepted steps as it began. */
  #startStep: number
  /** While it is queued. */
  #place: { readonly place: number; readonly reason: string } | undefined
  #acceptedSteps: number
  #workloadEnded = false
  #toldLostTime = false
  #cancelTimer: () => void = () => {}

  private constructor(record: Omit<MigrationRecord, 'savedAtMs'>, history: OutputHistory, edge: MoveEdge) {
    const { state, order, startStep, fromStep } = record
    this.#edge = edge
    this.#state = state
    this.#order = order
    this.#history = history
    this.#startStep = startStep
    this.#acceptedSteps = history.nextStep
    this.#fromStep = fromStep
    this.#lostTime = lostTimeFrom(history, startStep)
    const last = fromStep === undefined ? history.nextStep : fromStep + SETTLING_STEPS
    for (const output of history.read(startStep, Math.max(0, last - startStep)))
      this.#lostTime = countStep(this.#lostTime, output, fromStep)
    this.#toldLostTime = record.lostTimeMs !== null
  }

  /** Nothing happens before `begin`. */
  static create(
    { plan, order, isQueued }: { plan: MigrationPlan; order: number; isQueued: boolean },
    history: OutputHistory,
    edge: MoveEdge,
  ): Move {
    const { state } = beginMigration(plan, isQueued)
    return new Move({ state, order, startStep: history.nextStep, lostTimeMs: null }, history, edge)
  }

  /** One that an earlier coordinator wrote down. Nothing happens before `resume`. */
  static restore(record: MigrationRecord, history: OutputHistory, edge: MoveEdge): Move {
    const nowMs = edge.clock.nowMs()
    const state = shifted(record.state, nowMs - record.savedAtMs)
    const restored = state.name === 'moving' ? { ...state, restoredMs: nowMs } : state
    return new Move({ ...record, state: restored }, history, edge)
  }

  /** Of one that was queued: as it was asked for, until its turn has come. */
  get plan(): MigrationPlan {
    return this.#state.plan
  }

  /** Of all moves, in the order in which they were asked for. */
  get order(): number {
    return this.#order
  }

  get isPaused(): boolean {
    return this.#state.pausedBy !== undefined
  }

  get isQueued(): boolean {
    return this.#state.name === 'queued'
  }

  /** Where it is in the queue, and why. */
  waits(at: { readonly place: number; readonly reason: string }): void {
    if (!this.isQueued || (this.#place?.place === at.place && this.#place.reason === at.reason)) return
    this.#place = at
    this.#edge.changed(this.view())
  }

  /** Something is known since of what its target fetches. */
  fetches(): void {
    this.#edge.changed(this.view())
  }

  /** Settles when it is over. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  get isOver(): boolean {
    return isOver(this.#state)
  }

  get isCancellable(): boolean {
    return isCancellable(this.#state)
  }

  /** The source's word that the job is over ends the migration: the source owns it, or will again. */
  get isSourceOwner(): boolean {
    return isSourceOwner(this.#state)
  }

  get status(): MigrationView['status'] {
    return this.view().status
  }

  /** It was told to switch over, and may have parked already. */
  get isLetGo(): boolean {
    return this.#edge.turns.has(this.plan)
  }

  view(): MigrationView {
    const view = viewOf(this.#state, this.#lostTimeMs())
    const waitingFor = this.#waitingFor(view)
    const place = view.status === 'queued' ? this.#place?.place : undefined
    const fetching = view.status === 'setup' ? this.#edge.fetching(this.plan.targetWorker) : undefined
    return {
      ...view,
      ...(fetching === undefined ? {} : { fetching }),
      ...(place === undefined ? {} : { place }),
      ...(waitingFor === undefined ? {} : { waitingFor }),
    }
  }

  #waitingFor({ status, isHeld, pausedBy }: MigrationView): string | undefined {
    const { from, workload } = this.plan
    if (pausedBy !== undefined)
      return `somebody to let it go on: it was paused by ${pausedBy}, godwit resume ${workload}`
    if (status === 'queued') return this.#place?.reason
    if (status === 'preSwitchover') {
      if (isHeld === true) return `somebody to let it go: godwit switchover ${workload}`
      const other = this.#edge.turns.behind(this.plan)
      return other && `its turn: ${other.id} ${other.does} on a host or link that both need`
    }
    if (status !== 'cancelling') return undefined
    return this.#edge.isConnected(from)
      ? `the worker on ${from} to say that it trains on`
      : `the agent of ${from} to connect again`
  }

  async begin(): Promise<void> {
    await this.#edge.save(this.#record(this.#state))
    await this.#enter(beginMigration(this.plan, this.isQueued))
  }

  /**
   * Goes on where an earlier coordinator ended. What the ownership record says and the state does not know yet had been decided and
   * not been written down; that its answer may not have been sent either is made up for when the agents are back.
   */
  async resume(record: OwnershipRecord): Promise<void> {
    const { by, epoch, fromStep } = newestRange(record)
    const { id, to } = this.plan
    const { name } = this.#state
    if (by?.migration === id && by.operation === 'claim') {
      this.#fromStep = fromStep
      if (name === 'moving') await this.handle({ type: 'claimDecided', granted: true, epoch })
    } else if (by?.migration === id && this.#state.plan.epoch < epoch) {
      const known = 'recoveredEpoch' in this.#state ? this.#state.recoveredEpoch : undefined
      const error = { kind: 'cancelled', message: `the job stayed on ${this.plan.from}` } as const
      const isAsked =
        name !== 'queued' &&
        name !== 'preparing' &&
        name !== 'opening' &&
        name !== 'accepted' &&
        name !== 'completed'
      if (isAsked && known !== epoch)
        await this.handle({ type: 'recoverDecided', granted: true, epoch, error })
    }
    await this.accepted([], record)
    // If it never comes back, the source has everything.
    if (this.#state.name === 'claimed' && !this.#edge.isConnected(to))
      await this.handle({ type: 'targetHostLost' })
    await this.#enter({ state: this.#state, effects: [] })
  }

  async handle(event: MigrationEvent): Promise<void> {
    this.#edge.entered?.(this.#state.name, event.type)
    if (event.type === 'admitted') this.#beginsNow()
    const isDecided = event.type === 'claimDecided' || event.type === 'recoverDecided'
    await this.#enter(
      stepMigration(this.#state, event, this.#edge.clock.nowMs()),
      isDecided ? 'after' : 'before',
    )
  }

  /** Its job trained on while it was queued. */
  #beginsNow(): void {
    this.#startStep = this.#history.nextStep
    this.#lostTime = lostTimeFrom(this.#history, this.#startStep)
  }

  /** Outputs of the workload were accepted while the migration ran or after it. */
  async accepted(outputs: readonly Output[], record: OwnershipRecord): Promise<void> {
    this.#acceptedSteps = record.acceptedSteps
    for (const output of outputs) this.#lostTime = countStep(this.#lostTime, output, this.#fromStep)
    if (!this.isOver && this.#fromStep !== undefined && record.acceptedSteps > this.#fromStep) {
      await this.handle({ type: 'stepAccepted' })
    }
    await this.#tellLostTime()
  }

  /** The workload finished, was stopped or failed: no further step will come. */
  async workloadEnded(): Promise<void> {
    this.#workloadEnded = true
    await this.handle({ type: this.isSourceOwner ? 'workloadEnded' : 'stepAccepted' })
    await this.#tellLostTime()
  }

  close(): void {
    this.#cancelTimer()
  }

  /** `writeDown`: before or after the effects, see above. */
  async #enter({ state, effects }: MigrationStep, writeDown: 'before' | 'after' = 'before'): Promise<void> {
    const before = this.#state
    const isWritten = isNews(before, state)
    this.#cancelTimer()
    try {
      if (writeDown === 'before' && isWritten) await this.#edge.save(this.#record(state))
      this.#state = state
      for (const effect of effects) await this.#carryOut(effect)
      if (writeDown === 'after' && isWritten) await this.#edge.save(this.#record(this.#state))
    } catch (error) {
      // What the store refused is not entered; the time for it comes again. What was entered before an effect failed is true.
      this.#tell(before, state)
      this.#armTimer(LIMITS.repeatMs)
      throw error
    }
    this.#armTimer(0)
    this.#takeTurns(before, this.#state)
    this.#tell(before, state)
  }

  /** The hosts are free again once the job goes on: a switchover beside the last of another's is downtime of that one. */
  #takeTurns(before: MigrationState, state: MigrationState): void {
    const { turns } = this.#edge
    if (isBeginning(state)) turns.begins(this.plan)
    else if (isBeginning(before)) turns.hasBegun(this.plan)
    if (isSwitching(state)) turns.switching(this.plan)
    else if (isSwitching(before) || (isReady(before) && !isReady(state))) turns.over(this.plan)
  }

  /** An answer to a question of this step has told of it already. */
  #tell(before: MigrationState, state: MigrationState): void {
    if (this.isOver) this.#over.resolve()
    if (state !== before && state === this.#state) this.#edge.changed(this.view())
  }

  #armTimer(atLeastMs: number): void {
    this.#cancelTimer()
    const dueMs = deadlineMs(this.#state)
    if (dueMs === undefined) return
    const { clock } = this.#edge
    this.#cancelTimer = clock.after(Math.max(atLeastMs, dueMs - clock.nowMs()), () => this.#edge.due())
  }

  async #carryOut(effect: MigrationEffect): Promise<void> {
    const { plan } = this
    const edge = this.#edge
    switch (effect.type) {
      case 'launchTarget':
        return edge.launchTarget(plan)
      case 'toSource':
        return edge.toWorker(plan.sourceWorker, effect.message)
      case 'toTarget':
        return edge.toWorker(plan.targetWorker, effect.message)
      case 'killTarget':
        return edge.kill(plan.targetWorker)
      case 'askTurn':
        if (edge.turns.ask(plan))
          edge.toWorker(plan.sourceWorker, { type: 'switchover', migrationId: plan.id })
        return
      case 'askClaim':
        return this.#askClaim(effect.fromStep)
      case 'askRecover':
        return this.#askRecover(effect.error)
      case 'own':
        if (effect.side === 'target') return edge.own(plan.to, plan.targetWorker)
        this.#fromStep = undefined
        return edge.own(plan.from, plan.sourceWorker)
      case 'releaseSource':
        edge.toWorker(plan.sourceWorker, { type: 'release', migrationId: plan.id })
        return edge.retire(plan.sourceWorker)
      case 'workloadLost':
        return edge.lost(effect.error)
    }
  }

  async #askClaim(fromStep: number): Promise<void> {
    const { id: migration, epoch, to: host } = this.plan
    const decision = await this.#edge.decide((record) => claim(record, { migration, epoch, host, fromStep }))
    if (decision.granted) this.#fromStep = decision.record.ranges.at(-1)?.fromStep
    await this.handle({ type: 'claimDecided', granted: decision.granted, epoch: decision.epoch })
  }

  async #askRecover(error: ErrorReport): Promise<void> {
    const { id: migration, epoch, from: host } = this.plan
    const { granted, epoch: made } = await this.#edge.decide((record) =>
      recover(record, { migration, epoch, host }),
    )
    await this.handle({ type: 'recoverDecided', granted, epoch: made, error })
  }

  #lostTimeMs(): number | null {
    const { name, report } = this.#state
    if (name !== 'completed' || report === undefined || this.#fromStep === undefined) return null
    return lostTimeMs(this.#lostTime, {
      acceptedSteps: this.#acceptedSteps,
      fromStep: this.#fromStep,
      workloadEnded: this.#workloadEnded,
      downtimeMs: report.downtimeMs,
    })
  }

  async #tellLostTime(): Promise<void> {
    if (this.#toldLostTime || this.#lostTimeMs() === null) return
    this.#toldLostTime = true
    await this.#edge.save(this.#record(this.#state))
    this.#edge.changed(this.view())
  }

  #record(state: MigrationState): MigrationRecord {
    return {
      order: this.#order,
      savedAtMs: this.#edge.clock.nowMs(),
      state: durable(state),
      startStep: this.#startStep,
      fromStep: this.#fromStep,
      lostTimeMs: this.#lostTimeMs(),
    }
  }
}

/** Until its first round is sent. */
function isBeginning(state: MigrationState): boolean {
  const status = migrationStatus(state)
  return status === 'setup' || (status === 'active' && (state.progress?.round ?? 0) === 0)
}
const isReady = (state: MigrationState): boolean =>
  state.name === 'moving' && state.status === 'preSwitchover'
/** From the park until the job is heard to go on, or not to. */
const isSwitching = (state: MigrationState): boolean =>
  (state.name === 'moving' && state.status === 'switchover') ||
  (state.name === 'claimed' && state.handedOverMs === undefined)

/** Measured against the steps before. */
function lostTimeFrom(history: OutputHistory, startStep: number): LostTime {
  const before = history.read(Math.max(0, startStep - USUAL_STEPS), Math.min(startStep, USUAL_STEPS))
  return beginLostTime(before.filter(({ step }) => step < startStep).map(({ stepMs }) => stepMs))
}
