/**
 * A coordinator, a process of its own, with a crowd of hosts and jobs. The agents are the test's own, and speak for workers that are not there over real
 * sockets: a thousand training processes would measure the machine.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { Channel, dial } from '@godwit/channel'
import { CoordinatorClient } from '@godwit/client'
import { entryFile, nodeArguments } from '@godwit/launch'
import { type FromAgent, type FromWorker, OUR_VERSIONS, type ToAgent, toAgent } from '@godwit/protocol'
import { identityLike } from '@godwit/protocol/testing'

/** Each job reports so often while all of them do: a step each time. */
const REPORT_MS = 1000
const SLICES = 20
/** Jobs that are started at once. */
const BATCH = 50

interface Agent {
  readonly channel: Channel<ToAgent, FromAgent>
  readonly workers: string[]
}

export class CrowdCluster {
  readonly url: string
  readonly #coordinator: ChildProcessByStdio<null, Readable, null>
  readonly #agents: Agent[] = []
  #timer: NodeJS.Timeout | undefined

  private constructor(coordinator: ChildProcessByStdio<null, Readable, null>, url: string) {
    this.#coordinator = coordinator
    this.url = url
  }

  /** With a folder a CPU profile of the coordinator is written there when it ends. */
  static async start(profileFolder?: string): Promise<CrowdCluster> {
    const profiled = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`]
    const main = nodeArguments(entryFile('coordinator/main'))
    const coordinator = spawn(
      process.execPath,
      [...profiled, ...main, '--port', '0', '--log-level', 'warn'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const [line] = (await once(createInterface({ input: coordinator.stdout }), 'line')) as [string]
    return new CrowdCluster(coordinator, `ws://127.0.0.1:${JSON.parse(line).listening.port}`)
  }

  /** Hosts `h0` and on. */
  async addHosts(hosts: number): Promise<void> {
    for (let host = 0; host < hosts; host++) this.#agents.push(await agentOf(this.url, `h${host}`))
  }

  /** Jobs `j0` and on, evenly over the hosts. */
  async addJobs(jobs: number): Promise<void> {
    const client = await CoordinatorClient.connect(this.url)
    for (let job = 0; job < jobs; job += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, jobs - job) }, (_, index) => job + index)
      await Promise.all(
        batch.map((each) =>
          client.request({
            ...{ op: 'run', program: '/p', parameters: {}, steps: 1_000_000, tracker: 'compare' },
            ...{ host: `h${each % this.#agents.length}`, id: `j${each}` },
          }),
        ),
      )
    }
    client.close()
  }

  /** From now on all jobs go on. They keep no time together: each slice of the hosts has its own. */
  goOn(): void {
    let step = 0
    this.#timer = setInterval(() => {
      const slice = step % SLICES
      report(
        this.#agents.filter((_, host) => host % SLICES === slice),
        Math.floor(step / SLICES),
      )
      step += 1
    }, REPORT_MS / SLICES)
  }

  /** Memory of the coordinator. */
  residentMiB(): number {
    return residentMiBOf(this.#coordinator.pid)
  }

  async end(): Promise<void> {
    clearInterval(this.#timer)
    for (const { channel } of this.#agents) channel.close()
    const ended = once(this.#coordinator, 'exit')
    this.#coordinator.kill()
    await ended
  }
}

/** All that a process has in memory, what it shares with others included. */
export function residentMiBOf(pid: number | undefined): number {
  const [, kib = '0'] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Math.round(Number(kib) / 1024)
}

async function agentOf(url: string, name: string): Promise<Agent> {
  const workers: string[] = []
  let isRegistered = (): void => {}
  const registered = new Promise<void>((resolve) => {
    isRegistered = resolve
  })
  const channel: Channel<ToAgent, FromAgent> = new Channel<ToAgent, FromAgent>(
    await dial(`${url}/agent`),
    toAgent,
    {
      message: (message) => {
        if (message.type === 'registered') isRegistered()
        if (message.type !== 'launch') return
        workers.push(message.launch.workerId)
        say(channel, message.launch.workerId, { type: 'prepared', identity: identityLike() })
      },
      closed: () => {},
    },
  )
  channel.send({
    ...{ type: 'register', versions: OUR_VERSIONS, name, address: name, faultDomain: 'z' },
    ...{ memoryBytes: 2 ** 40, cores: 2, workers: [], checkpoints: [] },
  })
  await registered
  return { channel, workers }
}

function say(channel: Channel<ToAgent, FromAgent>, workerId: string, message: FromWorker): void {
  channel.send({ type: 'fromWorker', workerId, message })
}

function report(agents: readonly Agent[], step: number): void {
  for (const { channel, workers } of agents)
    for (const workerId of workers)
      say(channel, workerId, { type: 'outputs', outputs: [{ step, epoch: 1, loss: 1, stepMs: REPORT_MS }] })
}
