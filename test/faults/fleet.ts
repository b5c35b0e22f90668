/**
 * A cluster under a supervisor, as systemd or docker would keep it: a coordinator with a store on disk, agents with a folder
 * each, and whichever of them dies is started again on the same port and folder. Workers are nobody's to restart here:
 * that is Godwit's own work.
 *
 * Faults come from outside (`kill`) or from a crash point with which every process is armed (channel's crash-point.ts).
 *
 * Invariant: after `end` no process is left, no file in the temporary folder, no worker's folder, no checkpoint and no port: what is
 * left is told, and cleaned up.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Entry, entryFile, nodeArguments } from '@godwit/launch'
import {
  type ClientOp,
  type ClientRequestInput,
  GodwitError,
  type MigrationOptions,
  type MigrationView,
  type Output,
  type Reply,
  type WorkerLaunch,
  type WorkloadView,
} from '@godwit/protocol'
import { PROGRAMS } from '../support/cluster.ts'
import { filesLeft, isAlive, killAll, makeTemporary, processesLeft } from '../support/processes.ts'
import { ask, followToEnd } from './client.ts'

const LOOK_EVERY_MS = 25
/** As long as a person would wait for a cluster that was kicked: longer than any timeout of Godwit's, several times over. */
const PATIENCE_MS = 150_000

interface Member {
  readonly name: string
  readonly args: readonly string[]
  process: ChildProcess
  starts: number
}

export interface FleetOptions {
  readonly hosts: readonly string[]
  /** For all processes, besides what the fleet itself sets. */
  readonly env?: NodeJS.ProcessEnv
}

export class Fleet {
  readonly folder = mkdtempSync(join(tmpdir(), 'gwf-'))
  readonly temporary = join(this.folder, 'tmp')
  readonly #env: NodeJS.ProcessEnv
  readonly #members = new Map<string, Member>()
  #url = ''
  #ending = false

  private constructor(env: NodeJS.ProcessEnv) {
    this.#env = { ...makeTemporary(this.temporary), ...env }
  }

