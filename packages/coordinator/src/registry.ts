/**
 * The registry: which hosts and workloads there are, and who is told what.
 *
 * What belongs to one workload is done by it (workload.ts); here messages find their workload, and requests that
 * concern several of them are answered. No socket is known here, so that a simulation runs the very same code.
 *
 * Invariants: a worker is heard only through the agent of the host it was launched on, and not after it was killed; nothing is heard
 * before all that an earlier coordinator wrote down is known (`open`).
 */
import { isDeepStrictEqual } from 'node:util'
import {
  GodwitError,
  type HostView,
  LIMITS,
  type MigrationView,
  migrationOptions,
  type PlacementRules,
  type Reply,
  type Verdict,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import type { AgentHandlers } from './agent-connection.ts'
import { type Bundles, NO_BUNDLES } from './bundle-store.ts'
import type { Changed, Look } from './changes.ts'
import type { JobHandlers } from './client-connection.ts'
import { type Clock, systemClock } from './clock.ts'
import { curveOf } from './curve.ts'
import { Estimates } from './estimates.ts'
import { factsOfHost, jobsByHost, viewOfHost } from './host-view.ts'
import { type Host, Inventory, type KnownWorker } from './inventory.ts'
import { JobLogs } from './job-logs.ts'
import { checkJobRules, rulesOf } from './job-rules.ts'
import type { KeyValueStore } from './key-value.ts'
import { Maintenances } from './maintenances.ts'
import type { MigrationPlan } from './migration-state.ts'
import type { MoveEdge } from './move.ts'
import { movesPage } from './move-history.ts'
import { MOVE_LIMITS, type MoveLimits } from './move-queue.ts'
import { MoveQueue } from './moves-waiting.ts'
import { checkWorkloadId, makeWorkloadId } from './names.ts'
import { pageOf } from './page.ts'
import { PagePictures } from './page-pictures.ts'
import { askedFor, checkHost, chosenOf, type HostFacts, type JobFacts, place } from './placement.ts'
import { Preflights } from './preflight-look.ts'
import { type HostRecord, KEYS, writeOf } from './records.ts'
import { type Known, knownFrom } from './recovery.ts'
import { hostsToForget, migrationToForget, workloadsToForget } from './retention.ts'
import { Turns, zoneLinkOf } from './turns.ts'
import { WatchedTime } from './watched-time.ts'
import { Workload } from './workload.ts'
import type { Services } from './workload-life.ts'
import type { PlacedJob } from './workload-placed.ts'
import { listedView, type WorkloadSpec } from './workload-view.ts'

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
  /** Which agents belong to it. */
  readonly clusterId: string
  readonly #inventory: Inventory
  readonly #workloads = new Map<string, Workload>()
  readonly #migrations = new Map<string, MigrationView>()
  readonly #estimates: Estimates
  readonly #preflights: Preflights
  readonly #logs: JobLogs
  readonly #pictures: PagePictures
  readonly #bundles: Bundles
  readonly #changed: (changed: Changed) => void
  readonly #services: Services
  readonly #maintenances: Maintenances
  readonly #queue: MoveQueue
  readonly #log: Logger
  /** By `forget`, until it is done: their names are not free yet. */
  readonly #going = new Set<string>()
  readonly #clock: Clock
  readonly #watched: WatchedTime
  #order: number
  #cancelForgetting: () => void = () => {}
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
    this.#bundles = bundles
    this.#inventory = new Inventory(
      (id) => changed({ kind: 'host', id }),
      ({ workload }) => this.#logs.changed(workload),
    )
    this.#logs = new JobLogs({
      store,
      clock,
      log,
      inventory: this.#inventory,
      job: (id) => this.#workloads.get(id),
    })
    this.#pictures = new PagePictures({
      clock,
      job: (id) => this.#workloads.get(id),
      tell: (workerId, message) => {
        const worker = this.#inventory.worker(workerId)
        if (worker !== undefined) this.#inventory.send(worker.host, { type: 'toWorker', workerId, message })
      },
    })
    this.#queue = new MoveQueue({
      clock,
      limits: { ...MOVE_LIMITS, ...moveLimits },
      jobs: () => [...this.#workloads.values()],
      linkOf: (from, to) => this.#between(from, to, zoneLinkOf),
      destination: (plan) => this.#destination(plan),
    })
    this.clusterId = known.clusterId
    this.#order = known.lastOrder
    this.#estimates = new Estimates(this.#inventory, clock)
    this.#preflights = new Preflights({
      inventory: this.#inventory,
      clock,
      estimates: this.#estimates,
      workload: (id) => this.#workload(id),
      hosts: () => this.#hostFacts(),
      jobs: () => this.#placedJobs(),
      wouldWait: (move) => this.#queue.wouldWait(move),
    })
    this.#log = log
    this.#clock = clock
    this.#watched = watched
    this.#services = {
      store,
      inventory: this.#inventory,
      log,
      clock,
      watched,
      turns: new Turns(() => clock.nowMs()),
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
    for (const view of known.migrations) this.#migrations.set(view.id, view)
    for (const { record, ledger, migration } of known.workloads) {
      this.#workloads.set(record.spec.id, Workload.restore(record, ledger, this.#services, migration))
    }
    this.#maintenances = new Maintenances(known.maintenances, {
      store,
      inventory: this.#inventory,
      clock,
      log,
      hosts: () => this.#hostFacts(),
      jobs: () => this.#placedJobs(),
      movesOf: (id) => [...this.#migrations.values()].filter(({ maintenance }) => maintenance === id),
      migrate: (workload, to, asked) => this.#workload(workload).migrate(to, MAINTENANCE_OPTIONS, asked),
      withdraw: (workload, migration) =>
        this.#workloads.get(workload)?.withdraw(migration, {
          kind: 'cancelled',
          message: 'the maintenance that asked for it is over',
        }),
    })
    this.#queue.poke()
    for (const workload of this.#workloads.values()) workload.resume()
    this.#forgetOld()
  }

  /** With all that an earlier coordinator wrote down in `store`. Errors: those of the store. */
  static async open(options: RegistryOptions): Promise<Registry> {
    const { store, clock = systemClock } = options
    const known = await knownFrom(store)
    return new Registry(known, await WatchedTime.open(store, clock), options)
  }

  /** What there is now. Views are made as they are asked for; those of hosts look at all jobs, once. */
  look(): Look {
    let byHost: Map<string, PlacedJob[]> | undefined
    return {
      hosts: () => this.#inventory.hosts().map(({ name }) => name),
      workloads: () => [...this.#workloads.keys()],
      migrations: () => [...this.#migrations.keys()],
      hostState: (name) => this.#inventory.state(name),
      workloadState: (id) => this.#workloads.get(id)?.state,
      isInMaintenance: (name) => this.#maintenances.openView(name) !== undefined,
      host: (name) => {
        byHost ??= jobsByHost(this.#placedJobs())
        return this.#inventory.isKnown(name) ? this.#hostView(name, byHost.get(name) ?? []) : undefined
      },
      workload: (id) => this.#workloads.get(id)?.view(),
      migration: (id) => this.#migrations.get(id),
    }
  }

  #hostView(name: string, jobs: readonly PlacedJob[]): HostView {
    const host = this.#inventory.knownHost(name)
    const maintenance = this.#maintenances.openView(name)
    return viewOfHost({ host, inventory: this.#inventory, jobs, maintenance })
  }

  close(): void {
    this.#isClosed = true
    this.#cancelForgetting()
    this.#logs.close()
    this.#pictures.close()
    this.#maintenances.close()
    this.#queue.close()
    for (const workload of this.#workloads.values()) workload.close()
  }

  readonly agents: AgentHandlers = {
    registered: (registration, agent) => {
      if (!this.#inventory.isKnown(registration.name)) this.#forgetHosts()
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
        if (present.has(workerId)) this.#workloads.get(workload)?.hears.workerBack(workerId)
        else {
          const message = `worker ${workerId} was gone when the agent of ${host} came back`
          this.#workloads.get(workload)?.hears.workerExited(workerId, { kind: 'worker-crashed', message })
        }
      }
      for (const id of checkpoints) {
        const workload = this.#workloads.get(id)
        if (workload === undefined) this.#inventory.send(host, { type: 'deleteCheckpoint', workloadId: id })
        else workload.hears.checkpointFound(host)
      }
      for (const workload of this.#workloads.values()) workload.hears.hostBack(host)
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
      else this.#workloads.get(worker.workload)?.hears.fromWorker(workerId, message)
    },
    utilised: (host, utilisation) => this.#inventory.said(host, utilisation),
    probed: (host, message) => this.#estimates.answered(host, message),
    printed: (host, printed) => this.#logs.printed(host, printed),
    workerExited: (host, said) => {
      if (this.#preflights.rehearsals.exited(host, said)) return
      const { workerId, error } = said
      const worker = this.#workerOn(host, workerId, 'workerExited')
      if (worker !== undefined) this.#workloads.get(worker.workload)?.hears.workerExited(workerId, error)
    },
    disconnected: (host, agent) => {
      // It is we who go: hosts and migrations are as they were, for the next coordinator.
      if (this.#isClosed) return
      const away = this.#inventory.disconnect(host, agent, this.#watched.nowMs)
      if (away === undefined) return
      this.#preflights.rehearsals.hostLost(host)
      const { agent: _, ...record } = away
      this.#keepHost(record)
      for (const workload of this.#workloads.values()) workload.hears.hostLost(host)
      this.#maintenances.poke()
    },
  }

  readonly requests: JobHandlers = {
    hosts: ({ after, limit }) => {
      const byHost = jobsByHost(this.#placedJobs())
      const { views, rest } = pageOf(this.#inventory.hosts(), {
        nameOf: ({ name }) => name,
        viewOf: ({ name }) => this.#hostView(name, byHost.get(name) ?? []),
        after,
        limit,
      })
      return { hosts: views, ...rest }
    },
    workloads: ({ after, limit }) => {
      const { views, rest } = pageOf(this.#workloads.values(), {
        nameOf: ({ id }) => id,
        viewOf: (workload) => listedView(workload.view()),
        after,
        limit,
      })
      return { workloads: views, ...rest }
    },
    workload: ({ workload }) => ({ workload: this.#workload(workload).view() }),
    run: async ({ op: _, host, id, explain, ...asked }) => {
      const known = id === undefined ? undefined : this.#workloads.get(id)
      // Asked for by somebody whose connection broke before the answer came.
      if (known !== undefined && isSameJob(known, { id: known.id, ...asked }))
        return { workload: await known.started() }
      if (asked.bundle !== undefined) await this.#bundles.check(asked.bundle)
      const spec: WorkloadSpec = { id: this.#freeId(asked.program, id), ...asked }
      const { rules = {} } = asked
      this.#checkRules(spec.id, rules)
      const job: JobFacts = { id: spec.id, host: undefined, memoryBytes: 0, rules }
      const { chosen, placement } = this.#place(job, host, explain)
      this.#logs.begin(spec.id)
      const workload = Workload.create(spec, chosen, this.#services)
      this.#replaced(spec.id)
      this.#workloads.set(spec.id, workload)
      this.#forgetEnded()
      return { workload: await workload.start(), ...placement }
    },
    follow: ({ workload: id, fromStep }, client) => {
      const workload = this.#workload(id)
      client.follow(id, workload.feed.follow(client.sink(id), fromStep))
      const { migration } = workload
      return { workload: workload.view(), ...(migration === undefined ? {} : { migration }) }
    },
    curve: ({ workload: id, ...asked }) => {
      const workload = this.#workload(id)
      return { curve: { ...curveOf(workload.feed.history, asked), ranges: workload.view().ranges } }
    },
    logs: (request) => {
      this.#workload(request.workload)
      return this.#logs.read(request)
    },
    followLogs: (request, client) => {
      this.#workload(request.workload)
      return this.#logs.follow(request, client)
    },
    unfollow: ({ workload }, client) => {
      this.#workload(workload)
      client.unfollow(workload)
      return {}
    },
    watchPages: ({ workload }, client) => {
      const { id } = this.#workload(workload)
      client.watchPages(id, this.#pictures.watch(id, client.sink(id)))
      return {}
    },
    unwatchPages: ({ workload }, client) => {
      client.unwatchPages(workload)
      return {}
    },
    migrate: async ({ workload: id, to, options, explain }) => {
      const workload = this.#workload(id)
      const job = workload.placed()
      // Of one that is over, or on its way there already, the workload says so.
      if (job === undefined || (to !== undefined && to === job.move?.to))
        return { migration: await workload.migrate(to ?? workload.host, options) }
      if (job.busy !== undefined || to === job.host) workload.wayTo(to ?? job.host)
      const { chosen, placement } = this.#place(job, to, explain)
      const asked = { isChosen: to === undefined }
      return { migration: await workload.migrate(chosen, options, asked), ...placement }
    },
    estimate: async ({ workload, to, options }) => ({
      estimate: await this.#estimates.estimate({ ...this.#workload(workload).wayTo(to), options }),
    }),
    preflight: (request) => this.#preflights.look(request),
    migration: ({ migration: id }) => {
      const migration = this.#migrations.get(id)
      if (migration === undefined) throw new GodwitError('unknown-migration', `there is no migration ${id}`)
      return { migration }
    },
    history: ({ workload, after, limit }) => {
      const { id } = this.#workload(workload)
      const moves = [...this.#migrations.values()].filter((view) => view.workload === id)
      return movesPage(moves, { after, limit })
    },
    enterMaintenance: ({ host, force }) => this.#maintenances.enter(host, force),
    exitMaintenance: ({ host, return: returns }) => this.#maintenances.exit(host, returns),
    maintenance: ({ host }) => {
      const maintenance = this.#maintenances.view(host)
      if (maintenance === undefined) this.#inventory.knownHost(host)
      return maintenance === undefined ? {} : { maintenance }
    },
    checkpoint: async ({ workload }) => ({ checkpoint: await this.#workload(workload).checkpoint() }),
    cancel: async ({ workload }) => ({ migration: await this.#workload(workload).cancel() }),
    hold: async ({ workload }) => ({ migration: await this.#workload(workload).hold() }),
    switchover: async ({ workload }) => ({ migration: await this.#workload(workload).switchover() }),
    pause: async ({ workload }, { who }) => ({ migration: await this.#workload(workload).pause(who) }),
    resume: async ({ workload }) => ({ migration: await this.#workload(workload).goOn() }),
    rules: ({ workload }) => this.#rulesOf(workload),
    setRules: async ({ workload, rules }) => {
      this.#checkRules(workload, rules)
      await this.#workload(workload).setRules(rules)
      this.#queue.poke()
      return this.#rulesOf(workload)
    },
    stop: async ({ workload }) => ({ workload: await this.#workload(workload).stop() }),
    forget: async ({ workload }) => {
      if (await this.#forget(this.#workload(workload))) return {}
      const { id, status } = this.#workload(workload).view()
      throw new GodwitError('bad-arguments', `${id} is ${status}: stop it first with godwit stop ${id}`)
    },
  }

  /** A look that could not be written down does not count for the next coordinator: nobody needs to hear of it. */
  #look(): void {
    this.#watched.keep().catch((error: unknown) => {
      if (error instanceof GodwitError)
        this.#log.warn({ error: error.message }, 'a look was not written down')
      else this.#log.error({ err: error }, 'a bug in the coordinator')
    })
    this.#forgetOld()
    const inUse = [...this.#workloads.values()].flatMap(({ isActive, spec }) =>
      isActive ? (spec.bundle?.digest ?? []) : [],
    )
    this.#bundles
      .collect(new Set(inUse))
      .catch((error: unknown) => this.#log.error({ err: error }, 'a bug in the coordinator'))
  }

  /** What retention.ts names, now and every so often. Whatever can't be deleted is named again. */
  #forgetOld(): void {
    this.#cancelForgetting()
    this.#cancelForgetting = this.#clock.after(LIMITS.forgetEveryMs, () => this.#look())
    this.#forgetEnded()
    this.#forgetHosts()
  }

  #forgetEnded(): void {
    const { nowMs } = this.#watched
    const ended = [...this.#workloads.values()].flatMap((workload) => workload.ended(nowMs) ?? [])
    for (const id of workloadsToForget(ended, nowMs)) {
      if (this.#going.has(id)) continue
      this.#forget(this.#workload(id)).catch((error: unknown) => {
        if (error instanceof GodwitError)
          this.#log.warn({ workload: id, error: error.message }, 'not forgotten')
        else this.#log.error({ err: error }, 'a bug in the coordinator')
      })
    }
  }

  async #forget(workload: Workload): Promise<boolean> {
    const { id } = workload
    const migrations = [...this.#migrations.values()].filter((view) => view.workload === id)
    this.#going.add(id)
    try {
      // Before the job itself: of one that nobody knows it would stay for ever.
      if (!workload.isActive) await this.#logs.forget(id)
      if (!(await workload.forget(migrations.map((view) => view.id)))) return false
      for (const view of migrations) {
        this.#migrations.delete(view.id)
        this.#changed({ kind: 'migration', id: view.id })
      }
      this.#replaced(id)
      this.#workloads.delete(id)
      this.#changed({ kind: 'workload', id })
      this.#log.info({ workload: id }, 'forgotten')
      return true
    } finally {
      this.#going.delete(id)
    }
  }

  #forgetHosts(): void {
    const hosts = this.#inventory.hosts().map(({ name, agent, awaySinceMs }) => ({
      name,
      awaySinceMs: agent === undefined ? awaySinceMs : undefined,
      isInUse:
        agent !== undefined || this.#activeOn(name).length > 0 || this.#inventory.workersOn(name).length > 0,
    }))
    for (const name of hostsToForget(hosts, this.#watched.nowMs)) {
      this.#log.info({ host: name }, 'forgotten')
      this.#inventory.forgetHost(name)
      this.#maintenances.forget(name)
      this.#written(this.#services.store.delete(KEYS.host(name)))
    }
  }

  /** What is left of an earlier workload of this name is heard no more. */
  #replaced(id: string): void {
    this.#workloads.get(id)?.close()
    for (const { workerId, host } of this.#inventory.workersOf(id)) {
      this.#inventory.send(host, { type: 'kill', workerId })
      this.#inventory.forget(workerId)
    }
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
    const live = [...this.#workloads.values()].filter(({ isActive }) => isActive).length
    if (live >= LIMITS.maxWorkloads)
      throw new GodwitError('too-large', `${LIMITS.maxWorkloads} workloads are under way, which is the limit`)
    if (id !== undefined && this.#going.has(id))
      throw new GodwitError(
        'bad-arguments',
        `workload ${id} is being forgotten: its name is free in a moment`,
      )
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

  /** Undefined where one of them is not known any more. */
  #between<Of>(from: string, to: string, of: (from: Host, to: Host) => Of): Of | undefined {
    const isKnown = [from, to].every((name) => this.#inventory.isKnown(name))
    return isKnown ? of(this.#inventory.knownHost(from), this.#inventory.knownHost(to)) : undefined
  }

  #hostFacts(): HostFacts[] {
    return this.#inventory.hosts().map((host) => factsOfHost(host, this.#inventory))
  }

  #placedJobs(isWanted: (workload: Workload) => boolean = () => true): PlacedJob[] {
    const placed: PlacedJob[] = []
    for (const workload of this.#workloads.values()) {
      const job = isWanted(workload) ? workload.placed() : undefined
      if (job !== undefined) placed.push(job)
    }
    return placed
  }

  /** On the host that was asked for, or the best one; why, if that is asked too. Errors: those of `receivingHost` and `chosenOf`. */
  #place(
    job: JobFacts,
    asked: string | undefined,
    explain: boolean | undefined,
  ): { chosen: string; placement: { placement?: Verdict[] } } {
    if (asked !== undefined) {
      const host = factsOfHost(this.#inventory.receivingHost(asked), this.#inventory)
      checkHost(host, job, this.#placedJobs(concerning(job, asked)))
      // Nobody wants to know what the other hosts are like: with a thousand of them that is most of the work.
      if (explain !== true) return { chosen: asked, placement: {} }
    }
    const placement = place(job, this.#hostFacts(), this.#placedJobs())
    const verdicts = asked === undefined ? placement.verdicts : askedFor(asked, placement.verdicts)
    return {
      chosen: asked ?? chosenOf(placement, job.id),
      placement: explain === true ? { placement: [...verdicts] } : {},
    }
  }

  /** Of a move whose turn has come. Errors: those of `receivingHost` and `chosenOf`. */
  #destination({ workload, to, isChosen }: MigrationPlan): string {
    const job = this.#workload(workload).placed()
    if (job === undefined) return to
    const jobs = this.#placedJobs()
    if (isChosen !== true) {
      checkHost(factsOfHost(this.#inventory.receivingHost(to), this.#inventory), job, jobs)
      return to
    }
    const placement = place(job, this.#hostFacts(), jobs)
    const isPossible = placement.verdicts.some(({ host, verdict }) => host === to && verdict !== 'refused')
    return isPossible ? to : chosenOf(placement, workload)
  }

  #checkRules(id: string, rules: PlacementRules): void {
    checkJobRules(id, rules, { job: (named) => this.#workload(named).placed() })
  }

  #rulesOf(id: string): Reply<'rules'> {
    const workload = this.#workload(id)
    const job = workload.placed()
    if (job === undefined) return { rules: workload.view().rules ?? {}, broken: [] }
    return rulesOf(job, { hosts: () => this.#hostFacts(), jobs: () => this.#placedJobs() })
  }

  #workerOn(host: string, workerId: string, type: string): KnownWorker | undefined {
    const worker = this.#inventory.worker(workerId)
    if (worker?.host === host) return worker
    this.#log.debug({ host, workerId, type }, 'from a worker that nobody knows')
    return undefined
  }

  #keepMigration(view: MigrationView): void {
    const isNew = this.#migrations.get(view.id)?.status !== view.status
    this.#migrations.set(view.id, view)
    this.#changed({ kind: 'migration', id: view.id })
    if (isNew) {
      this.#maintenances.poke()
      this.#queue.poke()
    }
    if (this.#migrations.size <= LIMITS.maxMigrations) return
    const id = migrationToForget(this.#migrations.values(), (maintenance) =>
      this.#maintenances.isNeeded(maintenance),
    )
    if (id === undefined) return
    this.#migrations.delete(id)
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

/** The same request again, unless what it asked for came to nothing: then it is a new one. */
function isSameJob(workload: Workload, asked: WorkloadSpec): boolean {
  const never = !workload.isActive && workload.view().acceptedSteps === 0
  return !never && isDeepStrictEqual({ ...workload.spec }, { ...asked })
}

/** Whoever may stand in its way on one host: those that are there or on their way, and those that it must be with. */
function concerning({ rules }: JobFacts, host: string): (workload: Workload) => boolean {
  return (workload) => workload.isAt(host) || rules.with?.includes(workload.id) === true
}
