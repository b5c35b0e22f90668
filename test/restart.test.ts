/**
 * Goal: a job survives its worker and its coordinator. A worker that is killed is started again from the last checkpoint and
 * nobody who follows sees a step twice; a coordinator that is killed finds jobs, hosts and migrations again, and whoever watched
 * goes on watching. In the end every bit is that of a run to which nothing happened.
 * Method: SIGKILL to real processes of a cluster whose coordinator keeps its store, while a job trains and while it moves.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster, type Follower, finished } from './support/cluster.ts'
import { expectSameBits } from './support/same-bits.ts'

/** At their pace four minutes: none of them is the last before all has been done to the job, on a slow machine too. */
const STEPS = 8000
const JOB = ['--steps', String(STEPS), '--param', 'pages=2048', '--param', 'dirtyPages=1']
/** Its memory alone takes four seconds: time enough to kill somebody. */
const SLOWLY = ['--max-bandwidth', '2MiB', '--downtime-limit-ms', '1000']

let cluster: Cluster
let job: Follower
let hurry: string

beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }], { isDurable: true })
  hurry = join(cluster.folder, 'hurry')
  const pace = ['--param', 'stepMs=30', '--param', `hurryFile=${hurry}`]
  job = await cluster.run('mixer', 'a', 'job', ...JOB, ...pace)
})
afterAll(() => cluster?.end())

/** Each step once, and more of them. */
async function expectTrainingOn(): Promise<void> {
  await job.goesOn()
  expect(job.outputs.findIndex(({ step }, index) => step !== index)).toBe(-1)
}

function hostsOfJob(): string[] {
  return ['a', 'b'].filter((host) => cluster.workers(host, 'job').length > 0)
}

test('a worker that is killed is started again from its checkpoint', async () => {
  await job.reached(20)
  const written = await cluster.godwit('checkpoint', 'job')
  expect(written.code, written.err).toBe(0)
  const { checkpoint } = written.said
  expect(checkpoint?.host).toBe('a')
  await job.reached((checkpoint?.step ?? 0) + 20)
  const { pid } = cluster.worker('a', 'job')
  process.kill(pid, 'SIGKILL')
  await job.until(() => (job.outputs.at(-1)?.epoch ?? 1) > 1, 'it trained under another epoch')
  await expectTrainingOn()
  const view = await cluster.workload('job')
  expect(view).toMatchObject({ status: 'running', host: 'a', epoch: 2, restarts: 1 })
  expect(view.checkpoint?.step).toBe(checkpoint?.step)
  expect(view.diverged).toBeUndefined()
  expect(cluster.worker('a', 'job').pid).not.toBe(pid)
})

test('one that is never to be restarted has failed', async () => {
  const endless = ['--steps', '1000000', '--restart-policy', 'never']
  const once = await cluster.run('mixer', 'b', 'once', ...endless)
  process.kill(cluster.worker('b', 'once').pid, 'SIGKILL')
  expect(await once.exited).toBe(1)
  expect(once.ended).toMatchObject({ status: 'failed', restarts: 0, error: { kind: 'worker-crashed' } })
})

test('kill -9 of the coordinator: the job trains on, and whoever follows it goes on', async () => {
  const { pid } = cluster.worker('a', 'job')
  const { epoch } = await cluster.workload('job')
  await cluster.killCoordinator()
  await cluster.startCoordinator(true)
  await expectTrainingOn()
  expect(cluster.worker('a', 'job').pid).toBe(pid)
  expect(await cluster.workload('job')).toMatchObject({ status: 'running', host: 'a', epoch, restarts: 1 })
  expect(job.err.match(/coordinator is gone/g)).toHaveLength(1)
  expect(job.err.match(/coordinator is back/g)).toHaveLength(1)
})

test('an agent that is replaced while the coordinator is down keeps its workers', async () => {
  const { pid } = cluster.worker('a', 'job')
  await cluster.killCoordinator()
  await cluster.killAgent('a')
  const agent = cluster.startAgent({ name: 'a' })
  await cluster.agentSaid('a', /coordinator is gone/)
  await cluster.startCoordinator(true)
  await agent.until(() => agent.lines.length > 0, 'it was registered')
  await expectTrainingOn()
  expect(cluster.worker('a', 'job').pid).toBe(pid)
})

test('kill -9 of the coordinator while the job moves: the move ends, and the job is on one host', async () => {
  await cluster.hostIs('b', 'connected')
  const migrate = cluster.start('migrate', 'job', '--to', 'b', ...SLOWLY)
  await job.migrationIs('active')
  await cluster.killCoordinator()
  await cluster.startCoordinator(true)
  const { said, err } = await finished(migrate)
  expect(['completed', 'failed'], err).toContain(said.migration?.status)
  await expectTrainingOn()
  await job.until(() => hostsOfJob().length === 1, 'the other end was gone')
  expect(hostsOfJob()).toEqual([said.migration?.status === 'completed' ? 'b' : 'a'])
})

test('in the end all bits are those of a job to which nothing happened', async () => {
  writeFileSync(hurry, '')
  const still = await cluster.run('mixer', 'b', 'still', ...JOB, '--param', 'stepMs=0')
  expect(await job.exited).toBe(0)
  expect(await still.exited).toBe(0)
  expect(job.outputs).toHaveLength(STEPS)
  expectSameBits(job, still)
  expect(job.ended).toMatchObject({ status: 'finished', restarts: 1 })
  expect(job.ended?.diverged).toBeUndefined()
})
