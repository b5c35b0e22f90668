/**
 * A job that lost its worker is given another one, which goes on from the host's checkpoint.
 *
 * The intuition: a restart is a move from the past. The new worker loads what was written, says how far that is, and does nothing
 * until the ownership record names it, under a new epoch: so however many workers are started in vain, and whoever crashes
 * meanwhile, one of them trains. What goes wrong on the way is one more loss, and tried again, a limited number of times.
 *
 * Where the job's host is away its agent is waited for, for as long as it takes: the one wait here without a limit, as that of a
 * job on a host that is away. It can be stopped.
 *
 * Invariants: an attempt is written down before its worker is launched; a worker trains (`resume`) only after the record was
 * changed; there is one attempt at a time.
 */
import { difference, type ErrorReport, type FromWorker, type Identity } from '@godwit/protocol'
import type { Logger } from 'pino'
import type { Clock } from './clock.ts'
import { makeRestartId, makeWorkerId } from './names.ts'
import { type Decision, isOfThisHistory, newestRange, type OwnershipRecord, restart } from './ownership.ts'
import {
  isRestartable,
  NO_RESTARTS,
  nextRestart,
  type RestartCount,
  restartDelayMs,
} from './restart-policy.ts'

type Prepared = Extract<FromWorker, { type: 'prepared' }>

/** Written down: what a coordinator that starts anew goes on with. */
export interface Attempt {
  readonly id: string
  readonly workerId: string
  /** That owns the workload, and whose steps the worker goes on after. */
  readonly epoch: number
  /** What made it necessary. */
  readonly error: ErrorReport
}

export interface RestartsEdge {
  readonly workload: string
  /** What a worker is given to load the job. */
  readonly setupMs: number
  readonly clock: Clock
  readonly log: Logger
  record(): OwnershipRecord
  /** Of the program that the lost owner ran, as far as it is known. */
  identity(): Identity | undefined
  /** What the host keeps is of no use, or worse. */
  deleteCheckpoint(): void
  isConnected(): boolean
  /** Writes the attempt down. */
  save(): Promise<void>
  launch(attempt: Attempt): void
  kill(workerId: string): void
  decide(change: (record: OwnershipRecord) => Decision): Promise<Decision>
  /** The restored worker owns the workload: `checkpointStep` steps are applied in what it loaded. */
  restarted(attempt: Attempt, epoch: number, checkpointStep: number): Promise<void>
  /** Restarted too often. */
  givenUp(error: ErrorReport): Promise<void>
  /** Runs `task` in the workload's queue. */
  later(task: () => Promise<void>): void
}

export class Restarts {
  readonly #edge: RestartsEdge
  #count: RestartCount
  #attempt: Attempt | undefined
  /** `waiting` for its time or for its host. */
  #stage: 'none' | 'waiting' | 'launched' = 'none'
  #isDue = false
  #cancelTimer: () => void = () => {}

  constructor(
    edge: RestartsEdge,
    known: { count: RestartCount; attempt?: Attempt | undefined } = { count: NO_RESTARTS },
  ) {
    this.#edge = edge
    this.#count = known.count
    this.#attempt = known.attempt
  }

  get count(): RestartCount {
    return this.#count
  }

  get attempt(): Attempt | undefined {
    return this.#attempt
  }

  /** False when what happened would happen again, or has happened too often: then the job is over. */
  async begin(error: ErrorReport): Promise<boolean> {
    return isRestartable(error.kind) && this.#again(error)
  }

