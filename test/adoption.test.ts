/**
 * Goal: an agent is nobody's life: one that is killed, stopped or replaced leaves its workers training, the next one on its
 * folder takes over the very same processes, and no step is lost or repeated; whatever was moving ends on exactly one host. A
 * coordinator that has forgotten everything is not obeyed.
 * Method: SIGKILL, SIGSTOP and SIGUSR2 to the agents of a real cluster, while a job trains and while it moves.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster, type Follower, finished } from './support/cluster.ts'
import { isAlive, type Running } from './support/processes.ts'

const FOREVER = [
  '--steps',
  '1000000',
  '--param',
  'stepMs=10',
  '--param',
  'pages=2048',
  '--param',
  'dirtyPages=1',
]
/** Its memory alone takes four seconds: time enough to kill somebody. */
const SLOWLY = ['--max-bandwidth', '2MiB', '--downtime-limit-ms', '1000']

let cluster: Cluster
let job: Follower

beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }])
  job = await cluster.run('mixer', 'a', 'job', ...FOREVER)
})
afterAll(() => cluster?.end())

/** Each step once, and more of them. */
async function expectTrainingOn(): Promise<void> {
  await job.goesOn()
  expect(job.outputs.every(({ step }, index) => step === index)).toBe(true)
}

function hostsOfJob(): string[] {
  return ['a', 'b'].filter((host) => cluster.workers(host, 'job').length > 0)
}

function hostOfJob(): string {
  const [host, ...others] = hostsOfJob()
  if (host === undefined || others.length > 0) throw new Error(`the job is on ${hostsOfJob().length} hosts`)
  return host
}

async function activeMigration(to: string): Promise<Running> {
  const isActive = job.migrationWillBe('active')
  const migrate = cluster.start('migrate', 'job', '--to', to, ...SLOWLY)
  await Promise.race([isActive, endedTooSoon(migrate)])
  return migrate
}

async function endedTooSoon(migrate: Running): Promise<never> {
  const { said, err } = await finished(migrate)
  throw new Error(`the migration ended before it was seen to be active: ${JSON.stringify(said)} ${err}`)
}

test('kill -9 of the agent of a job that trains: the next one takes over the same process', async () => {
  await job.reached(20)
  const { pid } = cluster.worker('a', 'job')
  await cluster.killAgent('a')
  await cluster.addHost({ name: 'a' })
  await expectTrainingOn()
  expect(cluster.worker('a', 'job').pid).toBe(pid)
  expect(job.outputs.every(({ epoch }) => epoch === 1)).toBe(true)
})

test('an agent that is told to leave its workers ends alone', async () => {
  const { pid } = cluster.worker('a', 'job')
  expect(await cluster.leaveAgent('a')).toBe(0)
  expect(isAlive(pid)).toBe(true)
  await cluster.addHost({ name: 'a' })
  await expectTrainingOn()
  expect(cluster.worker('a', 'job').pid).toBe(pid)
})

test('a second agent on the same folder is refused, and harms nobody', async () => {
  const { code, err } = await finished(
    cluster.start('agent', '--name', 'twin', '--data-dir', cluster.dataDir('a')),
  )
  expect(code).toBe(1)
  expect(err).toMatch(/another agent works in .*--data-dir/)
  await expectTrainingOn()
})

test.each(['source', 'target'])(
  'kill -9 of the agent at the %s of a migration: it completes or fails, and the job is on one host',
  async (end) => {
    const from = hostOfJob()
    const to = from === 'a' ? 'b' : 'a'
    const migrate = await activeMigration(to)
    await cluster.killAgent(end === 'source' ? from : to)
    await cluster.addHost({ name: end === 'source' ? from : to })
    const { said, err } = await finished(migrate)
    const status = said.migration?.status
    expect(['completed', 'failed'], err).toContain(status)
    await expectTrainingOn()
    await job.until(() => hostsOfJob().length === 1, 'the other end was gone')
    expect(hostOfJob()).toBe(status === 'completed' ? to : from)
  },
)

test('an agent that is stopped for longer than it may be silent comes back as it was', async () => {
  const host = hostOfJob()
  const { pid } = cluster.worker(host, 'job')
  const agentPid = cluster.agentPid(host)
  process.kill(agentPid, 'SIGSTOP')
  try {
    await cluster.hostIs(host, 'disconnected')
  } finally {
    process.kill(agentPid, 'SIGCONT')
  }
  await expectTrainingOn()
  expect([cluster.agentPid(host), cluster.worker(host, 'job').pid]).toEqual([agentPid, pid])
})

test('a coordinator that has forgotten everything is not obeyed: nothing is killed', async () => {
  const host = hostOfJob()
  const { pid } = cluster.worker(host, 'job')
  const agentPid = cluster.agentPid(host)
  await cluster.killCoordinator()
  await cluster.startCoordinator(false)
  await cluster.agentSaid(host, /keeps cluster .* of cluster/)
  expect([isAlive(pid), cluster.agentPid(host)]).toEqual([true, agentPid])
})
