/**
 * The simulated world: machines with their processes, the network between them, a disk, a person, and time.
 *
 * Everything that happens is an entry of one timeline, and everything drawn by chance comes from the seed: two runs of
 * a plan are the same to the last event. What really happened is written down for the oracles.
 */
import { decodeValue, type Launch } from '@godwit/protocol'
import { SimAgent } from './agent.ts'
import type { CheckpointFile } from './checkpoints.ts'
import { SimCoordinator } from './coordinator.ts'
import { CoverageOf } from './coverage.ts'
import { Disk } from './disk.ts'
import { Faults } from './faults.ts'
import type { Happening, Told } from './happenings.ts'
import { Network } from './network.ts'
import { Person } from './person.ts'
import { HOSTS, type Plan } from './plan.ts'
import { type PointDetail, Process, type ProcessWorld, type Role } from './process.ts'
import type { ProgramShape } from './program.ts'
import { Random } from './random.ts'
import { Timeline } from './timeline.ts'
import { SimWorker } from './worker.ts'

const FIRST_PORT = 20_000
/** Lines of a trace that are kept. */
const MAX_TRACE = 60

export class World implements ProcessWorld {
  readonly plan: Plan
  readonly timeline = new Timeline()
  readonly network: Network
  readonly coverage = new CoverageOf()
  /** Changes of owners that were granted. */
  readonly decided = new Set<string>()
  readonly happenings: Happening[] = []
  readonly person: Person
  readonly faults: Faults
  readonly disk: Disk
  readonly agents = new Map<string, SimAgent>()
  coordinator: SimCoordinator | undefined
  /** The last things that were said, for people. */
  readonly #lines: (() => string)[] = []
  onLine: ((line: string) => void) | undefined
  readonly #random: Random
  readonly #workers = new Map<string, SimWorker>()
  readonly #aliases = new Map<string, string>()
  /** By host, by workload: what lies on the host's disk. */
  readonly #checkpoints = new Map<string, Map<string, CheckpointFile>>(HOSTS.map((host) => [host, new Map()]))
  #ports = FIRST_PORT
  #lives = 0
  #isTouched = false
  #isHealing = false

