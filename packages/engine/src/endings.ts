import { type ErrorReport, type FromWorker, LIMITS } from '@godwit/protocol'

export type Ending = Extract<FromWorker, { type: 'migrationEnded' }>

/**
 * How the latest migrations of a worker ended: what is asked about again after a lost connection is answered as before.
 *
 * Invariant: no more than `maxKeptEndings`, the oldest go first.
 */
export class Endings {
  readonly #endings = new Map<string, Ending>()

  get(migrationId: string): Ending | undefined {
    return this.#endings.get(migrationId)
  }

  keep(ending: Ending): Ending {
    this.#endings.set(ending.migrationId, ending)
    const [oldest] = this.#endings.keys()
    if (oldest !== undefined && this.#endings.size > LIMITS.maxKeptEndings) this.#endings.delete(oldest)
    return ending
  }

  /** Of one that never was under way here. */
  never(migrationId: string, status: 'cancelled' | 'failed', error: ErrorReport): Ending {
    return this.keep({
      type: 'migrationEnded',
      migrationId,
      status,
      error: { phase: 'setup', ...error },
    })
  }
}
