/**
 * The registry: which hosts and workloads there are, and who is told what.
 *
 * What belongs to one workload is done by it (workload.ts); here messages find their workload, and requests that
 * concern several of them are answered. No socket is known here, so that a simulation runs the very same code.
 *
 * Invariant: a worker is heard only through the agent of the host it was launched on, and not after it was killed.
 */
import { GodwitError, LIMITS, type MigrationView } from '@godwit/protocol'
import type { Logger } from 'pino'
import type { AgentHandlers } from './agent-connection.ts'
import type { Handlers } from './client-connection.ts'
import { type Clock, systemClock } from './clock.ts'
import { Estimates } from './estimates.ts'
import { hostView, Inventory, type KnownWorker, roomiestHost } from './inventory.ts'
import type { KeyValueStore } from './key-value.ts'
import { checkWorkloadId, makeWorkloadId } from './names.ts'
import { type Services, Workload } from './workload.ts'

/** Migrations that can be asked for; the oldest is forgotten first. A migration in progress is never that old. */
const MAX_MIGRATIONS = LIMITS.maxWorkers

export class Registry {
  /** Which agents belong to it. */
  readonly clusterId = makeWorkloadId('cluster')
  readonly #inventory = new Inventory()
  readonly #workloads = new Map<string, Workload>()
  readonly #migrations = new Map<string, MigrationView>()
  readonly #estimates: Estimates
  readonly #services: Services
  readonly #log: Logger

  constructor(store: KeyValueStore, log: Logger, clock: Clock = systemClock) {
    this.#estimates = new Estimates(this.#inventory, clock)
    this.#log = log
    this.#services = {
      store,
      inventory: this.#inventory,
      log,
      clock,
      migrationChanged: (view) => this.#keepMigration(view),
    }
  }

  close(): void {
    for (const workload of this.#workloads.values()) workload.close()
  }

  readonly agents: AgentHandlers = {
    registered: (registration, agent) => {
      this.#inventory.connect(registration, agent)
    },
    reconcile: (host, workers) => {
      const present = new Set(workers)
      for (const workerId of present) {
        if (this.#inventory.worker(workerId)?.host === host) continue
        this.#log.warn({ host, workerId }, 'killing a worker that nobody needs')
        this.#inventory.send(host, { type: 'kill', workerId })
      }
      for (const { workerId, workload } of this.#inventory.workersOn(host)) {
        if (present.has(workerId)) this.#workloads.get(workload)?.workerBack(workerId)
        else {
          const message = `worker ${workerId} was gone when the agent of ${host} came back`
          this.#workloads.get(workload)?.workerExited(workerId, { kind: 'worker-crashed', message })
        }
      }
    },
    fromWorker: (host, { workerId, message }) => {
      const worker = this.#workerOn(host, workerId, message.type)
      if (worker === undefined) return
      if (message.type === 'estimated') this.#estimates.answered(host, message)
      else this.#workloads.get(worker.workload)?.fromWorker(workerId, message)
    },
    probed: (host, message) => this.#estimates.answered(host, message),
    workerExited: (host, { workerId, error }) => {
      const worker = this.#workerOn(host, workerId, 'workerExited')
      if (worker !== undefined) this.#workloads.get(worker.workload)?.workerExited(workerId, error)
    },
    disconnected: (host, agent) => {
      if (!this.#inventory.disconnect(host, agent)) return
      for (const workload of this.#workloads.values()) workload.hostLost(host)
    },
  }

  readonly requests: Handlers = {
    hosts: () => ({
      hosts: this.#inventory.hosts().map((host) =>
        hostView(
          host,
          this.#activeOn(host.name).map(({ id }) => id),
        ),
      ),
    }),
    workloads: () => ({ workloads: [...this.#workloads.values()].map((workload) => workload.view()) }),
    workload: ({ workload }) => ({ workload: this.#workload(workload).view() }),
    run: async ({ program, parameters, steps, tracker, host, id }) => {
      const place =
        host === undefined
          ? roomiestHost(this.#inventory.hosts(), (name) => this.#usage(name))
          : this.#inventory.connectedHost(host)
      const spec = { id: this.#freeId(program, id), program, parameters, steps, tracker }
      const workload = new Workload(spec, place.name, this.#services)
      this.#workloads.get(spec.id)?.close()
      this.#workloads.set(spec.id, workload)
      return { workload: await workload.start() }
    },
    follow: ({ workload: id, fromStep }, client) => {
      const workload = this.#workload(id)
      client.follow(id, workload.feed.follow(client.sink(id), fromStep))
      const { migration } = workload
      return { workload: workload.view(), ...(migration === undefined ? {} : { migration }) }
    },
    unfollow: ({ workload }, client) => {
      this.#workload(workload)
      client.unfollow(workload)
      return {}
    },
    migrate: async ({ workload, to, options }) => ({
      migration: await this.#workload(workload).migrate(to, options),
    }),
    estimate: async ({ workload, to, options }) => ({
      estimate: await this.#estimates.estimate({ ...this.#workload(workload).wayTo(to), options }),
    }),
    migration: ({ migration: id }) => {
      const migration = this.#migrations.get(id)
      if (migration === undefined) throw new GodwitError('unknown-migration', `there is no migration ${id}`)
      return { migration }
    },
    checkpoint: ({ workload }) => {
      throw new GodwitError('checkpoint-failed', `${this.#workload(workload).id} can't be checkpointed yet`)
    },
    cancel: async ({ workload }) => ({ migration: await this.#workload(workload).cancel() }),
    stop: async ({ workload }) => ({ workload: await this.#workload(workload).stop() }),
  }

  #workload(id: string): Workload {
    const workload = this.#workloads.get(id)
    if (workload === undefined) {
      throw new GodwitError(
        'unknown-workload',
        `there is no workload ${id}: \`godwit ps\` shows those there are`,
      )
    }
    return workload
  }

  /** An id can be used again when the workload of that name never took a step. */
  #freeId(program: string, id: string | undefined): string {
    if (this.#workloads.size >= LIMITS.maxWorkers) {
      throw new GodwitError('too-large', `there are ${LIMITS.maxWorkers} workloads, which is the limit`)
    }
    if (id === undefined) {
      for (;;) {
        const made = makeWorkloadId(program)
        if (!this.#workloads.has(made)) return made
      }
    }
    const known = this.#workloads.get(checkWorkloadId(id))
    if (known !== undefined && (known.isActive || known.view().acceptedSteps > 0)) {
      throw new GodwitError('bad-arguments', `there is a workload ${id} already: choose another id`)
    }
    return id
  }

  #activeOn(host: string): Workload[] {
    return [...this.#workloads.values()].filter((workload) => workload.isActive && workload.host === host)
  }

  #usage(host: string): { bytes: number; workloads: number } {
    const active = this.#activeOn(host)
    return {
      bytes: active.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
      workloads: active.length,
    }
  }

  #workerOn(host: string, workerId: string, type: string): KnownWorker | undefined {
    const worker = this.#inventory.worker(workerId)
    if (worker?.host === host) return worker
    this.#log.debug({ host, workerId, type }, 'from a worker that nobody knows')
    return undefined
  }

  #keepMigration(view: MigrationView): void {
    this.#migrations.set(view.id, view)
    if (this.#migrations.size <= MAX_MIGRATIONS) return
    const oldest = this.#migrations.keys().next()
    if (!oldest.done) this.#migrations.delete(oldest.value)
  }
}
