/**
 * A person at the command line: asks for runs, moves, cancels and stops, and follows every workload. What is asked for
 * reaches the registry as a client's requests do; a coordinator that is away, or says no, is asked again a few times.
 */
import type { Registry } from '@godwit/coordinator'
import {
  type ClientEvent,
  type ClientRequest,
  GodwitError,
  type HostView,
  type MigrationView,
  type WorkloadView,
} from '@godwit/protocol'
import type { SimCoordinator } from './coordinator.ts'
import { type Command, HOSTS, LAST_JOB } from './plan.ts'
import type { World } from './world.ts'

/** What a person asks of a registry: who may ask at all is not its business. */
type JobRequest = Extract<ClientRequest, { op: keyof Registry['requests'] }>
type Handler = (request: ClientRequest, client: unknown) => unknown
interface Follower {
  start(): void
  stop(): void
}

const OVER = new Set(['completed', 'cancelled', 'failed'])
const TRIES = 8
const RETRY_MS = 1_000
/** A cancel or a stop that comes late is something else. */
const AGAIN: ReadonlySet<Command['op']> = new Set(['run', 'migrate', 'enterMaintenance', 'exitMaintenance'])
/** What another try may be answered otherwise. */
const WORTH_ANOTHER = new Set([
  'unreachable',
  'not-running',
  'host-disconnected',
  'unknown-host',
  'unknown-workload',
  'disk-full',
  'in-maintenance',
])

export class Person {
  readonly #world: World
  readonly #seen = new Map<string, number>()
  /** By workload: the latest attempt to follow it. */
  readonly #following = new Map<string, object>()
  readonly #followers = new Map<string, Follower>()
  #isContent = false
  readonly workloads = new Map<string, WorkloadView>()
  readonly migrations = new Map<string, MigrationView>()
  /** As they were when last looked at. */
  hosts: readonly HostView[] = []
  /** Asked for, with success. */
  readonly wanted = new Set<string>()
  readonly stopped = new Set<string>()

  constructor(world: World) {
    this.#world = world
  }

