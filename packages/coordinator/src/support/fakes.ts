/**
 * Agents, workers and clients for tests: each plays its part over a real loopback socket, message by message, and
 * does only what the test tells it to. Nothing here decides anything, so that what a test sees is the coordinator.
 */
import { Channel, type DialOptions, dial, HttpPeer } from '@godwit/channel'
import {
  type BundleProgress,
  type CheckpointReport,
  type ClientEvent,
  type ClientOp,
  type ClientRequestInput,
  checkMessage,
  EVENTS_PATH,
  type FromAgent,
  type FromClient,
  type FromWorker,
  fromErrorReport,
  type GodwitError,
  type Identity,
  isRestOp,
  type Launch,
  type MigrationReport,
  type MigrationStatus,
  type MigrationView,
  migrationOptions,
  OUR_VERSIONS,
  type Output,
  type Problem,
  REPLIES,
  type Reply,
  type ToAgent,
  type ToClient,
  type ToWorker,
  toAgent,
  toClient,
  toHttp,
  type WorkloadView,
} from '@godwit/protocol'
import { identityLike, reportLike } from '@godwit/protocol/testing'
import type { MigrationPlan } from '../migration-state.ts'

/** What came in, and a promise of what will. */
class Inbox<T> {
  readonly all: T[] = []
  #taken = 0
  readonly #waiting = new Set<() => void>()

  add(item: T): void {
    this.all.push(item)
    for (const wake of this.#waiting) wake()
  }

  /** The next item that `wanted` takes, skipping others. */
  async next<U extends T>(wanted: (item: T) => item is U): Promise<U>
  async next(wanted: (item: T) => boolean): Promise<T>
  async next(wanted: (item: T) => boolean): Promise<T> {
    for (;;) {
      while (this.#taken < this.all.length) {
        const item = this.all[this.#taken++] as T
        if (wanted(item)) return item
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake)
          resolve()
        }
        this.#waiting.add(wake)
      })
    }
  }
}

function urlOf(port: number, { security }: DialOptions): string {
  return `${security === undefined ? 'ws' : 'wss'}://127.0.0.1:${port}`
}

function dialAt(port: number, path: string, options: DialOptions): ReturnType<typeof dial> {
  return dial(`${urlOf(port, options)}${path}`, options)
}

type OfType<Message extends { type: string }, Type extends Message['type']> = Extract<Message, { type: Type }>

export class FakeAgent {
  readonly orders = new Inbox<ToAgent>()
  /** Settles when the connection is over. */
  readonly closed: Promise<GodwitError | undefined>
  readonly name: string
  readonly #channel: Channel<ToAgent, FromAgent>

  private constructor(name: string, socket: Awaited<ReturnType<typeof dial>>) {
    this.name = name
    let over: (error: GodwitError | undefined) => void = () => {}
    this.closed = new Promise((resolve) => {
      over = resolve
    })
    this.#channel = new Channel<ToAgent, FromAgent>(socket, toAgent, {
      message: (message) => this.orders.add(message),
      closed: (error) => over(error),
    })
  }

  static async connect(port: number, name: string, options: DialOptions = {}): Promise<FakeAgent> {
    return new FakeAgent(name, await dialAt(port, '/agent', options))
  }

  /** Connects and registers; `address` is what the target of a migration will dial. */
  static async registered(
    port: number,
    name: string,
    options: { workers?: string[]; memoryBytes?: number; checkpoints?: string[] } = {},
  ): Promise<FakeAgent> {
    const agent = await FakeAgent.connect(port, name)
    agent.register(options)
    await agent.order('registered')
    return agent
  }

  register(
    options: {
      workers?: string[]
      memoryBytes?: number
      versions?: typeof OUR_VERSIONS
      checkpoints?: string[]
    } = {},
  ): void {
    this.send({
      type: 'register',
      versions: options.versions ?? OUR_VERSIONS,
      name: this.name,
      address: `${this.name}.test`,
      faultDomain: this.name,
      memoryBytes: options.memoryBytes ?? 2 ** 30,
      cores: 2,
      workers: options.workers ?? [],
      checkpoints: options.checkpoints ?? [],
    })
  }

  send(message: FromAgent): void {
    this.#channel.send(message)
  }

  order<Type extends ToAgent['type']>(type: Type): Promise<OfType<ToAgent, Type>> {
    return this.orders.next((message): message is OfType<ToAgent, Type> => message.type === type)
  }

  /** The next launch, as a worker that does what the test says. */
  async launched(): Promise<FakeWorker> {
    const { launch } = await this.order('launch')
    return new FakeWorker(this, launch)
  }

  async close(): Promise<void> {
    this.#channel.close()
    await this.closed
  }
}

