/**
 * What a workload hears of its workers and their hosts.
 *
 * Invariant: only the worker that owns the workload, the one that is to take its place, and those of its latest migration are heard.
 */
import { type BundleProgress, difference, type ErrorReport, type FromWorker } from '@godwit/protocol'
import { isRestartable } from './restart-policy.ts'
import type { Said, WorkloadLife } from './workload-life.ts'

type Heard = Exclude<FromWorker, { type: 'estimated' | 'pages' }>

export class WorkloadHearing {
  readonly #life: WorkloadLife

  constructor(life: WorkloadLife) {
    this.#life = life
  }

  fromWorker(workerId: string, message: Heard): void {
    this.#life.later(() => this.#hear(workerId, message))
  }

  /** Its worker waits for its bundle. */
  fetching(workerId: string, progress: BundleProgress): void {
    this.#life.later(async () => {
      const isKnown = this.#life.services.inventory.worker(workerId) !== undefined
      if (!isKnown || this.#life.workers.prepared(workerId) !== undefined) return
      this.#life.workers.isFetching(workerId, progress)
      const move = this.#life.moves.openOf(workerId)
      if (move === undefined) this.#life.feed.workloadChanged()
      else move.fetches()
    })
  }

  workerExited(workerId: string, error: ErrorReport | undefined): void {
    this.#life.later(async () => {
      // Written down by a coordinator that ended before it was launched.
      const isUnlaunched =
        workerId === this.#life.owner && this.#life.status === 'starting' && !this.#life.launched
      if (isUnlaunched && this.#life.stop === 'no') return this.#life.launch()
      const known = this.#life.services.inventory.worker(workerId)
      this.#life.workers.forget(workerId)
      this.#life.checkpoints.gone(workerId)
      const gone = error ?? { kind: 'worker-crashed', message: `worker ${workerId} ended without saying why` }
      try {
        await this.#exited(workerId, gone)
      } catch (error) {
        // It is said once: should it not have been written down, it is missed when its agent connects anew.
        if (known !== undefined) this.#life.workers.isKnown(workerId, known.host)
        throw error
      }
    })
  }

  /**
   * The agent of `host` has gone. Its workers may go on, and so does a workload: one that was to be launched there may not have
   * been, which is seen when the agent is back.
   */
  hostLost(host: string): void {
    this.#life.later(async () => {
      if (this.#life.status === 'starting' && this.#life.host === host) this.#life.launched = false
      const move = this.#life.moves.latest
      if (move?.plan.to === host) await move.handle({ type: 'targetHostLost' })
    })
  }

  /** The agent of `host` has come back; its workers are told of one by one, before. */
  hostBack(host: string): void {
    this.#life.later(async () => {
      if (host === this.#life.host) await this.#life.restarts.hostBack()
    })
  }

  /** The agent of a worker's host has come back and the worker with it. */
  workerBack(workerId: string): void {
    this.#life.later(async () => {
      this.#life.launched = true
      this.#life.restarts.back(workerId)
      this.#life.acknowledge(workerId)
      this.#life.checkpoints.askAgain(workerId)
      const move = this.#life.moves.latest
      if (workerId === move?.plan.sourceWorker) await move.handle({ type: 'sourceHostBack' })
      if (workerId === move?.plan.targetWorker) await move.handle({ type: 'targetHostBack' })
      if (workerId !== this.#life.owner) return
      this.#life.tellResume()
      if (!this.#life.isActive || this.#life.stop === 'sent')
        this.#life.workers.tell(workerId, { type: 'stop' })
    })
  }

  /** The host keeps a checkpoint of this workload. */
  checkpointFound(host: string): void {
    this.#life.later(async () => this.#life.keeping.found(host))
  }

  async #hear(workerId: string, message: Heard): Promise<void> {
    switch (message.type) {
      case 'prepared':
        return this.#onPrepared(workerId, message)
      case 'outputs':
        return this.#onOutputs(workerId, message)
      case 'ended':
        if (workerId === this.#life.owner) this.#life.end = message
        return this.#life.finishIfEnded()
      case 'failed':
        return this.#onFailed(workerId, message.error)
      case 'checkpointed':
        return this.#life.keeping.heard(workerId, message)
      case 'hello':
        return
      default:
        return this.#life.moves.hear(workerId, message)
    }
  }

  async #onPrepared(workerId: string, message: Said<'prepared'>): Promise<void> {
    this.#life.workers.isPrepared(workerId, message)
    if (workerId === this.#life.restarts.attempt?.workerId)
      return this.#life.restarts.prepared(workerId, message)
    if (workerId === this.#life.owner) {
      this.#life.tellResume()
      return this.#life.trains()
    }
    const move = this.#life.moves.latest
    if (workerId === move?.plan.targetWorker) {
      const source = this.#life.workers.prepared(move.plan.sourceWorker)
      const differs = source === undefined ? undefined : difference(source.identity, message.identity)
      await move.handle({ type: 'targetPrepared', difference: differs })
    }
  }

  async #onOutputs(workerId: string, { outputs }: Said<'outputs'>): Promise<void> {
    if (!this.#life.isActive) return this.#life.acknowledge(workerId)
    const { diverged } = this.#life.ledger
    const accepted = await this.#life.ledger.accept(outputs)
    if (this.#life.resumeEpoch !== undefined && outputs.some(({ epoch }) => epoch === this.#life.resumeEpoch))
      this.#life.resumeEpoch = undefined
    if (this.#life.ledger.diverged !== diverged) {
      this.#life.log.error(
        { ...this.#life.ledger.diverged },
        'a step that was computed again gave other bits',
      )
      await this.#life.save()
      this.#life.feed.workloadChanged()
    }
    this.#life.acknowledge(workerId)
    if (accepted.length === 0) return
    // Whoever takes steps has begun, though its word for it was lost: should it be lost now, it is restarted.
    await this.#life.trains()
    this.#life.feed.stepsAdded()
    await this.#life.moves.latest?.accepted(accepted, this.#life.ledger.record)
    await this.#life.finishIfEnded()
  }

  async #onFailed(workerId: string, error: ErrorReport): Promise<void> {
    if (workerId === this.#life.restarts.attempt?.workerId) return this.#life.restarts.exited(workerId, error)
    const move = this.#life.moves.openOf(workerId)
    if (workerId === move?.plan.targetWorker) return move.handle({ type: 'targetFailed', error })
    if (move !== undefined && isRestartable(error.kind)) return move.handle({ type: 'sourceExited', error })
    if (workerId === this.#life.owner) await this.#life.ownerLost(error)
  }

  async #exited(workerId: string, error: ErrorReport): Promise<void> {
    if (workerId === this.#life.restarts.attempt?.workerId) return this.#life.restarts.exited(workerId, error)
    const move = this.#life.moves.openOf(workerId)
    // With a migration under way it decides what the loss of one of its sides means.
    if (workerId === move?.plan.targetWorker) return move.handle({ type: 'targetExited', error })
    if (move !== undefined) return move.handle({ type: 'sourceExited', error })
    if (workerId === this.#life.owner) await this.#life.ownerLost(error)
  }
}
