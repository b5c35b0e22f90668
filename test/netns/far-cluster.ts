/**
 * A secured cluster whose coordinator and hosts are in network namespaces of their own, and the test's connection to it, which
 * suffers nothing of what is done to theirs.
 *
 * The processes are what a person starts on three machines: `coordinator init`, a coordinator, an agent a host that joins with the token.
 *
 * Invariant: after `end` no process, namespace or file is left, or it says which.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CoordinatorClient } from '@godwit/client'
import { type Entry, entryFile, nodeArguments } from '@godwit/launch'
import {
  type ClientEvent,
  type MigrationOptions,
  type MigrationView,
  migrationOptions,
  type Output,
  type Parameters,
  parseToken,
  type WorkerLaunch,
  type WorkloadView,
} from '@godwit/protocol'
import { coordinatorSecurity, fetchAuthority } from '@godwit/trust'
import { PROGRAMS } from '../support/cluster.ts'
import { Network } from '../support/netns.ts'
import { filesLeft, isAlive, killAll, makeTemporary, processesLeft, Running } from '../support/processes.ts'

const RELAY = fileURLToPath(new URL('./relay.mjs', import.meta.url))
const PORT = 7070
const LOOK_EVERY_MS = 25
/** Longer than any timeout of Godwit's, several times over. */
const PATIENCE_MS = 120_000
const OVER: readonly MigrationView['status'][] = ['completed', 'cancelled', 'failed']
export const COORDINATOR = 'coordinator'

export class FarCluster {
  readonly network: Network
  readonly #folder = mkdtempSync(join(tmpdir(), 'gwn-'))
  readonly #temporary = join(this.#folder, 'tmp')
  readonly #env = makeTemporary(this.#temporary)
  readonly #hosts: readonly string[]
  readonly #running = new Map<string, Running>()
  #relay: ChildProcess | undefined
  #client: CoordinatorClient | undefined
  readonly #jobs = new Map<string, Job>()

  private constructor(hosts: readonly string[]) {
    this.#hosts = hosts
    this.network = new Network([COORDINATOR, ...hosts])
  }

  /** Settles when the hosts are registered. Links are as fast as the machine until they are shaped. */
  static async start(hosts: readonly string[]): Promise<FarCluster> {
    const cluster = new FarCluster(hosts)
    try {
      await cluster.#start()
      return cluster
    } catch (error) {
      await cluster.end().catch(() => {})
      throw error
    }
  }

