/**
 * The registry: all that the coordinator knows and does, put together, and what agents say passed on to whom it concerns.
 *
 * Hosts are in inventory.ts, jobs in jobs.ts; what belongs to one job is done by it (workload.ts). What clients ask is answered in
 * job-requests.ts. No socket is known here, so that a simulation runs the very same code.
 *
 * Invariants: a worker is heard only through the agent of the host it was launched on, and not after it was killed; nothing is heard
 * before all that an earlier coordinator wrote down is known (`open`).
 */
import { GodwitError, type HostView, LIMITS, type MigrationView, migrationOptions } from '@godwit/protocol'
import type { Logger } from 'pino'
import type { AgentHandlers } from './agent-connection.ts'
import { type Bundles, NO_BUNDLES } from './bundle-store.ts'
import type { Changed, Look } from './changes.ts'
import type { JobHandlers } from './client-connection.ts'
import { type Clock, systemClock } from './clock.ts'
import { Estimates } from './estimates.ts'
import { Forgetting } from './forgetting.ts'
import { jobsByHost, viewOfHost } from './host-view.ts'
import { type Host, Inventory, type KnownWorker } from './inventory.ts'
import { JobLogs } from './job-logs.ts'
import { jobRequests } from './job-requests.ts'
import { Jobs } from './jobs.ts'
import type { KeyValueStore } from './key-value.ts'
import { Maintenances } from './maintenances.ts'
import type { MoveEdge } from './move.ts'
import { MOVE_LIMITS, type MoveLimits } from './move-queue.ts'
import { MoveQueue } from './moves-waiting.ts'
import { PagePictures } from './page-pictures.ts'
import { Placing } from './placing.ts'
import { Preflights } from './preflight-look.ts'
import { type HostRecord, KEYS, writeOf } from './records.ts'
import { type Known, knownFrom } from './recovery.ts'
import { migrationToForget } from './retention.ts'
import { linksOf, Turns, zoneLinkOf } from './turns.ts'
import { WatchedTime } from './watched-time.ts'
import { Workload } from './workload.ts'
import type { Services } from './workload-life.ts'
import type { PlacedJob } from './workload-placed.ts'

/** Nobody waits at a keyboard: a pause may become longer than usual rather than the host stay occupied. */
const MAINTENANCE_OPTIONS = migrationOptions.parse({ onStall: 'raiseLimit' })

export interface RegistryOptions {
  store: KeyValueStore
  log: Logger
  clock?: Clock
  /** The store can't be used any more, or is another's now: this coordinator must end. */
  fatal?: (error: GodwitError) => void
  /** Told of whatever may be watched, each time it has changed. */
  changed?: ((changed: Changed) => void) | undefined
  /** Where programs and data are that are brought to hosts. */
  bundles?: Bundles
  /** How many moves may be under way at once; those that are left out are `MOVE_LIMITS`'s. */
  moveLimits?: Partial<MoveLimits>
  /** Told of each transition of a migration: for a simulation that counts them. */
  entered?: MoveEdge['entered']
}

export class Registry {
  readonly requests: JobHandlers
  /** Which agents belong to it. */
  readonly clusterId: string
  readonly #inventory: Inventory
  readonly #jobs = new Jobs()
  readonly #placing: Placing
  readonly #estimates: Estimates
  readonly #preflights: Preflights
  readonly #logs: JobLogs
  readonly #pictures: PagePictures
  readonly #forgetting: Forgetting
  readonly #changed: (changed: Changed) => void
  readonly #services: Services
  readonly #maintenances: Maintenances
  readonly #queue: MoveQueue
  readonly #log: Logger
  readonly #watched: WatchedTime
  #order: number
  #isClosed = false