export class FakeWorker {
  readonly launch: Launch
  readonly #agent: FakeAgent

  constructor(agent: FakeAgent, launch: Launch) {
    this.#agent = agent
    this.launch = launch
  }

  get id(): string {
    return this.launch.workerId
  }

  /** The same worker behind a new connection of its agent. */
  behind(agent: FakeAgent): FakeWorker {
    return new FakeWorker(agent, this.launch)
  }

  say(message: FromWorker): void {
    this.#agent.send({ type: 'fromWorker', workerId: this.id, message })
  }

  fetching(progress: BundleProgress): void {
    this.#agent.send({ type: 'fetching', workerId: this.id, progress })
  }

  prepared(changes: Partial<Identity> = {}): void {
    this.say({ type: 'prepared', identity: identityLike(changes) })
  }

  /** Of one that was restored: so many steps are applied in what it loaded. */
  restored(step: number, changes: Partial<Identity> = {}): void {
    this.say({ type: 'prepared', identity: identityLike(changes), restored: { step } })
  }

  /** Outputs of the steps from `from` to before `to`, under `epoch`. */
  steps(epoch: number, from: number, to: number): void {
    const outputs: Output[] = []
    for (let step = from; step < to; step++) outputs.push(outputOf(step, epoch))
    this.say({ type: 'outputs', outputs })
  }

  exited(): void {
    this.#agent.send({ type: 'workerExited', workerId: this.id })
  }

  async told<Type extends ToWorker['type']>(type: Type): Promise<OfType<ToWorker, Type>> {
    const order = await this.#agent.orders.next(
      (message) =>
        message.type === 'toWorker' && message.workerId === this.id && message.message.type === type,
    )
    return (order as OfType<ToAgent, 'toWorker'>).message as OfType<ToWorker, Type>
  }

  async killed(): Promise<void> {
    await this.#agent.orders.next((message) => message.type === 'kill' && message.workerId === this.id)
  }

  progress(migrationId: string, status: MigrationStatus, step = 0): void {
    const progress = { round: 0, roundPagesSent: 1, roundPages: 2, remainingBytes: 4096, sentBytes: 4096 }
    this.say({
      type: 'migrationProgress',
      migrationId,
      status,
      progress: { ...progress, bytesPerSecond: 1, step },
    })
  }
}

type Changes = Extract<ToClient, { type: 'changes' }>

export class FakeClient {
  readonly changes = new Inbox<Changes>()
  readonly events = new Inbox<{ workload: string; event: ClientEvent }>()
  readonly closed: Promise<GodwitError | undefined>
  readonly #channel: Channel<ToClient, FromClient>
  readonly #pending = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>()
  readonly #http: HttpPeer
  #id = 0