  get client(): CoordinatorClient {
    if (this.#client === undefined) throw new Error('bug in a test: not connected')
    return this.#client
  }

  /** Starts a job whose every step is looked at as it comes. */
  async run(id: string, host: string, spec: { parameters: Parameters; steps: number }): Promise<Job> {
    const job = new Job(this, id)
    this.#jobs.set(id, job)
    await this.client.request({
      ...{ op: 'run', program: 'mixer', id, host, tracker: 'auto', restartPolicy: 'on-failure' },
      parameters: { ...spec.parameters, hurryFile: this.#hurryFile(id) },
      steps: spec.steps,
    })
    await this.client.request({ op: 'follow', workload: id, fromStep: 0 })
    return job
  }

  /** From now on the job's steps take no time. */
  hurry(id: string): void {
    writeFileSync(this.#hurryFile(id), '')
  }

  /** The hosts of the job's live workers. */
  workersOf(id: string): string[] {
    return this.#hosts.flatMap((host) =>
      workersIn(join(this.#folder, host))
        .filter(({ pid, launch }) => launch.workloadId === id && isAlive(pid))
        .map(() => host),
    )
  }

  /** Asks again and again; `holds` may say why not. */
  async until(what: string, holds: () => Promise<boolean | string> | boolean | string): Promise<void> {
    const untilMs = performance.now() + PATIENCE_MS
    for (;;) {
      const last = await holds()
      if (last === true) return
      if (performance.now() > untilMs)
        throw new Error(`not within ${PATIENCE_MS} ms: ${what} (${last})\n${this.#logs()}`)
      await delay(LOOK_EVERY_MS)
    }
  }

  async end(): Promise<void> {
    const wrong: string[] = []
    try {
      this.#client?.close()
      this.#relay?.disconnect()
      for (const [name, running] of [...this.#running].reverse()) {
        const code = await running.end('SIGTERM')
        if (code !== 0) wrong.push(`${name} ended with ${code}: ${running.err.slice(-2000)}`)
        wrong.push(...running.err.split('\n').filter((line) => line.includes('a bug ')))
      }
      wrong.push(...(await processesLeft(this.#temporary)), ...filesLeft(this.#temporary))
    } finally {
      this.network.close()
      killAll(this.#temporary)
      rmSync(this.#folder, { recursive: true, force: true })
    }
    if (wrong.length > 0) throw new Error(`not all went as it should:\n${wrong.join('\n')}`)
  }

  async #start(): Promise<void> {
    const store = join(this.#folder, 'store')
    const { host: address } = this.network.place(COORDINATOR)
    const init = this.#spawn(COORDINATOR, 'coordinator/main', [
      ...['init', '--data-dir', store, '--address', address],
    ])
    const code = await init.exited
    const [, joinToken] = /GODWIT_JOIN_TOKEN=(\S+)/.exec(init.lines.join('\n')) ?? []
    if (code !== 0 || joinToken === undefined) throw new Error(`init gave ${code}: ${init.err}`)
    const coordinator = this.#keep(COORDINATOR, 'coordinator/main', [
      ...['--host', '0.0.0.0', '--port', String(PORT), '--data-dir', store],
    ])
    await coordinator.until(() => coordinator.lines.length > 0, 'it listened')
    await Promise.all(this.#hosts.map((host) => this.#join(host, joinToken)))
    await this.#connect(readFileSync(join(store, 'admin-token'), 'utf8').trim())
  }

  async #join(host: string, joinToken: string): Promise<void> {
    const coordinator = `wss://${this.network.place(COORDINATOR).host}:${PORT}`
    const agent = this.#keep(
      host,
      'agent/main',
      [
        ...['--coordinator', coordinator, '--name', host, '--fault-domain', host, '--memory', '2GiB'],
        ...['--address', this.network.place(host).host, '--programs', PROGRAMS],
        ...['--data-dir', join(this.#folder, host)],
      ],
      { GODWIT_JOIN_TOKEN: joinToken },
    )
    await agent.until(() => agent.lines.length > 0, 'it was registered')
  }

  async #connect(token: string): Promise<void> {
    const place = this.network.place(COORDINATOR)
    const [command, ...args] = [...place.command, process.execPath, RELAY, place.host, String(PORT)]
    const relay = spawn(command as string, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#relay = relay
    const listener = createServer().listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const { port } = listener.address() as AddressInfo
    relay.send('listen here', listener)
    await once(relay, 'message')
    listener.close()
    const url = `wss://127.0.0.1:${port}`
    const authority = await fetchAuthority(url, parseToken(token, 'api').authority)
    const security = coordinatorSecurity(authority)
    this.#client = await CoordinatorClient.connect(url, async () => ({ security, token }))
    this.#client.listen((id, event) => this.#jobs.get(id)?.heard(event))
  }

  #keep(host: string, entry: Entry, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
    const running = this.#spawn(host, entry, args, env)
    this.#running.set(host, running)
    return running
  }

  #spawn(host: string, entry: Entry, args: readonly string[], more: NodeJS.ProcessEnv = {}): Running {
    const [command, ...rest] = this.network.place(host).command
    const all = [...rest, process.execPath, ...nodeArguments(entryFile(entry)), ...args]
    return new Running(command, all, { env: { ...this.#env, ...more } })
  }

  #hurryFile(id: string): string {
    return join(this.#folder, `hurry-${id}`)
  }

  #logs(): string {
    return [...this.#running].map(([name, { err }]) => `--- ${name}\n${err.slice(-4000)}`).join('\n')
  }
}

/** Workers of which an agent's folder tells, those that have ended included. */
function workersIn(dataDir: string): { pid: number; launch: WorkerLaunch }[] {
  return readdirSync(dataDir).flatMap((name) => {
    try {
      const folder = join(dataDir, name)
      const launch = JSON.parse(readFileSync(join(folder, 'launch.json'), 'utf8')) as WorkerLaunch
      return [{ pid: Number(readFileSync(join(folder, 'pid'), 'utf8')), launch }]
    } catch {
      // It has just been made or has just gone.
      return []
    }
  })
}

/** One job as somebody sees it who follows it from its first step. */
export class Job {
  readonly #cluster: FarCluster
  readonly id: string
  readonly losses: number[] = []
  readonly #migrations = new Map<string, MigrationView>()
  #workload: WorkloadView | undefined
  /** Steps that came twice, out of order or after a gap. */
  readonly #wrong: string[] = []

  constructor(cluster: FarCluster, id: string) {
    this.#cluster = cluster
    this.id = id
  }

  heard(event: ClientEvent): void {
    if (event.kind === 'workload') this.#workload = event.workload
    else if (event.kind === 'migration') this.#migrations.set(event.migration.id, event.migration)
    else if (event.kind === 'steps') for (const output of event.outputs) this.#accept(output)
  }

  /** Begins a move. */
  async move(to: string, options: Partial<MigrationOptions> = {}): Promise<Move> {
    const { migration } = await this.#cluster.client.request({
      ...{ op: 'migrate', workload: this.id, to },
      options: migrationOptions.parse(options),
    })
    return new Move(this.#cluster, migration.id, () => this.#migrations.get(migration.id) ?? migration)
  }

  /** Settles when this many steps more than now are accepted. */
  async goesOn(steps = 10): Promise<void> {
    const due = this.losses.length + steps
    await this.#cluster.until(`${this.id} goes on`, () => {
      this.#check()
      return this.losses.length >= due || `${this.losses.length} of ${due} steps, ${this.#workload?.status}`
    })
  }

  /**
   * Settles when the job trains, has exactly one worker, and that is on the host which owns it. Returns the host. Throws as soon as a
   * step came twice or not at all.
   */
  async settled(): Promise<string> {
    let host = ''
    await this.#cluster.until(`${this.id} has one worker, where it belongs`, async () => {
      const { workload } = await this.#cluster.client.request({ op: 'workload', workload: this.id })
      const at = this.#cluster.workersOf(this.id)
      host = workload.host
      const isWhole = workload.status === 'running' && at.length === 1 && at[0] === host
      return isWhole || `${workload.status} on ${host}, workers on ${at.join(' and ') || 'no host'}`
    })
    await this.goesOn()
    return host
  }

  /** Lets it run to its end as fast as it can: every loss, and the digest of all its memory. */
  async finish(): Promise<{ losses: readonly number[]; stateDigest: string | undefined }> {
    this.#cluster.hurry(this.id)
    await this.#cluster.until(`${this.id} ends`, () => {
      this.#check()
      const { status, acceptedSteps, steps } = this.#workload ?? {}
      const isOver = status === 'finished' && this.losses.length === steps
      return isOver || `${status} after ${acceptedSteps} of ${steps} steps, ${this.losses.length} heard of`
    })
    const { stateDigest } = this.#workload ?? {}
    return { losses: this.losses, stateDigest }
  }

  #accept({ step, loss }: Output): void {
    if (step !== this.losses.length) this.#wrong.push(`step ${step} came where ${this.losses.length} is due`)
    this.losses.push(loss)
  }

