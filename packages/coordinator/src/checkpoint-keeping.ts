/**
 * Which checkpoints of a workload stay, on all hosts where it has been: the one that it would go on from, until it has a newer one where
 * it is now, or nobody will go on from it.
 *
 * Everything here is called in the workload's queue.
 */
import { type FromWorker, GodwitError, type WorkloadView } from '@godwit/protocol'
import type { Logger } from 'pino'
import type { Checkpoints } from './checkpoints.ts'

type Checkpointed = Extract<FromWorker, { type: 'checkpointed' }>

export interface CheckpointKeepingEdge {
  readonly checkpoints: Checkpoints
  readonly log: Logger
  /** Written without being asked for. */
  readonly isPeriodic: boolean
  owner(): { readonly host: string; readonly workerId: string; readonly status: WorkloadView['status'] }
  /** Not over, and not about to be. */
  goesOn(): boolean
  isActive(): boolean
  /** On which it has been. */
  hosts(): string[]
  hostOf(workerId: string): string | undefined
  save(): Promise<void>
  changed(): void
}

export class CheckpointKeeping {
  readonly #edge: CheckpointKeepingEdge

  constructor(edge: CheckpointKeepingEdge) {
    this.#edge = edge
  }

  /** A host keeps one. */
  found(host: string): void {
    this.#edge.checkpoints.foundAt(host)
    this.prune()
  }

  async heard(workerId: string, message: Checkpointed): Promise<void> {
    const { checkpoints, log, owner, isActive, hostOf, save, changed } = this.#edge
    const host = hostOf(workerId)
    if (host === undefined) return
    if (message.report !== undefined) checkpoints.foundAt(host)
    // Written when its job had moved on, or was over: it is of no use to anybody.
    if (message.report !== undefined && (workerId !== owner().workerId || !isActive())) return this.prune()
    if (message.error !== undefined) log.warn({ error: message.error }, 'no checkpoint was written')
    if (checkpoints.written(host, message)) {
      await save()
      checkpoints.deleteOld(owner().host)
      changed()
    }
    checkpoints.settled(host, message)
  }

  /** Deletes those that nobody will go on from. Of a job that failed the last one may say why. */
  prune(): void {
    const { checkpoints, owner, hosts } = this.#edge
    const { status, host } = owner()
    if (status === 'finished' || status === 'stopped') checkpoints.deleteAll(hosts())
    else checkpoints.deleteOld(host)
  }

  /** Of a job that has checkpoints: what lies on the host before is of no use to the one where it is now. */
  moved(migration: string): void {
    const { checkpoints, log, isPeriodic, owner, goesOn } = this.#edge
    if (!(isPeriodic || checkpoints.latest !== undefined) || !goesOn()) return
    const { host, workerId } = owner()
    checkpoints.moved(migration, host, workerId).catch((error: unknown) => {
      if (error instanceof GodwitError) log.warn({ error: error.message }, 'no checkpoint after a move')
      else log.error({ err: error }, 'a bug in the coordinator')
    })
  }
}
