/**
 * The checkpoints of one workload, as far as the coordinator goes: it asks for them, knows of the latest, and has old ones deleted.
 *
 * A checkpoint lies on the host where the job trained as it was written. Once the job has moved and has written another one where
 * it is now, or is over, what lies elsewhere is in the way. That of a job that failed stays, for a person to look at.
 *
 * A job that has moved gets one at once where it is now: until then its loss would take it back to `init`, since a checkpoint is
 * loaded on the host where it lies.
 *
 * Invariant: every question is answered: by the worker, by its end, or by `checkpointTimeoutMs`.
 */
import {
  type CheckpointView,
  type FromWorker,
  fromErrorReport,
  GodwitError,
  LIMITS,
  type ToWorker,
} from '@godwit/protocol'
import type { Clock } from './clock.ts'
import { makeCheckpointId } from './names.ts'

type Checkpointed = Extract<FromWorker, { type: 'checkpointed' }>

interface Question {
  readonly workerId: string
  done(checkpoint: CheckpointView): void
  failed(error: GodwitError): void
}

export interface CheckpointsEdge {
  readonly clock: Clock
  tell(workerId: string, message: ToWorker): void
  deleteAt(host: string): void
}

export class Checkpoints {
  readonly #edge: CheckpointsEdge
  readonly #questions = new Map<string, Question>()
  /** Hosts that have one, as far as they have said. */
  readonly #places = new Set<string>()
  /** The latest migration after which one was asked for. */
  #askedAfter: string | undefined
  #latest: CheckpointView | undefined

  constructor(edge: CheckpointsEdge, latest?: CheckpointView) {
    this.#edge = edge
    this.#latest = latest
    if (latest !== undefined) this.#places.add(latest.host)
  }

  get latest(): CheckpointView | undefined {
    return this.#latest
  }

  /** Settles when it is written. Errors: `checkpoint-failed`, and what the worker answers. */
  async ask(workerId: string): Promise<CheckpointView> {
    const checkpointId = makeCheckpointId()
    let cancel = (): void => {}
    try {
      return await new Promise<CheckpointView>((done, failed) => {
        cancel = this.#edge.clock.after(LIMITS.checkpointTimeoutMs, () =>
          failed(
            new GodwitError(
              'checkpoint-failed',
              `the checkpoint was not written within ${LIMITS.checkpointTimeoutMs} ms: is the disk slow or full?`,
            ),
          ),
        )
        this.#questions.set(checkpointId, { workerId, done, failed })
        this.#edge.tell(workerId, { type: 'checkpoint', checkpointId })
      })
    } finally {
      cancel()
      this.#questions.delete(checkpointId)
    }
  }

  /** The worker's host was away: what it was asked may not have come, or its answer. A worker that has answered does so again. */
  askAgain(workerId: string): void {
    for (const [checkpointId, question] of this.#questions) {
      if (question.workerId === workerId) this.#edge.tell(workerId, { type: 'checkpoint', checkpointId })
    }
  }

  /** The job trains on `host` since `migration`. Should none be written now, the next one is when it is due. */
  async moved(migration: string, host: string, workerId: string): Promise<void> {
    if (this.#askedAfter === migration || this.#latest?.host === host) return
    this.#askedAfter = migration
    await this.ask(workerId)
  }

  /** True when there is a newer one than before. The caller writes that down, then calls `settled`. */
  written(host: string, { report }: Checkpointed): boolean {
    if (report === undefined) return false
    this.#places.add(host)
    this.#latest = { ...report, host }
    return true
  }

  /** Answers whoever asked. */
  settled(host: string, { checkpointId, report, error }: Checkpointed): void {
    const question = checkpointId === undefined ? undefined : this.#questions.get(checkpointId)
    if (report !== undefined) question?.done({ ...report, host })
    else if (error !== undefined) question?.failed(fromErrorReport(error))
    else question?.failed(new GodwitError('bad-message', 'the worker answered a checkpoint with nothing'))
  }

  /** The worker can't answer any more. */
  gone(workerId: string): void {
    for (const question of this.#questions.values()) {
      if (question.workerId !== workerId) continue
      question.failed(
        new GodwitError('checkpoint-failed', 'the worker ended before the checkpoint was written'),
      )
    }
  }

  /** What lies there is of a claim that was undone: nobody goes on from it. */
  undone(host: string): void {
    if (this.#latest?.host === host) this.#latest = undefined
    this.#delete(host)
  }

  /** The host says that it has one. */
  foundAt(host: string): void {
    this.#places.add(host)
  }

  /** Of a job that trains on `host`: what lies elsewhere, once there is one here. */
  deleteOld(host: string): void {
    if (this.#latest?.host !== host) return
    for (const place of [...this.#places]) if (place !== host) this.#delete(place)
  }

  /** Of a job that is over, and ran on `hosts`: what one of them was told to delete may have had to wait, and been kept. */
  deleteAll(hosts: readonly string[]): void {
    for (const place of new Set([...this.#places, ...hosts])) this.#delete(place)
    this.#latest = undefined
  }

  /** Should the host be away it says again what it has when it is back. */
  #delete(place: string): void {
    this.#places.delete(place)
    this.#edge.deleteAt(place)
  }
}