  #check(): void {
    if (this.#wrong.length > 0) throw new Error(`${this.id}: ${this.#wrong.slice(0, 5).join(', ')}`)
    const { status, error, diverged } = this.#workload ?? {}
    if (status === 'failed' || status === 'stopped' || diverged !== undefined)
      throw new Error(`${this.id} is ${status}: ${JSON.stringify(error ?? diverged)}`)
  }
}

export class Move {
  readonly #cluster: FarCluster
  readonly #id: string
  readonly #view: () => MigrationView

  constructor(cluster: FarCluster, id: string, view: () => MigrationView) {
    this.#cluster = cluster
    this.#id = id
    this.#view = view
  }

  get view(): MigrationView {
    return this.#view()
  }

  get isOver(): boolean {
    return OVER.includes(this.view.status)
  }

  /** Settles when it has come so far (rounds have sent something; the job is being parked), or is over: then it is false. */
  async comes(to: 'active' | 'switchover'): Promise<boolean> {
    const isThere = (): boolean =>
      this.view.status === to && (to === 'switchover' || (this.view.progress?.sentBytes ?? 0) > 0)
    await this.#cluster.until(
      `migration ${this.#id} is ${to}`,
      () => isThere() || this.isOver || this.view.status,
    )
    return isThere()
  }

  /** Settles when it is completed, cancelled or failed. */
  async over(): Promise<MigrationView> {
    await this.#cluster.until(`migration ${this.#id} is over`, () => this.isOver || this.view.status)
    return this.view
  }
}