  private constructor(socket: Awaited<ReturnType<typeof dial>>, http: HttpPeer) {
    this.#http = http
    let over: (error: GodwitError | undefined) => void = () => {}
    this.closed = new Promise((resolve) => {
      over = resolve
    })
    this.#channel = new Channel<ToClient, FromClient>(
      socket,
      toClient,
      {
        message: (message) => this.#receive(message),
        closed: (error) => over(error),
      },
      { text: true },
    )
  }

  static async connect(port: number, options: DialOptions = {}): Promise<FakeClient> {
    const { security, token } = options
    const http = new HttpPeer(urlOf(port, options), { security, token, maxConnections: 1000 })
    return new FakeClient(await dialAt(port, EVENTS_PATH, options), http)
  }

  async ask<Op extends ClientOp>(request: Extract<ClientRequestInput, { op: Op }>): Promise<Reply<Op>> {
    const result = await (isRestOp(request.op) ? this.#askHttp(request) : this.#askEvents(request))
    return checkMessage(REPLIES[request.op as Op], result) as Reply<Op>
  }

  async #askHttp(request: ClientRequestInput): Promise<unknown> {
    const { status, text } = await this.#http.ask(toHttp(request as Parameters<typeof toHttp>[0]))
    if (status < 300) return text === '' ? {} : JSON.parse(text)
    const { kind, detail } = JSON.parse(text) as Problem
    throw fromErrorReport({ kind, message: detail })
  }

  #askEvents(request: ClientRequestInput): Promise<unknown> {
    this.#id += 1
    const id = this.#id
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#channel.send({ type: 'request', id, request: request as FromClient['request'] })
    })
  }

  /** Settles when the coordinator has noticed that the agent of `host` is gone. */
  async disconnected(host: string): Promise<void> {
    for (;;) {
      const { hosts } = await this.ask({ op: 'hosts' })
      if (hosts.some(({ name, state }) => name === host && state === 'disconnected')) return
    }
  }

  /** Something that is no request. */
  sendRubbish(): void {
    this.#channel.send({ type: 'nonsense' } as unknown as FromClient)
  }

  /** The next steps until `count` of them have come, one after the other. */
  async steps(count: number): Promise<Output[]> {
    const outputs: Output[] = []
    while (outputs.length < count) {
      const { event } = await this.events.next(({ event }) => event.kind === 'steps')
      if (event.kind === 'steps') outputs.push(...event.outputs)
    }
    return outputs
  }

  /** What a program printed, until so many lines have come. */
  async printed(count: number): Promise<string[]> {
    const texts: string[] = []
    while (texts.length < count) {
      const { event } = await this.events.next(({ event }) => event.kind === 'logs')
      if (event.kind === 'logs') texts.push(...event.lines.map(({ text }) => text))
    }
    return texts
  }

  async logIsOver(): Promise<void> {
    const isOver = (event: ClientEvent): boolean => event.kind === 'logs' && event.isOver
    if (!this.events.all.some(({ event }) => isOver(event)))
      await this.events.next(({ event }) => isOver(event))
  }

  async workload(wanted: (view: WorkloadView) => boolean): Promise<WorkloadView> {
    const { event } = await this.events.next(
      ({ event }) => event.kind === 'workload' && wanted(event.workload),
    )
    return (event as Extract<ClientEvent, { kind: 'workload' }>).workload
  }

  async migration(wanted: (view: MigrationView) => boolean): Promise<MigrationView> {
    const { event } = await this.events.next(
      ({ event }) => event.kind === 'migration' && wanted(event.migration),
    )
    return (event as Extract<ClientEvent, { kind: 'migration' }>).migration
  }

  close(): void {
    this.#channel.close()
    this.#http.close()
  }

  #receive(message: ToClient): void {
    if (message.type === 'changes') {
      this.changes.add(message)
      return
    }
    if (message.type === 'event') {
      this.events.add({ workload: message.workload, event: message.event })
      return
    }
    const pending = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if (message.type === 'reply') pending?.resolve(message.result)
    else pending?.reject(fromErrorReport(message.error))
  }
}

export function outputOf(step: number, epoch: number, stepMs = 5): Output {
  return { step, epoch, loss: 1 / (step + 1), stepMs }
}

/** A move of `job` from `a` to `b`, as it is written down. */
export function planLike(changes: Partial<MigrationPlan> = {}): MigrationPlan {
  return {
    id: 'm',
    workload: 'job',
    from: 'a',
    to: 'b',
    sourceAddress: 'a.test',
    sourceWorker: 'job-e1',
    targetWorker: 'job-e2',
    epoch: 1,
    secret: 'c'.repeat(64),
    options: migrationOptions.parse({ downtimeLimitMs: 300, timeoutMs: 60_000 }),
    startedAtMs: 0,
    ...changes,
  }
}

/** Of `plan`, which completed; nobody has measured yet what it cost the job's steps. */
export function reportOf(
  { id, workload, from, to }: { id: string; workload: string; from: string; to: string },
  step: number,
  epoch: number,
): MigrationReport {
  return reportLike({ id, workload, from, to, step, epoch, lostTimeMs: null })
}

export function checkpointOf(step: number): CheckpointReport {
  return {
    step,
    rounds: 1,
    incremental: false,
    pages: 1,
    writtenBytes: 4096,
    fileBytes: 4096,
    stallMs: 1,
    totalMs: 2,
  }
}