  do(command: Command, tries = TRIES): void {
    const request = requestOf(command, this.#world)
    const what = 'workload' in command ? command.workload : command.host
    if (command.op === 'stop') {
      this.stopped.add(command.workload)
      this.#world.happened({ type: 'stopAsked', workload: command.workload })
    }
    this.#ask(request).then(
      () => {},
      (error: unknown) => {
        if (!(error instanceof GodwitError)) return this.#world.bug(undefined, error)
        this.#world.note(`${command.op} ${what}: ${error.message}`)
        if (tries === 1 || !WORTH_ANOTHER.has(error.kind)) return
        if (!AGAIN.has(command.op)) return
        this.#world.timeline.after(RETRY_MS, () => {
          if (!this.#isContent || ('workload' in command && command.workload === LAST_JOB))
            this.do(command, tries - 1)
        })
      },
    )
    if (command.op !== 'run') return
    this.wanted.add(command.workload)
    this.#world.happened({ type: 'ran', workload: command.workload })
    this.#follow(command.workload)
  }

  /** A coordinator has come back: what it knows is followed again. */
  followAll(): void {
    for (const workload of this.wanted) this.#follow(workload)
  }

  /** What was refused so far is asked for no more. */
  beContent(): void {
    this.#isContent = true
  }

  /** Gives up waiting for moves that go on for ever. */
  cancelAll(): void {
    for (const { status, workload } of this.migrations.values()) {
      if (!OVER.has(status) && workload !== LAST_JOB)
        this.do({ op: 'cancel', workload, atMs: this.#world.timeline.nowMs })
    }
  }

  /** Nobody works on a host for ever. */
  endMaintenance(): void {
    for (const host of HOSTS)
      this.do({ op: 'exitMaintenance', host, return: true, atMs: this.#world.timeline.nowMs })
  }

  /** Asks for what it may have missed while nobody was there to tell. */
  async look(): Promise<void> {
    try {
      const workloads = await this.#list()
      this.workloads.clear()
      for (const view of workloads) this.workloads.set(view.id, view)
      this.hosts = ((await this.#ask({ op: 'hosts' })) as { hosts: HostView[] }).hosts
      for (const { id, status } of this.migrations.values()) {
        if (OVER.has(status)) continue
        const { migration } = (await this.#ask({ op: 'migration', migration: id })) as {
          migration: MigrationView
        }
        this.migrations.set(id, migration)
      }
    } catch (error) {
      if (!(error instanceof GodwitError)) throw error
      this.#world.note(`looking: ${error.message}`)
    }
  }

  /** All there are, page by page. */
  async #list(): Promise<WorkloadView[]> {
    const all: WorkloadView[] = []
    for (;;) {
      const last = all.at(-1)
      const request: JobRequest = { op: 'workloads', ...(last === undefined ? {} : { after: last.id }) }
      const page = (await this.#ask(request)) as { workloads: WorkloadView[]; more?: true }
      all.push(...page.workloads)
      if (page.more !== true) return all
    }
  }

  async #ask(request: JobRequest): Promise<unknown> {
    const coordinator = this.#coordinator()
    // Whoever asks one that dies is told by the connection.
    const died = new Promise<never>((_, reject) =>
      coordinator.process.onDeath(() => {
        this.#world.touched()
        reject(new GodwitError('unreachable', 'the coordinator went away'))
      }),
    )
    died.catch(() => {})
    return Promise.race([this.#handler(coordinator, request.op)(request, this.#client(coordinator)), died])
  }

  #follow(workload: string, attempt: object = {}): void {
    const coordinator = this.#world.coordinator
    this.#following.set(workload, attempt)
    if (coordinator?.process.isAlive !== true || coordinator.registry === undefined) return
    this.#world.touched()
    // As a client that follows the same workload again.
    this.#followers.get(workload)?.stop()
    this.#followers.delete(workload)
    let follower: Follower | undefined
    const client = {
      ...this.#client(coordinator),
      follow: (_: string, made: Follower) => {
        follower = made
      },
    }
    const request = { op: 'follow', workload, fromStep: this.#seen.get(workload) ?? 0 } as const
    Promise.resolve()
      .then(() => this.#handler(coordinator, 'follow')(request, client))
      .then(
        () => {
          if (follower === undefined) return
          this.#followers.set(workload, follower)
          follower.start()
        },
        () =>
          this.#world.timeline.after(RETRY_MS, () => {
            if (this.#following.get(workload) === attempt) this.#follow(workload, attempt)
          }),
      )
  }

  #coordinator(): SimCoordinator {
    const { coordinator } = this.#world
    this.#world.touched()
    if (coordinator?.process.runs !== true || coordinator.registry === undefined)
      throw new GodwitError('unreachable', 'the coordinator is away')
    return coordinator
  }

  #handler(coordinator: SimCoordinator, op: JobRequest['op']): Handler {
    return coordinator.registry?.requests[op] as Handler
  }

  #client(coordinator: SimCoordinator): object {
    return {
      sink: (workload: string) => ({
        send: (event: ClientEvent) => {
          if (coordinator.process.isAlive) this.#hear(workload, event)
        },
        bufferedBytes: () => 0,
      }),
      follow: () => {},
      followLogs: () => {},
      who: 'local',
      unfollow: () => {},
      watchPages: () => {},
      unwatchPages: () => {},
    }
  }

  #hear(workload: string, event: ClientEvent): void {
    const world = this.#world
    if (event.kind === 'steps') {
      for (const { step, epoch, loss } of event.outputs) {
        this.#seen.set(workload, Math.max(this.#seen.get(workload) ?? 0, step + 1))
        world.happened({ type: 'accepted', workload, step, epoch, loss })
      }
    } else if (event.kind === 'workload') {
      this.workloads.set(workload, event.workload)
      world.happened({ type: 'workload', view: event.workload })
    } else if (event.kind === 'migration') {
      const before = this.migrations.get(event.migration.id)
      this.migrations.set(event.migration.id, event.migration)
      if (before?.status !== event.migration.status)
        world.happened({ type: 'migration', view: event.migration })
    }
  }
}

function requestOf(command: Command, world: World): JobRequest {
  if ('host' in command && !('workload' in command)) {
    const { host, op } = command
    return op === 'enterMaintenance'
      ? { op, host, force: command.force }
      : { op, host, return: command.return }
  }
  const { workload } = command
  switch (command.op) {
    case 'run': {
      const { steps } = world.shapeOf(workload)
      const { host } = command
      return {
        op: 'run',
        program: 'simulated',
        parameters: {},
        steps,
        host,
        id: workload,
        tracker: 'auto',
        restartPolicy: command.restartPolicy,
        ...(command.checkpointEveryMs !== undefined && { checkpointEveryMs: command.checkpointEveryMs }),
      }
    }
    case 'migrate':
      return { op: 'migrate', workload, to: command.to, options: command.options }
    case 'cancel':
    case 'hold':
    case 'switchover':
    case 'pause':
    case 'resume':
    case 'checkpoint':
    case 'stop':
      return { op: command.op, workload }
  }
}