  constructor(plan: Plan) {
    this.plan = plan
    this.#random = new Random(plan.seed, 'world')
    this.network = new Network(this.timeline, new Random(plan.seed, 'network'), plan.network)
    this.disk = new Disk(new Random(plan.seed, 'disk'), ({ key, value }) => this.#stored(key, value))
    this.person = new Person(this)
    this.faults = new Faults(this)
    this.startCoordinator()
    for (const host of HOSTS) this.startAgent(host)
    for (const command of plan.commands) this.timeline.after(command.atMs, () => this.person.do(command))
    for (const fault of plan.faults) this.timeline.after(fault.atMs, () => this.faults.happen(fault))
  }

  /** Lets time pass until `untilMs`, or until `isEnough` says so. */
  async run(untilMs: number, isEnough: () => boolean = () => false): Promise<void> {
    while (!isEnough() && this.timeline.step(untilMs)) {
      if (!this.#isTouched) continue
      this.#isTouched = false
      // Whatever the registry does with it, it does before anything else happens.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** The registry was told something, or something that it waited for has come. */
  touched(): void {
    this.#isTouched = true
  }

  // ---- who there is

  shapeOf(workload: string): ProgramShape {
    const shape = this.plan.shapes[workload]
    if (shape === undefined) throw new Error(`no program for ${workload}`)
    return shape
  }

  startCoordinator(): void {
    const process = this.#start('coordinator', 'coordinator', 'coordinator')
    this.coordinator = new SimCoordinator(this, process, this.disk)
    process.onDeath(() => {
      this.disk.crash()
      this.timeline.after(this.#random.between(200, 4_000), () => this.startCoordinator())
    })
  }

  startAgent(host: string): void {
    const process = this.#start(`agent-${host}`, 'agent', host)
    process.onDeath((isSilent) => {
      const delayMs = isSilent ? this.#random.between(3_000, 15_000) : this.#random.between(300, 3_000)
      this.timeline.after(delayMs, () => this.startAgent(host))
    })
    this.agents.set(host, new SimAgent(this, process))
  }

  startWorker(host: string, launch: Launch): void {
    const { workerId: worker, workloadId: workload, mode } = launch
    this.#aliases.set(worker, `worker${this.#workers.size + 1}`)
    this.happened({ type: 'launched', worker, host, workload, mode })
    const process = this.#start(worker, 'worker', host)
    this.#workers.set(worker, new SimWorker(this, process, launch))
  }

  worker(workerId: string): SimWorker | undefined {
    return this.#workers.get(workerId)
  }

  /** Those that live. */
  workersOn(host?: string): SimWorker[] {
    return [...this.#workers.values()].filter(
      ({ process }) => process.isAlive && (host === undefined || process.node === host),
    )
  }

  checkpointOf(host: string, workload: string): CheckpointFile | undefined {
    return this.#checkpoints.get(host)?.get(workload)
  }

  checkpointsOn(host: string): string[] {
    return [...(this.#checkpoints.get(host)?.keys() ?? [])]
  }

  saveCheckpoint(host: string, workload: string, file: CheckpointFile): void {
    this.#checkpoints.get(host)?.set(workload, file)
  }

  deleteCheckpoint(host: string, workload: string): void {
    this.#checkpoints.get(host)?.delete(workload)
  }

  freePort(): number {
    this.#ports += 1
    return this.#ports
  }

  #start(name: string, role: Role, node: string): Process {
    this.#lives += 1
    // Names of workers are made by chance outside of our control.
    const random = new Random(this.plan.seed, `life ${this.#lives} ${role}`)
    const drift = this.plan.drift * random.between(-1, 1)
    const clockOffsetMs = random.between(0, 100_000)
    return new Process(this, { name, role, node, clockRate: 1 + drift, clockOffsetMs, random })
  }

  // ---- what happens to it

  reached(process: Process, point: string, detail: PointDetail): void {
    const name = `${process.role}/${point}`
    this.coverage.passed(name)
    this.faults.reached(process, name, detail)
  }

  /** How much later a message to the coordinator is heard a second time, if it is. */
  doubleAfterMs(): number | undefined {
    if (this.faults.doubles === 0 || !this.#random.chance(0.3)) return undefined
    return this.#random.between(0, 10_000)
  }

  happened(told: Told): void {
    const happening = { ...told, atMs: this.timeline.nowMs } as Happening
    this.happenings.push(happening)
    if (told.type !== 'published' && told.type !== 'workload' && told.type !== 'stored')
      this.#note(() => summary(happening))
  }

  bug(process: Process | undefined, error: unknown): void {
    if (process?.isAlive === false) return
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.happened({ type: 'bug', party: process?.name ?? 'person', text })
  }

  coordinatorError(process: Process, error: unknown): void {
    const kind = (error as { kind?: unknown } | undefined)?.kind
    // It says so, and that is all it can do.
    if (kind === 'disk-full' || kind === 'store-unusable') this.note(`coordinator: ${String(error)}`)
    else this.bug(process, error)
  }

  trace(process: Process, what: unknown): void {
    this.note(`${process.name}: ${typeof what === 'string' ? what : JSON.stringify(what)}`)
  }

  note(text: string): void {
    this.#note(() => text)
  }

  get lines(): string[] {
    return this.#lines.map((line) => line())
  }

  /** Written out only for who reads it. */
  #note(text: () => string): void {
    const seconds = (this.timeline.nowMs / 1000).toFixed(3)
    const line = (): string => {
      let written = `${seconds} ${text()}`
      for (const [worker, alias] of this.#aliases) written = written.replaceAll(worker, alias)
      return written
    }
    this.#lines.push(line)
    if (this.#lines.length > MAX_TRACE) this.#lines.shift()
    this.onLine?.(line())
  }

  #stored(key: string, value: Uint8Array | undefined): void {
    const [kind, workload] = key.split('/')
    if (kind !== 'ownership' || workload === undefined || value === undefined) return
    const { ranges, acceptedSteps } = decodeValue(value) as {
      ranges: { epoch: number; host: string; fromStep: number }[]
      acceptedSteps: number
    }
    const operation = (ranges.at(-1) as { by?: { operation?: string } } | undefined)?.by?.operation
    if (operation !== undefined) this.coverage.cell('ownership', operation, 'stored')
    this.happened({ type: 'stored', workload, ranges, acceptedSteps })
  }

  get isHealing(): boolean {
    return this.#isHealing
  }

  /** From here on nothing goes wrong any more. */
  heal(): void {
    this.#isHealing = true
    this.note('everything heals')
    this.faults.heal()
  }
}

function summary(happening: Happening): string {
  const { atMs: _, type, ...rest } = happening
  if (happening.type === 'migration') {
    const { id, status, from, to, workload, error } = happening.view
    return `migration ${id} of ${workload} from ${from} to ${to}: ${status} ${error?.message ?? ''}`
  }
  return `${type} ${JSON.stringify(rest)}`
}
