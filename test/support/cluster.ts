/**
 * A whole cluster as a person starts it: `godwit coordinator`, `godwit agent` for each host, and commands with --json,
 * each a process of its own on this machine. Nothing here is Godwit's but its command line; what is known of the
 * inside (where a worker's folder lies) serves to kill what should be killed.
 *
 * Invariant: after `end` no process is left and no file, or it says which; it always cleans up.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { entryFile } from '@godwit/launch'
import type {
  AuditEntry,
  CheckpointView,
  ErrorReport,
  EstimateView,
  HostView,
  MaintenanceView,
  MigrationView,
  Output,
  PreflightView,
  TokenView,
  Verdict,
  WorkerLaunch,
  WorkloadView,
} from '@godwit/protocol'
import {
  filesLeft,
  isAlive,
  killAll,
  makeTemporary,
  processesLeft,
  processesOf,
  Running,
} from './processes.ts'
import type { Release } from './releases.ts'

/** The root of the project. */
export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const GODWIT = join(REPOSITORY, 'packages/cli/bin/godwit.mjs')
/** Programs of the tests, by name. */
export const PROGRAMS = fileURLToPath(new URL('./programs', import.meta.url))

export interface HostSpec {
  readonly name: string
  readonly programs?: string
  readonly memory?: string
  readonly maxBandwidth?: string
  readonly dataDir?: string
  /** An earlier one, of which its agent and workers are. */
  readonly release?: Release
}

/** What commands print with --json: one of these on each line. */
export interface Said {
  readonly hosts?: HostView[]
  readonly workloads?: WorkloadView[]
  readonly workload?: WorkloadView
  readonly estimate?: EstimateView
  readonly preflight?: PreflightView
  readonly migration?: MigrationView
  readonly checkpoint?: CheckpointView
  readonly maintenance?: MaintenanceView
  readonly placement?: Verdict[]
  readonly token?: string
  readonly view?: TokenView
  readonly tokens?: TokenView[]
  readonly entries?: AuditEntry[]
  readonly error?: ErrorReport
}

export interface Finished {
  readonly code: number
  /** Every line of stdout. */
  readonly lines: readonly string[]
  readonly err: string
  /** The last line of stdout. */
  readonly said: Said
}

/** A worker as its folder tells. */
export interface FoundWorker {
  readonly pid: number
  readonly folder: string
  readonly launch: WorkerLaunch
}

/** `godwit follow --from-step 0`, understood. */
export class Follower extends Running {
  readonly outputs: Output[] = []
  readonly migrations: Pick<MigrationView, 'id' | 'from' | 'to' | 'status'>[] = []
  ended: WorkloadView | undefined

  protected override heard(line: string): void {
    const said = JSON.parse(line) as Output | Said
    if ('step' in said) this.outputs.push(said)
    else if (said.migration !== undefined) this.migrations.push(said.migration)
    else this.ended = said.workload
  }

  async reached(step: number): Promise<void> {
    await this.until(() => this.outputs.length > step, `step ${step}`)
  }

  /** Resolves when twenty steps more than those known now are accepted. */
  async goesOn(): Promise<void> {
    await this.reached(this.outputs.length + 20)
  }

  async migrationIs(status: MigrationView['status']): Promise<void> {
    await this.until(() => this.migrations.at(-1)?.status === status, `a migration was ${status}`)
  }

  /** Resolves once a migration has had this status, from now on. */
  async migrationWillBe(status: MigrationView['status']): Promise<void> {
    const known = this.migrations.length
    await this.until(
      () => this.migrations.slice(known).some((migration) => migration.status === status),
      `a migration was ${status}`,
    )
  }
}

interface ClusterOptions {
  /** Its coordinator keeps what it knows in a folder. */
  readonly isDurable?: boolean
  /** Everything goes over TLS; it is durable then, too. */
  readonly secured?: boolean
  /** More for `godwit coordinator init`. */
  readonly init?: readonly string[]
  /** An earlier one, of which the coordinator is. */
  readonly release?: Release
}