  private constructor(
    known: Known,
    watched: WatchedTime,
    {
      store,
      log,
      clock = systemClock,
      fatal,
      moveLimits,
      entered,
      bundles = NO_BUNDLES,
      changed = () => {},
    }: RegistryOptions,
  ) {
    this.#changed = changed
    this.#inventory = new Inventory(
      (id) => changed({ kind: 'host', id }),
      ({ workload }) => this.#logs.changed(workload),
    )
    this.#logs = new JobLogs({
      store,
      clock,
      log,
      inventory: this.#inventory,
      job: (id) => this.#jobs.get(id),
    })
    this.#pictures = new PagePictures({
      clock,
      job: (id) => this.#jobs.get(id),
      tell: (workerId, message) => {
        const worker = this.#inventory.worker(workerId)
        if (worker !== undefined) this.#inventory.send(worker.host, { type: 'toWorker', workerId, message })
      },
    })
    const turns = new Turns(() => clock.nowMs())
    this.#queue = new MoveQueue({
      clock,
      limits: { ...MOVE_LIMITS, ...moveLimits },
      jobs: () => this.#jobs.all(),
      linkOf: (from, to) => this.#between(from, to, zoneLinkOf),
      occupant: (from, to) => turns.occupant(this.#between(from, to, linksOf) ?? []),
      destination: (plan) => this.#placing.destination(plan),
    })
    this.#placing = new Placing(this.#inventory, this.#jobs)
    this.clusterId = known.clusterId
    this.#order = known.lastOrder
    this.#estimates = new Estimates(this.#inventory, clock)
    this.#preflights = new Preflights({
      inventory: this.#inventory,
      clock,
      estimates: this.#estimates,
      workload: (id) => this.#jobs.known(id),
      hosts: () => this.#placing.hosts(),
      jobs: () => this.#jobs.placed(),
      wouldWait: (move) => this.#queue.wouldWait(move),
    })
    this.#log = log
    this.#watched = watched
    this.#services = {
      store,
      inventory: this.#inventory,
      log,
      clock,
      watched,
      turns,
      queue: this.#queue,
      nextOrder: () => {
        this.#order += 1
        return this.#order
      },
      migrationChanged: (view) => this.#keepMigration(view),
      workloadChanged: (id) => {
        changed({ kind: 'workload', id })
        this.#logs.changed(id)
      },
      entered,
      storeFailed: (error) => this.#storeFailed(error, fatal),
    }
    // One whose agent was connected as the coordinator before this one ended has been away since now.
    for (const host of known.hosts) {
      const away = { awaySinceMs: watched.nowMs, ...host }
      this.#inventory.expect(away)
      if (host.awaySinceMs === undefined) this.#keepHost(away)
    }
    for (const view of known.migrations) this.#jobs.moves.set(view.id, view)
    for (const { record, ledger, migration } of known.workloads) {
      this.#jobs.add(Workload.restore(record, ledger, this.#services, migration))
    }
    this.#maintenances = new Maintenances(known.maintenances, {
      store,
      inventory: this.#inventory,
      clock,
      log,
      hosts: () => this.#placing.hosts(),
      jobs: () => this.#jobs.placed(),
      movesOf: (id) => [...this.#jobs.moves.values()].filter(({ maintenance }) => maintenance === id),
      migrate: (workload, to, asked) => this.#jobs.known(workload).migrate(to, MAINTENANCE_OPTIONS, asked),
      withdraw: (workload, migration) =>
        this.#jobs.get(workload)?.withdraw(migration, {
          kind: 'cancelled',
          message: 'the maintenance that asked for it is over',
        }),
    })
    this.#forgetting = new Forgetting({
      ...{
        jobs: this.#jobs,
        inventory: this.#inventory,
        logs: this.#logs,
        bundles,
        clock,
        watched,
        log,
        changed,
      },
      hostForgotten: (name) => {
        this.#maintenances.forget(name)
        this.#written(store.delete(KEYS.host(name)))
      },
    })
    this.#queue.poke()
    for (const workload of this.#jobs.all()) workload.resume()
    this.requests = jobRequests({
      ...{ jobs: this.#jobs, services: this.#services, placing: this.#placing, forgetting: this.#forgetting },
      ...{ maintenances: this.#maintenances, queue: this.#queue, bundles },
      ...{ estimates: this.#estimates, preflights: this.#preflights },
      ...{ logs: this.#logs, pictures: this.#pictures },
      hostViews: () => this.#hostViews(),
    })
    this.#forgetting.start()
  }

  /** With all that an earlier coordinator wrote down in `store`. Errors: those of the store. */
  static async open(options: RegistryOptions): Promise<Registry> {
    const { store, clock = systemClock } = options
    const known = await knownFrom(store)
    return new Registry(known, await WatchedTime.open(store, clock), options)
  }

  /** What there is now. Views are made as they are asked for; those of hosts look at all jobs, once. */
  look(): Look {
    const hostView = this.#hostViews()
    return {
      hosts: () => this.#inventory.hosts().map(({ name }) => name),
      workloads: () => this.#jobs.ids(),
      migrations: () => [...this.#jobs.moves.keys()],
      hostState: (name) => this.#inventory.state(name),
      workloadState: (id) => this.#jobs.get(id)?.state,
      isInMaintenance: (name) => this.#maintenances.openView(name) !== undefined,
      host: (name) => (this.#inventory.isKnown(name) ? hostView(name) : undefined),
      workload: (id) => this.#jobs.get(id)?.view(),
      migration: (id) => this.#jobs.moves.get(id),
    }
  }

  #hostViews(): (name: string) => HostView {
    let byHost: Map<string, PlacedJob[]> | undefined
    return (name) => {
      byHost ??= jobsByHost(this.#jobs.placed())
      const host = this.#inventory.knownHost(name)
      const maintenance = this.#maintenances.openView(name)
      return viewOfHost({ host, inventory: this.#inventory, jobs: byHost.get(name) ?? [], maintenance })
    }
  }

  close(): void {
    this.#isClosed = true
    this.#forgetting.close()
    this.#logs.close()
    this.#pictures.close()
    this.#maintenances.close()
    this.#queue.close()
    for (const workload of this.#jobs.all()) workload.close()
  }

  readonly agents: AgentHandlers = {
    registered: (registration, agent) => {
      if (!this.#inventory.isKnown(registration.name)) this.#forgetting.hosts()
      const { agent: _, ...record } = this.#inventory.connect(registration, agent)
      this.#keepHost(record)
    },
    reconcile: (host, workers, checkpoints = []) => {
      const present = new Set(workers)
      for (const workerId of present) {
        if (this.#inventory.worker(workerId)?.host === host) continue
        this.#log.warn({ host, workerId }, 'killing a worker that nobody needs')
        this.#inventory.send(host, { type: 'kill', workerId })
      }
      for (const { workerId, workload } of this.#inventory.workersOn(host)) {
        if (present.has(workerId)) this.#jobs.get(workload)?.hears.workerBack(workerId)
        else {
          const message = `worker ${workerId} was gone when the agent of ${host} came back`
          this.#jobs.get(workload)?.hears.workerExited(workerId, { kind: 'worker-crashed', message })
        }
      }
      for (const id of checkpoints) {
        const workload = this.#jobs.get(id)
        if (workload === undefined) this.#inventory.send(host, { type: 'deleteCheckpoint', workloadId: id })
        else workload.hears.checkpointFound(host)
      }
      for (const workload of this.#jobs.all()) workload.hears.hostBack(host)
      this.#maintenances.poke()
      this.#queue.poke()
    },
    fromWorker: (host, said) => {
      if (this.#preflights.rehearsals.heard(host, said)) return
      const { workerId, message } = said
      const worker = this.#workerOn(host, workerId, message.type)
      if (worker === undefined) return
      if (message.type === 'estimated') this.#estimates.answered(host, message)
      else if (message.type === 'pages') this.#pictures.heard(worker.workload, workerId, message)
      else this.#jobs.get(worker.workload)?.hears.fromWorker(workerId, message)
    },
    isOfRelease: (host, release) => this.#inventory.isOfRelease(host, release),
    fetching: (host, { workerId, progress }) => {
      const worker = this.#workerOn(host, workerId, 'fetching')
      if (worker !== undefined) this.#jobs.get(worker.workload)?.hears.fetching(workerId, progress)
    },
    utilised: (host, utilisation) => this.#inventory.said(host, utilisation),
    probed: (host, message) => this.#estimates.answered(host, message),
    printed: (host, printed) => this.#logs.printed(host, printed),
    workerExited: (host, said) => {
      if (this.#preflights.rehearsals.exited(host, said)) return
      const { workerId, error } = said
      const worker = this.#workerOn(host, workerId, 'workerExited')
      if (worker !== undefined) this.#jobs.get(worker.workload)?.hears.workerExited(workerId, error)
    },
    disconnected: (host, agent) => {
      // It is we who go: hosts and migrations are as they were, for the next coordinator.
      if (this.#isClosed) return
      const away = this.#inventory.disconnect(host, agent, this.#watched.nowMs)
      if (away === undefined) return
      this.#preflights.rehearsals.hostLost(host)
      const { agent: _, ...record } = away
      this.#keepHost(record)
      for (const workload of this.#jobs.all()) workload.hears.hostLost(host)
      this.#maintenances.poke()
    },
  }

  /** Undefined where one of them is not known any more. */
  #between<Of>(from: string, to: string, of: (from: Host, to: Host) => Of): Of | undefined {
    const isKnown = [from, to].every((name) => this.#inventory.isKnown(name))
    return isKnown ? of(this.#inventory.knownHost(from), this.#inventory.knownHost(to)) : undefined
  }

  #workerOn(host: string, workerId: string, type: string): KnownWorker | undefined {
    const worker = this.#inventory.worker(workerId)
    if (worker?.host === host) return worker
    this.#log.debug({ host, workerId, type }, 'from a worker that nobody knows')
    return undefined
  }

  #keepMigration(view: MigrationView): void {
    const { moves } = this.#jobs
    const isNew = moves.get(view.id)?.status !== view.status
    moves.set(view.id, view)
    this.#changed({ kind: 'migration', id: view.id })
    if (isNew) {
      this.#maintenances.poke()
      this.#queue.poke()
    }
    if (moves.size <= LIMITS.maxMigrations) return
    const id = migrationToForget(moves.values(), (maintenance) => this.#maintenances.isNeeded(maintenance))
    if (id === undefined) return
    moves.delete(id)
    this.#changed({ kind: 'migration', id })
    this.#written(this.#services.store.delete(KEYS.migration(id)))
  }

  /** Nothing waits for it: an agent that is not heard of again says who it is again. */
  #keepHost(record: HostRecord): void {
    const { key, value } = writeOf(KEYS.host(record.name), record)
    if (value !== undefined) this.#written(this.#services.store.put(key, value))
  }

  #written(write: Promise<unknown>): void {
    write.catch((error: unknown) => {
      if (error instanceof GodwitError) this.#services.storeFailed(error)
      else this.#log.error({ err: error }, 'a bug in the coordinator')
    })
  }

  /**
   * What could not be written down did not happen, and whoever said it thinks it was heard. So the agents are made to connect anew,
   * which makes them and their workers say again what was not answered; by then the disk may have room.
   */
  #storeFailed(error: GodwitError, fatal: RegistryOptions['fatal']): void {
    // The store was closed behind us: the next coordinator is told again.
    if (this.#isClosed) return
    this.#log.error({ kind: error.kind, error: error.message }, 'not written down')
    if (error.kind === 'store-unusable' || error.kind === 'folder-in-use') fatal?.(error)
    for (const { agent } of this.#inventory.hosts()) agent?.end?.(error)
  }
}
