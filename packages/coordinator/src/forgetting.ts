/**
 * Forgets what retention.ts names, now and every so often: jobs with their moves and all that their programs printed, hosts, and bundles that
 * nobody uses. Whatever can't be deleted is named again the next time.
 *
 * Invariant: a job's name is not free before everything that was written of it is deleted.
 */
import { GodwitError, LIMITS } from '@godwit/protocol'
import type { Logger } from 'pino'
import type { Bundles } from './bundle-store.ts'
import type { Changed } from './changes.ts'
import type { Clock } from './clock.ts'
import type { Inventory } from './inventory.ts'
import type { JobLogs } from './job-logs.ts'
import type { Jobs } from './jobs.ts'
import { hostsToForget, workloadsToForget } from './retention.ts'
import type { WatchedTime } from './watched-time.ts'
import type { Workload } from './workload.ts'

export interface ForgettingEdge {
  readonly jobs: Jobs
  readonly inventory: Inventory
  readonly logs: JobLogs
  readonly bundles: Bundles
  readonly clock: Clock
  readonly watched: WatchedTime
  readonly log: Logger
  changed(changed: Changed): void
  /** Nothing is known of it any more but what is written down. */
  hostForgotten(name: string): void
}

export class Forgetting {
  readonly #edge: ForgettingEdge
  #cancel: () => void = () => {}

  constructor(edge: ForgettingEdge) {
    this.#edge = edge
  }

  /** Now, and from now on. */
  start(): void {
    this.#cancel()
    this.#cancel = this.#edge.clock.after(LIMITS.forgetEveryMs, () => this.#look())
    this.ended()
    this.hosts()
  }

  close(): void {
    this.#cancel()
  }

  /** A look that could not be written down does not count for the next coordinator: nobody needs to hear of it. */
  #look(): void {
    const { watched, jobs, bundles, log } = this.#edge
    watched.keep().catch((error: unknown) => this.#failed(error, 'a look was not written down'))
    this.start()
    const inUse = jobs.all().flatMap(({ isActive, spec }) => (isActive ? (spec.bundle?.digest ?? []) : []))
    bundles
      .collect(new Set(inUse))
      .catch((error: unknown) => log.error({ err: error }, 'a bug in the coordinator'))
  }

  #failed(error: unknown, what: string, about: object = {}): void {
    const { log } = this.#edge
    if (error instanceof GodwitError) log.warn({ ...about, error: error.message }, what)
    else log.error({ err: error }, 'a bug in the coordinator')
  }

  /** Jobs that are over. */
  ended(): void {
    const { jobs, watched } = this.#edge
    const { nowMs } = watched
    const ended = jobs.all().flatMap((workload) => workload.ended(nowMs) ?? [])
    for (const id of workloadsToForget(ended, nowMs)) {
      if (jobs.going.has(id)) continue
      this.job(jobs.known(id)).catch((error: unknown) =>
        this.#failed(error, 'not forgotten', { workload: id }),
      )
    }
  }

  /** False for one that is not over. Errors: those of the store. */
  async job(workload: Workload): Promise<boolean> {
    const { jobs, logs, log, changed } = this.#edge
    const { id } = workload
    const moves = jobs.movesOf(id)
    jobs.going.add(id)
    try {
      // Before the job itself: of one that nobody knows it would stay for ever.
      if (!workload.isActive) await logs.forget(id)
      if (!(await workload.forget(moves.map((view) => view.id)))) return false
      for (const view of moves) {
        jobs.moves.delete(view.id)
        changed({ kind: 'migration', id: view.id })
      }
      this.replaced(id)
      jobs.delete(id)
      changed({ kind: 'workload', id })
      log.info({ workload: id }, 'forgotten')
      return true
    } finally {
      jobs.going.delete(id)
    }
  }

  /** Those that have been away for long. */
  hosts(): void {
    const { jobs, inventory, watched, log, hostForgotten } = this.#edge
    const hosts = inventory.hosts().map(({ name, agent, awaySinceMs }) => ({
      name,
      awaySinceMs: agent === undefined ? awaySinceMs : undefined,
      isInUse: agent !== undefined || jobs.activeOn(name).length > 0 || inventory.workersOn(name).length > 0,
    }))
    for (const name of hostsToForget(hosts, watched.nowMs)) {
      log.info({ host: name }, 'forgotten')
      inventory.forgetHost(name)
      hostForgotten(name)
    }
  }

  /** What is left of an earlier job of this name is heard no more. */
  replaced(id: string): void {
    const { jobs, inventory } = this.#edge
    jobs.get(id)?.close()
    for (const { workerId, host } of inventory.workersOf(id)) {
      inventory.send(host, { type: 'kill', workerId })
      inventory.forget(workerId)
    }
  }
}