  /** The restored worker is ready. One that was answered already is heard again: see `resumeEpoch` in records.ts. */
  async prepared(workerId: string, message: Prepared): Promise<void> {
    const attempt = this.#attempt
    if (attempt?.workerId !== workerId) return
    const { step: checkpointStep, epoch: checkpointEpoch, error } = message.restored ?? { step: 0 }
    if (error !== undefined) this.#edge.log.warn({ error, workerId }, 'the job starts over from init')
    const before = this.#edge.identity()
    const differs = before === undefined ? undefined : difference(before, message.identity)
    if (differs !== undefined) return this.#giveUp(workerId, differs)
    const loaded = { checkpointStep, checkpointEpoch }
    if (!isOfThisHistory(this.#edge.record(), loaded)) {
      this.#edge.deleteCheckpoint()
      const message = `the checkpoint at step ${checkpointStep} is of an owner whose steps were never accepted`
      return this.exited(workerId, { kind: 'checkpoint-unusable', message })
    }
    const { id, epoch } = attempt
    const host = newestRange(this.#edge.record()).host
    const decision = await this.#edge.decide((record) =>
      restart(record, { restart: id, epoch, host, ...loaded }),
    )
    if (!decision.granted) {
      const kind = 'claim-refused'
      return this.exited(workerId, { kind, message: `epoch ${decision.epoch} owns the workload already` })
    }
    this.#clear()
    await this.#edge.restarted(attempt, decision.epoch, checkpointStep)
  }

  /** It failed, or its process ended. */
  async exited(workerId: string, error: ErrorReport): Promise<void> {
    if (this.#attempt?.workerId !== workerId) return
    if (this.#stage === 'launched') {
      this.#edge.kill(workerId)
      if (!(await this.#again(error))) await this.#edge.givenUp(error)
      return
    }
    // Written down by a coordinator that ended before it was launched, or before it could be heard.
    await this.#launch()
  }

  /** Another program than the one that took the steps so far: going on with it would be another job under the same name. */
  async #giveUp(workerId: string, differs: ErrorReport): Promise<void> {
    this.#clear()
    this.#edge.kill(workerId)
    const message = `the job can't go on from its checkpoint: ${differs.message}`
    await this.#edge.givenUp({ ...differs, message })
  }

  /** Its agent came back, with the worker. */
  back(workerId: string): void {
    if (this.#attempt?.workerId !== workerId || this.#stage === 'launched') return
    this.#stage = 'launched'
    this.#armSetup()
  }

  async hostBack(): Promise<void> {
    if (this.#stage === 'waiting' && this.#isDue) await this.#launch()
  }

  /** The job is over. */
  cancel(): void {
    const attempt = this.#attempt
    this.#clear()
    if (attempt !== undefined) this.#edge.kill(attempt.workerId)
  }

  close(): void {
    this.#cancelTimer()
  }

  async #again(error: ErrorReport): Promise<boolean> {
    const { workload } = this.#edge
    const record = this.#edge.record()
    const { acceptedSteps } = record
    const calendarMs = this.#edge.clock.calendarMs()
    const count = nextRestart(this.#count, { acceptedSteps, kind: error.kind, calendarMs })
    if (count === undefined) {
      this.#clear()
      return false
    }
    const { epoch } = newestRange(record)
    this.#count = count
    this.#attempt = { id: makeRestartId(), workerId: makeWorkerId(workload, epoch + 1), epoch, error }
    this.#stage = 'waiting'
    this.#isDue = false
    const delayMs = restartDelayMs(count)
    if (delayMs > 0) {
      this.#after(delayMs, () => this.#due())
      await this.#edge.save()
    } else await this.#due()
    return true
  }

  async #due(): Promise<void> {
    this.#isDue = true
    if (this.#edge.isConnected()) await this.#launch()
    else await this.#edge.save()
  }

  /** What can't be written down is tried again when the agents are back: they are sent away then. */
  async #launch(): Promise<void> {
    const attempt = this.#attempt
    if (attempt === undefined) return
    await this.#edge.save()
    this.#stage = 'launched'
    this.#edge.launch(attempt)
    this.#armSetup()
  }

  #armSetup(): void {
    const workerId = this.#attempt?.workerId
    if (workerId === undefined) return
    this.#after(this.#edge.setupMs, () =>
      this.exited(workerId, {
        kind: 'setup-timeout',
        message: `the job was not loaded again within ${this.#edge.setupMs} ms`,
      }),
    )
  }

  #after(delayMs: number, task: () => Promise<void>): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#edge.clock.after(delayMs, () => this.#edge.later(task))
  }

  #clear(): void {
    this.#cancelTimer()
    this.#attempt = undefined
    this.#stage = 'none'
  }
}
