/**
 * `node --import tsx test/bench/crowd.ts [hosts] [jobs] [folder]`: a coordinator with so many hosts and jobs (1,000 and 10,000), all of which go on, asked by HTTP as
 * people and pages ask it. Prints its memory, how long answers take while nothing else happens and while all jobs report, and how soon a watcher knows all
 * of it. With a folder a CPU profile of the coordinator is written there. The agents are the test's own, and speak for their workers over real sockets; the coordinator is a process of its own.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { Channel, dial, HttpPeer } from '@godwit/channel'
import { CoordinatorClient } from '@godwit/client'
import { entryFile, nodeArguments } from '@godwit/launch'
import { type FromAgent, type FromWorker, OUR_VERSIONS, type ToAgent, toAgent } from '@godwit/protocol'

const [hosts = 1000, jobs = 10_000] = process.argv.slice(2, 4).map(Number)
const profileFolder = process.argv[4]
const profiled = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`]
const LOOKS = 200
/** Each job reports so often while all of them do: a step each time. */
const REPORT_MS = 1000
const SLICES = 20

const DIGEST = 'a'.repeat(64)
const IDENTITY = {
  ...{ program: 'p', programDigest: DIGEST, parametersDigest: DIGEST, layoutDigest: DIGEST, dataDigests: {} },
  ...{ mathDigests: {}, rehearsalDigest: DIGEST, arenaBytes: 4096, tracker: 'compare' as const },
}

interface Agent {
  readonly channel: Channel<ToAgent, FromAgent>
  readonly workers: string[]
}

const child = spawn(
  process.execPath,
  [...profiled, ...nodeArguments(entryFile('coordinator/main')), '--port', '0', '--log-level', 'warn'],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
)
try {
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const url = `ws://127.0.0.1:${JSON.parse(line).listening.port}`
  const empty = residentMiB()
  const agents: Agent[] = []
  for (let host = 0; host < hosts; host++) agents.push(await agentOf(url, `h${host}`))
  const registered = residentMiB()
  const client = await CoordinatorClient.connect(url)
  for (let job = 0; job < jobs; job += 50) {
    const batch = Array.from({ length: Math.min(50, jobs - job) }, (_, index) => job + index)
    await Promise.all(
      batch.map((each) =>
        client.request({
          ...{ op: 'run', program: '/p', parameters: {}, steps: 1_000_000, tracker: 'compare' },
          ...{ host: `h${each % hosts}`, id: `j${each}` },
        }),
      ),
    )
  }
  console.log(
    `${hosts} agents, ${jobs} jobs; memory of the coordinator: ${empty} MiB empty, ${registered} MiB with the agents, ${residentMiB()} MiB with the jobs`,
  )
  const http = new HttpPeer(url)
  await asked('at rest', http)
  let step = 0
  // Jobs keep no time together: each slice of the agents has its own.
  const timer = setInterval(() => {
    const slice = step % SLICES
    report(
      agents.filter((_, host) => host % SLICES === slice),
      Math.floor(step / SLICES),
    )
    step += 1
  }, REPORT_MS / SLICES)
  await asked('all report', http)
  await watched(client)
  clearInterval(timer)
  console.log(`memory of the coordinator: ${residentMiB()} MiB`)
  client.close()
  http.close()
  for (const { channel } of agents) channel.close()
} finally {
  const ended = once(child, 'exit')
  child.kill()
  await ended
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
        say(channel, message.launch.workerId, { type: 'prepared', identity: IDENTITY })
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

async function asked(when: string, http: HttpPeer): Promise<void> {
  for (const path of [
    '/api/v1/workloads/j7',
    '/api/v1/hosts?limit=100',
    '/api/v1/workloads?limit=100',
    '/api/v1/workloads',
    '/api/v1/tasks',
  ]) {
    const tookMs: number[] = []
    for (let look = 0; look < LOOKS; look++) {
      const beganMs = performance.now()
      const { status } = await http.ask({ method: 'GET', path })
      if (status !== 200) throw new Error(`${path}: ${status}`)
      tookMs.push(performance.now() - beganMs)
      // People don't ask as fast as they are answered.
      await delay(10)
    }
    console.log(`${when}: GET ${path}: ${quantiles(tookMs)}`)
  }
}

async function watched(client: CoordinatorClient): Promise<void> {
  const beganMs = performance.now()
  let known = 0
  let isCurrent = (): void => {}
  const current = new Promise<void>((resolve) => {
    isCurrent = resolve
  })
  let told = 0
  await client.watch({ kinds: ['host', 'workload'] }, (changes) => {
    known += changes.changes.length
    told += changes.changes.length
    if (known >= hosts + jobs) isCurrent()
  })
  await current
  console.log(`a watcher knows all of it after ${Math.round(performance.now() - beganMs)} ms`)
  told = 0
  await delay(5000)
  console.log(`while all report it is told ${Math.round(told / 5)} changes a second`)
}

function quantiles(tookMs: readonly number[]): string {
  const sorted = [...tookMs].sort((a, b) => a - b)
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1)
  return `median ${at(0.5)} ms, 99th percentile ${at(0.99)} ms`
}

function residentMiB(): number {
  const [, kib = '0'] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? []
  return Math.round(Number(kib) / 1024)
}
