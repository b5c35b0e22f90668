/**
 * Goal: a cluster of the release before is upgraded while its jobs train: the coordinator first, on the store that it has, then host by host. No job is stopped or
 * started again, jobs move between the two releases in both directions, and no bit changes. A host that is upgraded says how far its
 * bundles are; one that is not does without.
 * Method: real processes of the release that was frozen, and of this one in their places; controls that never move.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CoordinatorClient } from '@godwit/client'
import { type HostView, PROTOCOL_VERSION, RELEASE } from '@godwit/protocol'
import { lossBits } from '@godwit/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster, type Follower, finished, PROGRAMS } from './support/cluster.ts'
import { unpackedRelease } from './support/releases.ts'

/** Some minutes of slow steps, more than all this takes. */
const STEPS = 3000
const BEFORE = unpackedRelease('0.1.0')
const HOSTS = ['a', 'b', 'c']
const LOOK_EVERY_MS = 100

let cluster: Cluster
let hurry: string
beforeAll(async () => {
  const hosts = HOSTS.map((name) => ({ name, release: BEFORE }))
  cluster = await Cluster.start(hosts, { isDurable: true, release: BEFORE })
  hurry = join(cluster.folder, 'hurry')
})
afterAll(() => cluster?.end())

/** Slow enough to be moved often, until it is told to hurry. */
async function start(id: string, host: string, seed: number, program = 'mixer'): Promise<Follower> {
  const parameters = [`seed=${seed}`, 'pages=200', 'dirtyPages=20', 'stepMs=100', `hurryFile=${hurry}`]
  const args = parameters.flatMap((each) => ['--param', each])
  return cluster.run(program, host, id, '--steps', String(STEPS), ...args)
}

async function hostsOf(client: CoordinatorClient): Promise<Map<string, HostView>> {
  const { hosts } = await client.request({ op: 'hosts' })
  return new Map(hosts.map((host) => [host.name, host]))
}

/** A few steps more of each. */
async function goOn(jobs: readonly Follower[]): Promise<void> {
  await Promise.all(jobs.map((job) => job.reached(job.outputs.length + 3)))
}

class Upgrade {
  readonly jobs: readonly Follower[]
  readonly client: CoordinatorClient
  /** Those that completed, as the releases that they were between. */
  readonly moves: string[] = []

  constructor(jobs: readonly Follower[], client: CoordinatorClient) {
    this.jobs = jobs
    this.client = client
  }

  /** As soon as it has said that it is of this release. */
  async host(name: string, release: string): Promise<HostView> {
    for (;;) {
      const host = (await hostsOf(this.client)).get(name)
      if (host?.release === release) return host
      await delay(LOOK_EVERY_MS)
    }
  }

  /** A command that moves jobs. */
  async moving(...args: string[]): Promise<void> {
    const hosts = await hostsOf(this.client)
    const known = this.jobs.map(({ migrations }) => migrations.length)
    const { code, err } = await cluster.godwit(...args)
    expect(code, err).toBe(0)
    await goOn(this.jobs)
    const moves = this.jobs.flatMap(({ migrations }, index) => migrations.slice(known[index]))
    expect(moves.filter(({ status }) => status === 'failed' || status === 'cancelled')).toEqual([])
    const release = (host: string) => hosts.get(host)?.release
    for (const { from, to, status } of moves)
      if (status === 'completed') this.moves.push(`${release(from)} -> ${release(to)}`)
  }

  /** Emptied, replaced with another disk, and filled again. */
  async ofHost(name: string): Promise<void> {
    await this.moving('maintenance', 'enter', name)
    expect(await cluster.stopAgent(name)).toBe(0)
    rmSync(join(cluster.dataDir(name), 'bundles'), { recursive: true, force: true })
    await cluster.addHost({ name })
    expect(await this.host(name, RELEASE)).toMatchObject({ protocol: PROTOCOL_VERSION })
    await this.moving('maintenance', 'exit', name, '--return')
  }

  /** In place: an agent of this release takes over the workers of the one before. */
  async ofAgent(name: string, workload: string): Promise<void> {
    const { pid } = cluster.worker(name, workload)
    expect(await cluster.leaveAgent(name)).toBe(0)
    await cluster.addHost({ name })
    await goOn(this.jobs)
    expect(cluster.worker(name, workload).pid).toBe(pid)
  }
}

test('coordinator and hosts are upgraded one by one while jobs train, and no bit of them changes', {
  timeout: 300_000,
}, async () => {
  // One is brought to its hosts, the other lies on each.
  const jobs = await Promise.all([start('one', 'a', 0, join(PROGRAMS, 'mixer.ts')), start('two', 'b', 1)])
  expect(await cluster.stopCoordinator()).toBe(0)
  await cluster.startCoordinator(true)
  await goOn(jobs)
  const client = await CoordinatorClient.connect(cluster.url)
  const upgrade = new Upgrade(jobs, client)
  for (const name of HOSTS)
    expect(await upgrade.host(name, '0.1.0')).toMatchObject({ protocol: 1, isBehind: true })

  /** Hosts of which it was told how far they are with a bundle. */
  const fetching = new Set<string>()
  await client.watch({ kinds: ['migration'] }, ({ changes }) => {
    for (const change of changes)
      if (change.kind === 'migration' && change.migration.fetching !== undefined)
        fetching.add(change.migration.to)
  })

  await upgrade.ofHost('a')
  expect([...fetching]).toEqual(['a'])
  // Back to a host of the release before, over a link that both measure.
  const { code, err } = await cluster.godwit('estimate', 'one', '--to', 'c')
  expect(code, err).toBe(0)
  await upgrade.moving('migrate', 'one', '--to', 'c')
  await upgrade.ofHost('b')
  await upgrade.ofAgent('c', 'one')
  await upgrade.ofHost('c')
  for (const way of [
    '0.1.0 -> 0.1.0',
    `0.1.0 -> ${RELEASE}`,
    `${RELEASE} -> 0.1.0`,
    `${RELEASE} -> ${RELEASE}`,
  ])
    expect(upgrade.moves).toContain(way)
  expect(fetching).toContain('c')
  for (const name of HOSTS) expect((await upgrade.host(name, RELEASE)).isBehind, name).toBeUndefined()
  client.close()

  writeFileSync(hurry, '')
  const controls = await Promise.all(jobs.map((_, seed) => start(`control-${seed}`, 'b', seed)))
  for (const [seed, job] of jobs.entries()) {
    const control = controls[seed] as Follower
    expect([await job.exited, await control.exited]).toEqual([0, 0])
    expect(job.outputs.findIndex(({ step }, index) => step !== index)).toBe(-1)
    expect(job.outputs).toHaveLength(STEPS)
    expect(lossBits(job.outputs) === lossBits(control.outputs), `loss bits of job ${seed}`).toBe(true)
    expect(job.ended?.stateDigest).toBe(control.ended?.stateDigest)
    expect(job.ended?.restarts).toBe(0)
  }
})

test('the command of the release before still empties a host, and fills it again', async () => {
  for (const what of ['enter', 'status', 'exit']) {
    const old = cluster.startOf(BEFORE, {}, 'maintenance', what, 'a')
    expect(await finished(old)).toMatchObject({ code: 0 })
  }
})