export class Cluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'gwt-'))
  readonly temporary = join(this.folder, 'tmp')
  readonly #env = makeTemporary(this.temporary)
  readonly #running: Running[] = []
  #coordinator: Running | undefined
  /** Of a secured cluster, as `godwit coordinator init` gave them: what hosts join with, and what the admin shows. */
  readonly secrets: { join?: string; admin?: string } = {}
  readonly #agents = new Map<string, Running>()
  #url = ''

  /**
   * Settles when the hosts are registered; a cluster that doesn't come up is ended.
   */
  static async start(
    hosts: readonly HostSpec[],
    { isDurable = false, secured = false, init = [], release }: ClusterOptions = {},
  ): Promise<Cluster> {
    const cluster = new Cluster()
    try {
      if (secured) await cluster.#secure(init)
      await cluster.startCoordinator(isDurable || secured, {}, release)
      await Promise.all(hosts.map((host) => cluster.addHost(host)))
      return cluster
    } catch (error) {
      await cluster.end()
      throw error
    }
  }

  /** Where a durable coordinator keeps what it knows. */
  get store(): string {
    return join(this.folder, 'store')
  }

  /** Also once more, at the address it had; with so much more in its environment. */
  async startCoordinator(isDurable: boolean, more: NodeJS.ProcessEnv = {}, release?: Release): Promise<void> {
    const port = this.#url === '' ? '0' : new URL(this.#url).port
    const store = isDurable ? ['--data-dir', this.store] : []
    const coordinator = this.startOf(release, more, 'coordinator', '--port', port, ...store)
    this.#coordinator = coordinator
    await coordinator.until(() => coordinator.lines.length > 0, 'it listened')
    const { listening } = JSON.parse(coordinator.lines[0] as string) as { listening: { port: number } }
    const scheme = this.secrets.admin === undefined ? 'ws' : 'wss'
    this.#url = `${scheme}://127.0.0.1:${listening.port}`
  }

  /** What it prints is for people: the line that a host runs is read as one would. */
  async #secure(more: readonly string[]): Promise<void> {
    const init = this.startAs({}, 'coordinator', 'init', '--data-dir', this.store, ...more)
    const code = await init.exited
    const { lines, err } = init
    const [, token] = /GODWIT_JOIN_TOKEN=(\S+) godwit agent --coordinator wss:/.exec(lines.join('\n')) ?? []
    if (code !== 0 || token === undefined) throw new Error(`init gave ${code}: ${lines.join('\n')}${err}`)
    this.secrets.join = token
    this.secrets.admin = readFileSync(join(this.store, 'admin-token'), 'utf8').trim()
  }

  /** Settles when the coordinator has died of itself. */
  async coordinatorGone(): Promise<void> {
    await this.#coordinator?.exited
    this.#coordinator = undefined
  }

  /** In order; its exit code. */
  async stopCoordinator(): Promise<number | undefined> {
    const coordinator = this.#coordinator
    this.#coordinator = undefined
    return coordinator?.end('SIGTERM')
  }

  /** SIGKILL. */
  async killCoordinator(): Promise<void> {
    const coordinator = this.#coordinator
    this.#coordinator = undefined
    const pid = this.#pidOf('coordinator')
    if (coordinator === undefined || pid === undefined) throw new Error('there is no coordinator')
    process.kill(pid, 'SIGKILL')
    await coordinator.exited
  }

  get url(): string {
    return this.#url
  }

  /** An agent in a fault domain of its own. Settles when the coordinator has it. */
  async addHost(host: HostSpec): Promise<void> {
    const agent = this.startAgent(host)
    await agent.until(() => agent.lines.length > 0, 'it was registered')
  }

  /** As `addHost`, and waits for nothing. In a secured cluster it is given `token` to join with: the one of `init`, unless it is told another or ''. */
  startAgent(
    { name, programs = PROGRAMS, memory = '1GiB', maxBandwidth, dataDir, release }: HostSpec,
    token = this.secrets.join ?? '',
    more: NodeJS.ProcessEnv = {},
  ): Running {
    const agent = this.startOf(
      release,
      token === '' ? more : { ...more, GODWIT_JOIN_TOKEN: token },
      ...['agent', '--name', name, '--fault-domain', `rack-${name}`, '--memory', memory],
      ...['--programs', programs, '--data-dir', dataDir ?? this.dataDir(name)],
      ...(maxBandwidth === undefined ? [] : ['--max-bandwidth', maxBandwidth]),
    )
    this.#agents.set(name, agent)
    return agent
  }

  /** The end of an agent that is not let in. */
  async refusedAgent(host: HostSpec, token?: string): Promise<Finished> {
    const agent = this.startAgent(host, token)
    this.#agents.delete(host.name)
    return finished(agent)
  }

  dataDir(host: string): string {
    return join(this.folder, host)
  }

  /** A new folder of programs, from which the project's packages can be imported. */
  programFolder(name: string): string {
    const folder = join(this.folder, 'programs', name)
    mkdirSync(folder, { recursive: true })
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
    return folder
  }

  /** Starts any command; in a secured cluster as its admin. */
  start(...args: string[]): Running {
    return this.startAs(this.#asAdmin(), ...args)
  }

  /** With so much more in its environment. */
  startAs(more: NodeJS.ProcessEnv, ...args: string[]): Running {
    return this.startOf(undefined, more, ...args)
  }

  /** By the command of an earlier release, where one is given. */
  startOf(release: Release | undefined, more: NodeJS.ProcessEnv, ...args: string[]): Running {
    const env = { ...this.#env, ...more }
    const command = [release?.godwit ?? GODWIT, ...this.#globals(), ...args]
    return this.#keep(new Running(process.execPath, command, { env }))
  }

  follow(workload: string): Follower {
    const args = [GODWIT, ...this.#globals(), 'follow', workload, '--from-step', '0']
    return this.#keep(new Follower(process.execPath, args, { env: { ...this.#env, ...this.#asAdmin() } }))
  }

  /** Runs a command to its end. */
  async godwit(...args: string[]): Promise<Finished> {
    return finished(this.start(...args))
  }

  /** Runs a command to its end as whoever shows this API token. */
  async godwitAs(token: string, ...args: string[]): Promise<Finished> {
    return finished(this.startAs({ GODWIT_TOKEN: token }, ...args))
  }

  /** A workload that trains, and its steps. Whatever happens to it from now on is seen. */
  async run(program: string, host: string, id: string, ...options: string[]): Promise<Follower> {
    const { code, said, err } = await this.godwit('run', program, '--host', host, '--id', id, ...options)
    if (code !== 0 || said.workload?.status === undefined)
      throw new Error(`run of ${id} gave ${code}: ${err}`)
    const follower = this.follow(id)
    await follower.reached(0)
    return follower
  }

  /** The workload as `ps` shows it. */
  async workload(id: string): Promise<WorkloadView> {
    const { said } = await this.godwit('ps')
    const found = said.workloads?.find((workload) => workload.id === id)
    if (found === undefined) throw new Error(`ps does not show ${id}: ${JSON.stringify(said)}`)
    return found
  }

  /** Workers of `workload` that run on `host`. */
  workers(host: string, workload: string): FoundWorker[] {
    return this.folders(host, workload).filter(({ pid }) => isAlive(pid))
  }

  /** Also those that have ended, of which only the folder is kept. */
  folders(host: string, workload: string): FoundWorker[] {
    const found: FoundWorker[] = []
    for (const name of readdirSync(this.dataDir(host))) {
      const folder = join(this.dataDir(host), name)
      try {
        const launch = JSON.parse(readFileSync(join(folder, 'launch.json'), 'utf8')) as WorkerLaunch
        const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
        if (launch.workloadId === workload) found.push({ pid, folder, launch })
      } catch {
        // It has just been made or has just gone.
      }
    }
    return found
  }

  /** The one worker of `workload` on `host`. */
  worker(host: string, workload: string): FoundWorker {
    const [worker, ...others] = this.workers(host, workload)
    if (worker === undefined || others.length > 0) {
      throw new Error(`${workload} has ${others.length + (worker === undefined ? 0 : 1)} workers on ${host}`)
    }
    return worker
  }

  /** Ends an agent in order, its workers with it. */
  async stopAgent(host: string): Promise<number> {
    const agent = this.#agents.get(host)
    this.#agents.delete(host)
    if (agent === undefined) throw new Error(`bug in a test: there is no agent ${host}`)
    return agent.end('SIGTERM')
  }

  /** Settles when the agent has died of itself. */
  async agentGone(host: string): Promise<void> {
    await this.#agents.get(host)?.exited
    this.#agents.delete(host)
  }

  /** SIGKILL to the agent itself; its workers are left alone. */
  async killAgent(host: string): Promise<void> {
    const agent = this.#agents.get(host)
    this.#agents.delete(host)
    const pid = this.#pidOf('agent', host)
    if (agent === undefined || pid === undefined) throw new Error(`there is no agent ${host}`)
    process.kill(pid, 'SIGKILL')
    await agent.exited
  }

  /** Ends an agent and leaves its workers to the next one. */
  async leaveAgent(host: string): Promise<number> {
    const agent = this.#agents.get(host)
    this.#agents.delete(host)
    if (agent === undefined) throw new Error(`bug in a test: there is no agent ${host}`)
    return agent.end('SIGUSR2')
  }

  /** Settles when the agent has said so on stderr. */
  async agentSaid(host: string, what: RegExp): Promise<void> {
    const agent = this.#agents.get(host)
    if (agent === undefined) throw new Error(`bug in a test: there is no agent ${host}`)
    await agent.until(() => what.test(agent.err), `it said ${what}`)
  }

  /** Settles when the coordinator has the host in this state. It is asked again and again: nothing tells of a host. */
  async hostIs(host: string, state: HostView['state']): Promise<void> {
    for (;;) {
      const { said } = await this.godwit('hosts')
      if (said.hosts?.find(({ name }) => name === host)?.state === state) return
    }
  }

  /** The agent's own process, not that of the command which started it. */
  agentPid(host: string): number {
    const pid = this.#pidOf('agent', host)
    if (pid === undefined) throw new Error(`there is no agent ${host}`)
    return pid
  }

  /** The coordinator's own process. */
  coordinatorPid(): number {
    const pid = this.#pidOf('coordinator')
    if (pid === undefined) throw new Error('there is no coordinator')
    return pid
  }

  #pidOf(room: 'agent' | 'coordinator', host?: string): number | undefined {
    const main = entryFile(`${room}/main`)
    const isIt = (args: readonly string[]): boolean =>
      args.includes(main) && (host === undefined || args.includes(host))
    return processesOf(this.temporary).find(({ args }) => isIt(args))?.pid
  }

  /** Ends everything in order, and throws when that left a process or a file, or took force. */
  async end(): Promise<void> {
    const wrong: string[] = []
    try {
      // Commands first: an agent that goes would give them something to say.
      const members = [...this.#agents.values(), this.#coordinator]
      for (const running of this.#running) {
        if (!members.includes(running)) await running.end('SIGTERM')
      }
      for (const [name, agent] of this.#agents) {
        const code = await agent.end('SIGTERM')
        if (code !== 0) wrong.push(`agent ${name} ended with ${code}: ${agent.err.slice(-2000)}`)
      }
      const code = await this.#coordinator?.end('SIGTERM')
      if (code !== undefined && code !== 0)
        wrong.push(`the coordinator ended with ${code}: ${this.#coordinator?.err.slice(-2000)}`)
      const bugs = this.#coordinator?.err.split('\n').filter((line) => line.includes('a bug in')) ?? []
      wrong.push(...bugs)
      wrong.push(...(await processesLeft(this.temporary)))
      wrong.push(...filesLeft(this.temporary))
    } finally {
      killAll(this.temporary)
      rmSync(this.folder, { recursive: true, force: true })
    }
    if (wrong.length > 0) throw new Error(`not all went as it should:\n${wrong.join('\n')}`)
  }

  #asAdmin(): NodeJS.ProcessEnv {
    const { admin } = this.secrets
    return admin === undefined ? {} : { GODWIT_TOKEN: admin }
  }

  /** All that anybody said. */
  said(): string {
    return this.#running.flatMap(({ lines, err }) => [...lines, err]).join('\n')
  }

  #globals(): string[] {
    return this.#url === '' ? ['--json'] : ['--json', '--coordinator', this.#url]
  }

  #keep<R extends Running>(running: R): R {
    this.#running.push(running)
    return running
  }
}

export async function finished(running: Running): Promise<Finished> {
  const code = await running.exited
  const { lines, err } = running
  return { code, lines, err, said: parsed(lines.at(-1)) }
}

function parsed(line: string | undefined): Said {
  try {
    return JSON.parse(line ?? '{}') as Said
  } catch {
    throw new Error(`no JSON: ${line}`)
  }
}
