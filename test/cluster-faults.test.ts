/**
 * Goal: whatever dies or is called off, nobody but its own suffers: a worker's end is its job's and not its
 * neighbour's; a target or its agent that dies during a migration leaves the source training, the migration failed
 * with phase and cause, and the job as movable as before; a cancel leaves nothing at the target (I6).
 * Method: SIGKILL to real processes while a migration is active. With a downtime limit that can't be met it stays so.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MigrationView } from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster, type Finished, type Follower, finished } from './support/cluster.ts'
import { mountSmallDisk, whyNoMount } from './support/needs.ts'
import { gone, type Running } from './support/processes.ts'

const FOREVER = ['--steps', '1000000', '--param', 'stepMs=5']
/** No switchover is ever forecast within it. */
const STAYS_ACTIVE = ['--downtime-limit-ms', '0.001']

let cluster: Cluster
let job: Follower

beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }, { name: 'c' }])
  job = await cluster.run('mixer', 'a', 'job', ...FOREVER)
})
afterAll(() => cluster?.end())

/** A migration of the job from a, sending pages. */
async function activeMigration(to: string): Promise<Running> {
  const isActive = job.migrationWillBe('active')
  const migrate = cluster.start('migrate', 'job', '--to', to, ...STAYS_ACTIVE)
  await isActive
  return migrate
}

function expectEnded({ code, said, err }: Finished, status: MigrationView['status']): MigrationView {
  expect(said.migration?.status, err).toBe(status)
  expect(code).toBe(1)
  return said.migration as MigrationView
}

/** On host a, each step once, without a change of the epoch. */
async function expectTrainingOn(): Promise<void> {
  await job.goesOn()
  expect(job.outputs.every(({ step, epoch }, index) => step === index && epoch === 1)).toBe(true)
}

test('kill -9 of a worker fails a job that is not to be restarted, and neither its neighbour nor its agent', async () => {
  const unlucky = await cluster.run('mixer', 'a', 'unlucky', ...FOREVER, '--restart-policy', 'never')
  await unlucky.reached(10)
  process.kill(cluster.worker('a', 'unlucky').pid, 'SIGKILL')
  expect(await unlucky.exited, 'whoever follows it is told').toBe(1)
  expect(unlucky.ended).toMatchObject({
    status: 'failed',
    error: { kind: 'worker-crashed', message: expect.stringContaining('SIGKILL') },
  })
  expect(await cluster.workload('unlucky')).toMatchObject({
    status: 'failed',
    error: { kind: 'worker-crashed' },
  })
  await expectTrainingOn()
  const next = await cluster.godwit('run', 'mixer', '--host', 'a', '--steps', '5')
  expect(next.code, 'the agent starts the next one').toBe(0)
})

test('cancel: the migration is cancelled, the source trains on, the target is gone', async () => {
  const migrate = await activeMigration('b')
  const target = cluster.worker('b', 'job')
  const cancelled = await cluster.godwit('cancel', 'job')
  expect(cancelled.code).toBe(0)
  const { error } = expectEnded(await finished(migrate), 'cancelled')
  expect(error).toMatchObject({ kind: 'cancelled', phase: 'active' })
  await gone(target.pid)
  await expectTrainingOn()
  expect(cluster.workers('b', 'job')).toEqual([])
})

test('kill -9 of the target worker: the migration fails with phase and cause', async () => {
  const migrate = await activeMigration('b')
  process.kill(cluster.worker('b', 'job').pid, 'SIGKILL')
  const { error } = expectEnded(await finished(migrate), 'failed')
  // Whoever notices first: the source its connection's end, the agent its child's.
  expect(error?.kind).toMatch(/^(connection-lost|worker-crashed)$/)
  expect(error?.phase).toBe('active')
  await expectTrainingOn()
})

test("kill -9 of the target's agent: the migration fails, and what it leaves ends by itself", async () => {
  const migrate = await activeMigration('c')
  const target = cluster.worker('c', 'job')
  await cluster.killAgent('c')
  const { error } = expectEnded(await finished(migrate), 'failed')
  expect(error).toMatchObject({ kind: 'host-disconnected', phase: 'active' })
  await expectTrainingOn()
  // Nobody can tell it to: it has lost its source.
  await gone(target.pid)
})

test('after all that the job can still be moved', async () => {
  const source = cluster.worker('a', 'job')
  const { code, said, err } = await cluster.godwit('migrate', 'job', '--to', 'b')
  expect(code, err).toBe(0)
  await gone(source.pid)
  expect(said.migration?.report).toMatchObject({ from: 'a', to: 'b', epoch: 2 })
  await job.goesOn()
  expect(job.outputs.every(({ step }, index) => step === index)).toBe(true)
  expect(cluster.workers('a', 'job')).toEqual([])
})

const noMount = whyNoMount()
test.skipIf(noMount !== undefined)(
  `a host whose disk is full says so, and works again once it is not${noMount === undefined ? '' : ` (skipped: ${noMount})`}`,
  async () => {
    const disk = join(cluster.folder, 'disk')
    mkdirSync(disk)
    mountSmallDisk(disk)
    try {
      await cluster.addHost({ name: 'full', dataDir: join(disk, 'data') })
      const ballast = join(disk, 'ballast')
      fill(disk, ballast)
      const refused = await cluster.godwit('run', 'mixer', '--host', 'full', '--steps', '5')
      expect(refused.said.error).toMatchObject({
        kind: 'disk-full',
        message: expect.stringContaining('free some space or give another folder with --data-dir'),
      })
      expect(refused.code).toBe(1)
      const elsewhere = await cluster.godwit('migrate', 'job', '--to', 'full')
      expect(expectEnded(elsewhere, 'failed').error).toMatchObject({ kind: 'disk-full', phase: 'setup' })
      await job.goesOn()
      rmSync(ballast)
      const started = await cluster.godwit('run', 'mixer', '--host', 'full', '--steps', '5', '--follow')
      expect(started.said.workload?.status).toBe('finished')
      expect(await cluster.stopAgent('full')).toBe(0)
    } finally {
      execFileSync('umount', ['--lazy', disk])
    }
  },
)

/** Writes until not a byte is free. */
function fill(disk: string, file: string): void {
  const { bavail, bsize } = statfsSync(disk)
  writeFileSync(file, Buffer.alloc(bavail * bsize))
  expect(statfsSync(disk).bavail).toBe(0)
}
