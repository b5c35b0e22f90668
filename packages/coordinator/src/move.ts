/**
 * One migration carried out: the machine decides, this asks the record, sends the messages and keeps the time.
 *
 * Everything here runs inside the workload's queue, so that the machine's questions are answered before anything
 * else happens to it. What is added to the machine's view is what only the coordinator has seen: the time that the
 * job lost.
 */
import type { ErrorReport, MigrationView, Output, ToWorker } from '@godwit/protocol'
import type { Clock } from './clock.ts'
import { beginLostTime, countStep, type LostTime, lostTimeMs } from './lost-time.ts'
import { beginMigration, stepMigration } from './migration-machine.ts'
import {
  deadlineMs,
  isCancellable,
  isOver,
  isSourceOwner,
  type MigrationEffect,
  type MigrationEvent,
  type MigrationPlan,
  type MigrationState,
  type MigrationStep,
  viewOf,
} from './migration-state.ts'
import { claim, type Decision, type OwnershipRecord, recover } from './ownership.ts'

/** What a migration needs of its workload. */
export interface MoveEdge {
  readonly clock: Clock
  launchTarget(plan: MigrationPlan): void
  toWorker(workerId: string, message: ToWorker): void
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
}

export class Move {
  readonly plan: MigrationPlan
  readonly #edge: MoveEdge
  #state: MigrationState
  #lostTime: LostTime
  /** First step at the target, once it owns the workload. */
  #fromStep: number | undefined
  #acceptedSteps = 0
  #workloadEnded = false
  #toldLostTime = false
  #cancelTimer: () => void = () => {}

  /** `latestStepMs`: the times of the steps before, see lost-time.ts. Nothing happens before `begin`. */
  constructor(plan: MigrationPlan, latestStepMs: readonly number[], edge: MoveEdge) {
    this.plan = plan
    this.#edge = edge
    this.#lostTime = beginLostTime(latestStepMs)
    this.#state = beginMigration(plan).state
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

  view(): MigrationView {
    return viewOf(this.#state, this.#lostTimeMs())
  }

  async begin(): Promise<void> {
    await this.#enter(beginMigration(this.plan))
  }

  async handle(event: MigrationEvent): Promise<void> {
    await this.#enter(stepMigration(this.#state, event, this.#edge.clock.nowMs()))
  }

  /** Outputs of the workload were accepted while the migration ran or after it. */
  async accepted(outputs: readonly Output[], record: OwnershipRecord): Promise<void> {
    this.#acceptedSteps = record.acceptedSteps
    for (const output of outputs) this.#lostTime = countStep(this.#lostTime, output, this.#fromStep)
    if (!this.isOver && this.#fromStep !== undefined && record.acceptedSteps > this.#fromStep) {
      await this.handle({ type: 'stepAccepted' })
    }
    this.#tellLostTime()
  }

  /** The workload finished, was stopped or failed: no further step will come. */
  async workloadEnded(): Promise<void> {
    this.#workloadEnded = true
    await this.handle({ type: this.isSourceOwner ? 'workloadEnded' : 'stepAccepted' })
    this.#tellLostTime()
  }

  close(): void {
    this.#cancelTimer()
  }

  async #enter({ state, effects }: MigrationStep): Promise<void> {
    const before = this.#state
    this.#state = state
    for (const effect of effects) await this.#carryOut(effect)
    this.#cancelTimer()
    const dueMs = deadlineMs(this.#state)
    if (dueMs !== undefined) {
      const { clock } = this.#edge
      this.#cancelTimer = clock.after(Math.max(0, dueMs - clock.nowMs()), () => this.#edge.due())
    }
    // An answer to a question of this step has told of it already.
    if (state !== before && state === this.#state) this.#edge.changed(this.view())
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

  #tellLostTime(): void {
    if (this.#toldLostTime || this.#lostTimeMs() === null) return
    this.#toldLostTime = true
    this.#edge.changed(this.view())
  }
}