  /** Settles when every host is registered. */
  static async start({ hosts, env = {} }: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(env)
    const port = await freePort()
    fleet.#url = `ws://127.0.0.1:${port}`
    mkdirSync(join(fleet.folder, 'logs'))
    fleet.#keep('coordinator', 'coordinator/main', [
      ...['--port', String(port), '--data-dir', join(fleet.folder, 'store'), '--log-level', 'debug'],
    ])
    for (const host of hosts) {
      fleet.#keep(host, 'agent/main', [
        ...['--coordinator', fleet.#url, '--name', host, '--fault-domain', host, '--memory', '1GiB'],
        ...['--programs', PROGRAMS, '--data-dir', fleet.dataDir(host), '--log-level', 'debug'],
      ])
    }
    try {
      await fleet.until('all hosts are connected', async () => {
        const { reply } = await fleet.try({ op: 'hosts' })
        return reply?.hosts.filter(({ state }) => state === 'connected').length === hosts.length
      })
      return fleet
    } catch (error) {
      await fleet.end().catch(() => {})
      throw error
    }
  }

  dataDir(host: string): string {
    return join(this.folder, host)
  }

  /** How often a member was started again. */
  get restarts(): number {
    return [...this.#members.values()].reduce((sum, { starts }) => sum + starts - 1, 0)
  }

  /** Asks the coordinator once: what came of it, or why nothing. */
  async try<Request extends ClientRequestInput>(
    request: Request,
  ): Promise<{ reply?: Reply<Request['op'] & ClientOp>; error?: GodwitError }> {
    try {
      return { reply: await ask(this.#url, request) }
    } catch (error) {
      if (error instanceof GodwitError) return { error }
      throw error
    }
  }

  /** Asks until it is done: what is in the way passes, as long as the fleet heals. */
  async must<Request extends ClientRequestInput>(request: Request): Promise<Reply<Request['op'] & ClientOp>> {
    let done: Reply<Request['op'] & ClientOp> | undefined
    await this.until(`${request.op} is done`, async () => {
      const { reply, error } = await this.try(request)
      done = reply
      return error === undefined || `${error.kind}: ${error.message}`
    })
    if (done === undefined) throw new Error('bug: done without a reply')
    return done
  }

  async workload(id: string): Promise<WorkloadView | undefined> {
    return (await this.try({ op: 'workload', workload: id })).reply?.workload
  }

  /** Moves a workload and waits for what comes of it; undefined where that can't be known any more. */
  async migrate(
    workload: string,
    to: string,
    options: Partial<MigrationOptions> = {},
  ): Promise<MigrationView['status'] | GodwitError> {
    const { reply, error } = await this.try({ op: 'migrate', workload, to, options })
    if (reply === undefined) return error as GodwitError
    let status = reply.migration.status
    await this.until(`migration ${reply.migration.id} has ended`, async () => {
      const asked = await this.try({ op: 'migration', migration: reply.migration.id })
      status = asked.reply?.migration.status ?? status
      return (
        ['completed', 'cancelled', 'failed'].includes(status) || asked.error?.kind === 'unknown-migration'
      )
    })
    return status
  }

  /** Every step of a workload, and how it ended. Errors: those of the connection, after which it can be asked again. */
  async outputsOf(id: string): Promise<{ outputs: readonly Output[]; ended: WorkloadView }> {
    return followToEnd(this.#url, id)
  }

  /** Asks again and again; `holds` may say why not. */
  async until(what: string, holds: () => Promise<boolean | string> | boolean | string): Promise<void> {
    const untilMs = performance.now() + PATIENCE_MS
    for (let last: boolean | string = false; ; ) {
      last = await holds()
      if (last === true) return
      if (performance.now() > untilMs) throw new Error(`not within ${PATIENCE_MS} ms: ${what} (${last})`)
      await delay(LOOK_EVERY_MS)
    }
  }

  /** Of the coordinator, or of an agent by the name of its host. */
  pid(member: string): number | undefined {
    return this.#members.get(member)?.process.pid
  }

  /** Settles when no worker lives and no checkpoint is kept. */
  async nothingIsLeft(): Promise<void> {
    await this.until('no worker is left', () => this.workers().length === 0 || JSON.stringify(this.workers()))
    await this.until('no checkpoint is left', () => this.#checkpoints().join('; ') || true)
  }

  /** Workers that live, of one workload or of all. */
  workers(workload?: string): { pid: number; host: string; launch: WorkerLaunch }[] {
    return [...this.#members.keys()]
      .filter((name) => name !== 'coordinator')
      .flatMap((host) => this.#foldersOn(host).map((folder) => ({ host, ...folder })))
      .filter(({ pid, launch }) => isAlive(pid) && (workload === undefined || launch.workloadId === workload))
  }

  /** What the members have logged, the end of it: for whoever has to find out why. */
  logs(): string {
    return readdirSync(join(this.folder, 'logs'))
      .map((name) => `--- ${name}\n${readFileSync(join(this.folder, 'logs', name), 'utf8').slice(-6000)}`)
      .join('\n')
  }

  /** Ends all in order. Throws with what was left, or went wrong. */
  async end(): Promise<void> {
    this.#ending = true
    const wrong: string[] = []
    try {
      for (const name of [...this.#members.keys()].reverse()) await this.#endMember(name, wrong)
      wrong.push(...(await processesLeft(this.temporary)))
      wrong.push(...filesLeft(this.temporary).map((file) => `temporary file ${file}`))
      wrong.push(...this.#checkpoints())
      wrong.push(...this.#bugs())
    } finally {
      killAll(this.temporary)
      rmSync(this.folder, { recursive: true, force: true })
    }
    if (wrong.length > 0) throw new Error(`left behind:\n${wrong.join('\n')}`)
  }

  #checkpoints(): string[] {
    return [...this.#members.keys()].flatMap((host) =>
      listed(join(this.dataDir(host), 'checkpoints')).map((name) => `checkpoint of ${name} on ${host}`),
    )
  }

  #bugs(): string[] {
    return listed(join(this.folder, 'logs')).flatMap((name) =>
      readFileSync(join(this.folder, 'logs', name), 'utf8')
        .split('\n')
        .filter((line) => line.includes('a bug '))
        .map((line) => `${name}: ${line}`),
    )
  }

  async #endMember(name: string, wrong: string[]): Promise<void> {
    const child = this.#members.get(name)?.process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    child.kill('SIGCONT')
    child.kill('SIGTERM')
    const code = await exited
    if (code !== 0) wrong.push(`${name} ended with ${code}`)
  }

  #keep(name: string, program: Entry, args: readonly string[]): void {
    const all = [...nodeArguments(entryFile(program)), ...args]
    this.#members.set(name, { name, args: all, process: this.#spawn(name, all), starts: 1 })
  }

  #spawn(name: string, args: readonly string[]): ChildProcess {
    const log = openSync(join(this.folder, 'logs', `${name}.log`), 'a')
    const child = spawn(process.execPath, args, { env: this.#env, stdio: ['ignore', log, log] })
    closeSync(log)
    child.once('exit', () => {
      const member = this.#members.get(name)
      if (this.#ending || member === undefined) return
      member.starts += 1
      member.process = this.#spawn(name, args)
    })
    return child
  }

  #foldersOn(host: string): { pid: number; launch: WorkerLaunch }[] {
    return listed(this.dataDir(host)).flatMap((name) => {
      try {
        const folder = join(this.dataDir(host), name)
        const launch = JSON.parse(readFileSync(join(folder, 'launch.json'), 'utf8')) as WorkerLaunch
        return [{ pid: Number(readFileSync(join(folder, 'pid'), 'utf8')), launch }]
      } catch {
        // It has just been made or has just gone.
        return []
      }
    })
  }
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** One that nobody listened on a moment ago, and that a coordinator can be started on again and again. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
