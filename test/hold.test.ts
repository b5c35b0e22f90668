/**
 * Goal: a migration that is held trains on at the source, whoever ends meanwhile, and moves when it is let go; cancelled, it stays. Method:
 * real processes; the coordinator is killed and the source's agent replaced while it is held; the job is compared with one that never moved.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MigrationView } from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster, type Follower } from './support/cluster.ts'
import { expectSameBits } from './support/same-bits.ts'

/** Minutes of slow steps, more than all this takes. */
const STEPS = 6000

let cluster: Cluster
let hurry: string
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }], { isDurable: true })
  hurry = join(cluster.folder, 'hurry')
})
afterAll(() => cluster?.end())

/** Slow until it is told to hurry. */
async function start(id: string, host: string): Promise<Follower> {
  const parameters = ['seed=7', 'pages=200', 'dirtyPages=20', 'stepMs=30', `hurryFile=${hurry}`]
  return cluster.run(
    'mixer',
    host,
    id,
    ...['--steps', String(STEPS), ...parameters.flatMap((each) => ['--param', each])],
  )
}

/** As a coordinator says that has just begun, once it has heard. Held twice is held once. */
async function heldAgain(job: string): Promise<MigrationView | undefined> {
  for (;;) {
    const { migration } = (await cluster.godwit('hold', job)).said
    if (migration?.status === 'preSwitchover') return migration
  }
}

test('held before its switchover, a job trains on through a crash of the coordinator and another agent, and goes when it may', async () => {
  const job = await start('job', 'a')
  const isReady = job.migrationWillBe('preSwitchover')
  const moving = cluster.start('migrate', 'job', '--to', 'b', '--hold')
  await isReady
  await cluster.killCoordinator()
  await cluster.startCoordinator(true)
  await heldAgain('job')
  expect(await cluster.leaveAgent('a')).toBe(0)
  await cluster.addHost({ name: 'a' })
  await job.goesOn()
  const held = await heldAgain('job')
  expect(held?.waitingFor).toContain('godwit switchover job')
  const { code } = await cluster.godwit('switchover', 'job')
  expect(code).toBe(0)
  expect(await moving.exited, moving.err).toBe(0)
  const report = JSON.parse(moving.lines.at(-1) ?? '{}').migration?.report
  expect(report).toMatchObject({ status: 'completed', from: 'a', to: 'b', parks: 1 })
  // Said twice, it is as if it had been said once.
  expect((await cluster.godwit('switchover', 'job')).said.migration?.status).toBe('completed')

  const readyAgain = job.migrationWillBe('preSwitchover')
  const back = cluster.start('migrate', 'job', '--to', 'a', '--hold')
  await readyAgain
  expect((await cluster.godwit('cancel', 'job')).code).toBe(0)
  expect(await back.exited).toBe(1)
  const nothing = await cluster.godwit('switchover', 'job')
  expect([nothing.code, nothing.said.error?.kind]).toEqual([1, 'unknown-migration'])
  await job.goesOn()
  expect((await cluster.workload('job')).host).toBe('b')

  writeFileSync(hurry, '')
  expect(await job.exited).toBe(0)
  const control = await start('control', 'a')
  expect(await control.exited).toBe(0)
  expect(job.outputs).toHaveLength(STEPS)
  expectSameBits(job, control)
})
