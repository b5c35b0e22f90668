/**
 * Goal: a paused migration sends nothing and costs training nothing, whoever ends meanwhile, goes on from where it was, and can be cancelled; the job ends
 * as one that never moved. Method: real processes and a link so slow that all memory takes seconds; bytes sent and steps are counted.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MigrationView } from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster, type Follower } from './support/cluster.ts'
import { expectSameBits } from './support/same-bits.ts'

const STEPS = 6000
const MIB = 2 ** 20
/** 8 MiB take eight seconds. */
const SLOWLY = ['--max-bandwidth', '1MiB', '--downtime-limit-ms', '1000']

let cluster: Cluster
let hurry: string
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }], { isDurable: true })
  hurry = join(cluster.folder, 'hurry')
})
afterAll(() => cluster?.end())

async function start(id: string, host: string): Promise<Follower> {
  const parameters = ['seed=7', 'pages=2048', 'dirtyPages=2', 'stepMs=30', `hurryFile=${hurry}`]
  const given = parameters.flatMap((each) => ['--param', each])
  return cluster.run('mixer', host, id, '--steps', String(STEPS), ...given)
}

/** As a coordinator says once it has heard of the source; paused twice is paused once. */
async function paused(): Promise<MigrationView> {
  for (;;) {
    const { said } = await cluster.godwit('pause', 'job')
    expect(said.error).toBeUndefined()
    const { migration } = said
    if (migration?.progress?.isPaused === true) return migration
  }
}

test('paused, through a crash of the coordinator and another agent, it sends nothing; it goes on, and nothing is sent twice for it', async () => {
  const job = await start('job', 'a')
  const isActive = job.migrationWillBe('active')
  const moving = cluster.start('migrate', 'job', '--to', 'b', ...SLOWLY)
  await isActive
  const first = await paused()
  expect(first).toMatchObject({ status: 'active', waitingFor: expect.stringContaining('paused by local') })
  await cluster.killCoordinator()
  await cluster.startCoordinator(true)
  await paused()
  expect(await cluster.leaveAgent('a')).toBe(0)
  await cluster.addHost({ name: 'a' })
  await job.goesOn()
  const last = await paused()
  // What was in the sockets' hands when it was paused.
  expect((last.progress?.sentBytes ?? 0) - (first.progress?.sentBytes ?? 0)).toBeLessThan(MIB)
  expect(last.progress?.bytesPerSecond).toBe(0)
  expect((await cluster.godwit('resume', 'job')).code).toBe(0)
  expect(await moving.exited, moving.err).toBe(0)
  const report = JSON.parse(moving.lines.at(-1) ?? '{}').migration?.report
  expect(report).toMatchObject({ status: 'completed', from: 'a', to: 'b' })
  // All of it once, and what was dirtied: not all of it again.
  expect(report.pageBytes).toBeLessThan(1.9 * 2048 * 4096)

  const again = job.migrationWillBe('active')
  const back = cluster.start('migrate', 'job', '--to', 'a', '--hold', ...SLOWLY)
  await again
  await paused()
  expect((await cluster.godwit('cancel', 'job')).code).toBe(0)
  expect(await back.exited).toBe(1)
  const nothing = await cluster.godwit('resume', 'job')
  expect([nothing.code, nothing.said.error?.kind]).toEqual([1, 'unknown-migration'])
  await job.goesOn()
  expect((await cluster.workload('job')).host).toBe('b')

  writeFileSync(hurry, '')
  expect(await job.exited).toBe(0)
  const control = await start('control', 'a')
  expect(await control.exited).toBe(0)
  expectSameBits(job, control)
})
