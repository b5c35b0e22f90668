/**
 * `node --import tsx test/bench/crowd.ts [hosts] [jobs] [folder]`: a coordinator with so many hosts and jobs (1,000 and 10,000), all of which go on, asked by HTTP as
 * people and pages ask it. Prints its memory, how long answers take while nothing else happens and while all jobs report, and how soon a watcher knows all
 * of it. With a folder a CPU profile of the coordinator is written there.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { HttpPeer } from '@godwit/channel'
import { CoordinatorClient } from '@godwit/client'
import { CrowdCluster } from './crowd-cluster.ts'

const [hosts = 1000, jobs = 10_000] = process.argv.slice(2, 4).map(Number)
const LOOKS = 200

const crowd = await CrowdCluster.start(process.argv[4])
try {
  const empty = crowd.residentMiB()
  await crowd.addHosts(hosts)
  const registered = crowd.residentMiB()
  await crowd.addJobs(jobs)
  console.log(
    `${hosts} agents, ${jobs} jobs; memory of the coordinator: ${empty} MiB empty, ${registered} MiB with the agents, ${crowd.residentMiB()} MiB with the jobs`,
  )
  const http = new HttpPeer(crowd.url)
  const client = await CoordinatorClient.connect(crowd.url)
  await asked('at rest', http)
  crowd.goOn()
  await asked('all report', http)
  await watched(client)
  console.log(`memory of the coordinator: ${crowd.residentMiB()} MiB`)
  client.close()
  http.close()
} finally {
  await crowd.end()
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
