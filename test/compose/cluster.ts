/**
 * What the tests do to the cluster of docker-compose.yml, and see of it: commands as a person gives them on this machine, faults as whoever
 * runs the engine causes them. Of the inside it knows what a worker's process is called.
 */
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { HostView, WorkloadView } from '@godwit/protocol'
import { type Finished, Follower, finished, PROGRAMS, REPOSITORY } from '../support/cluster.ts'
import { Running } from '../support/processes.ts'
import { Stack } from './stack.ts'

export const HOSTS = ['host-a', 'host-b', 'host-c'] as const
export type Host = (typeof HOSTS)[number]
export type Network = 'rack-1' | 'rack-2' | 'migration'

const GODWIT = join(REPOSITORY, 'packages/cli/bin/godwit.mjs')
/** The test's folder of programs, as hosts see it. */
const MOUNTED = '/opt/godwit/examples'
const LOOK_EVERY_MS = 200

/** Bits depend on these alone. Slow enough that it does not end while things are done to it, until it is told to hurry. */
const STEPS = 2000
const SHAPE = ['--steps', String(STEPS), '--param', 'pages=1024', '--param', 'dirtyPages=1']

export class ComposeCluster {
  readonly stack: Stack
  readonly #folder = mkdtempSync(join(tmpdir(), 'gwt-'))
  readonly #commands: Running[] = []

  private constructor() {
    copyFileSync(join(PROGRAMS, 'mixer.ts'), join(this.#folder, 'mixer.ts'))
    // Hosts are another user.
    chmodSync(this.#folder, 0o755)
    const project = process.env.COMPOSE_PROJECT_NAME ?? `godwit-test-${process.pid}`
    this.stack = new Stack({ project, env: { GODWIT_PROGRAMS: this.#folder } })
  }

  static async start(): Promise<ComposeCluster> {
    const cluster = new ComposeCluster()
    try {
      await cluster.stack.compose('build')
      await cluster.stack.start()
      return cluster
    } catch (error) {
      await cluster.end()
      throw error
    }
  }

  async end(): Promise<void> {
    for (const command of this.#commands) await command.end('SIGKILL')
    await this.stack.end()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  begin(...args: string[]): Running {
    return this.#keep(new Running(process.execPath, [GODWIT, '--json', ...args], { env: this.#env() }))
  }

  async godwit(...args: string[]): Promise<Finished> {
    return finished(this.begin(...args))
  }

  /** Throws when it fails. */
  async must(...args: string[]): Promise<Finished> {
    const result = await this.godwit(...args)
    if (result.code !== 0) throw new Error(`godwit ${args.join(' ')} gave ${result.code}: ${result.err}`)
    return result
  }

  follow(job: string): Follower {
    const args = [GODWIT, '--json', 'follow', job, '--from-step', '0']
    return this.#keep(new Follower(process.execPath, args, { env: this.#env() }))
  }

  /** One that takes no time between its steps and is left alone. */
  async control(host: Host): Promise<Follower> {
    await this.must('run', 'mixer', '--id', 'control', '--host', host, ...SHAPE, '--param', 'stepMs=0')
    return this.follow('control')
  }

  /** A job that trains, slowly, and whoever follows it from its first step to its last. */
  async run(id: string, host: Host): Promise<Follower> {
    const pace = ['--param', 'stepMs=80', '--param', `hurryFile=${MOUNTED}/hurry-${id}`]
    await this.must('run', 'mixer', '--id', id, '--host', host, ...SHAPE, ...pace)
    const follower = this.follow(id)
    await follower.reached(3)
    return follower
  }

  hurry(id: string): void {
    writeFileSync(join(this.#folder, `hurry-${id}`), '')
  }

  async workload(id: string): Promise<WorkloadView> {
    const { said } = await this.must('ps', id)
    if (said.workload === undefined) throw new Error(`ps does not show ${id}`)
    return said.workload
  }

  async hostIs(host: Host, state: HostView['state']): Promise<void> {
    await this.until(`${host} is ${state}`, async () => {
      const { said } = await this.godwit('hosts')
      return said.hosts?.find(({ name }) => name === host)?.state === state
    })
  }

  /** Where the job has a worker, once for each. Hosts whose containers do not run have none. */
  async workersOf(job: string): Promise<Host[]> {
    const found = await Promise.all(
      HOSTS.map(async (host) =>
        (await this.processes(host))
          .filter(({ command }) =>
            new RegExp(`worker/dist/main\\.mjs /var/lib/godwit/${job}-e\\d`).test(command),
          )
          .map(() => host),
      ),
    )
    return found.flat()
  }

  /** Of the host's container, with their ids on this machine. */
  async processes(host: Host): Promise<{ pid: number; command: string }[]> {
    const table = await this.stack
      .docker('top', this.stack.container(host), '-eo', 'pid,args')
      .catch(() => '')
    return table
      .split('\n')
      .slice(1)
      .map((line) => /^\s*(\d+)\s+(.*)$/.exec(line))
      .filter((match) => match !== null)
      .map(([, pid, command]) => ({ pid: Number(pid), command: command as string }))
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const untilMs = performance.now() + 120_000
    while (!(await holds())) {
      if (performance.now() > untilMs) throw new Error(`not within two minutes: ${what}`)
      await delay(LOOK_EVERY_MS)
    }
  }

  async pause(host: Host): Promise<void> {
    // The freezer of cgroup v1 gives up on a container that forks just then.
    await this.until(`${host} is frozen`, () =>
      this.stack.docker('pause', this.stack.container(host)).then(
        () => true,
        (error: Error) => {
          if (/unable to freeze/.test(error.message)) return false
          throw error
        },
      ),
    )
  }

  async unpause(host: Host): Promise<void> {
    await this.stack.docker('unpause', this.stack.container(host))
  }

  async kill(host: Host): Promise<void> {
    await this.stack.docker('kill', '--signal', 'KILL', this.stack.container(host))
  }

  /** SIGKILL to the agent; whatever else runs in the container is left alone. */
  async killAgent(host: Host): Promise<void> {
    // The brackets: this shell's own command line is none that matches.
    const kill =
      'for p in /proc/[0-9]*; do if grep -q [a]gent/dist/main.mjs $p/cmdline; then kill -9 $(basename $p); fi; done'
    await this.stack.inside(host, 'sh', '-c', kill)
  }

  async unplug(host: Host, network: Network): Promise<void> {
    await this.stack.docker('network', 'disconnect', this.#network(network), this.stack.container(host))
  }

  /** With the names that the compose file gives it there. */
  async plugIn(host: Host, network: Network): Promise<void> {
    const alias = network === 'migration' ? `${host}.migration` : host
    const name = this.stack.container(host)
    await this.stack.docker('network', 'connect', '--alias', alias, this.#network(network), name)
  }

  #network(network: Network): string {
    return `${this.stack.project}_${network}`
  }

  #env(): NodeJS.ProcessEnv {
    const { url, token } = this.stack
    return { ...process.env, GODWIT_COORDINATOR: url, GODWIT_TOKEN: token }
  }

  #keep<R extends Running>(running: R): R {
    this.#commands.push(running)
    return running
  }
}
