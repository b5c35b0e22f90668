/**
 * Goal: a host is emptied for maintenance and gets its jobs back, whoever ends meanwhile, and no job notices: every loss and the memory at
 * the end are those of a job that never moved. Method: real processes, three hosts and jobs that differ; the coordinator is killed while
 * jobs leave, and the host's agent is another one when they come back.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster, type Follower } from './support/cluster.ts'
import { expectSameBits } from './support/same-bits.ts'

/** Minutes of slow steps, more than all this takes. */
const STEPS = 3000

let cluster: Cluster
let hurry: string
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }, { name: 'c' }], { isDurable: true })
  hurry = join(cluster.folder, 'hurry')
})
afterAll(() => cluster?.end())

/** Slow enough to be moved twice, until it is told to hurry. */
async function start(id: string, host: string, seed: number): Promise<Follower> {
  const parameters = [`seed=${seed}`, 'pages=200', 'dirtyPages=20', 'stepMs=100', `hurryFile=${hurry}`]
  const args = parameters.flatMap((each) => ['--param', each])
  return cluster.run('mixer', host, id, '--steps', String(STEPS), ...args)
}

test('a host is emptied, gets another agent and its jobs back; the coordinator dies half way, and no bit changes', async () => {
  const ids = ['one', 'two', 'three']
  const jobs = await Promise.all(ids.map((id, seed) => start(id, 'a', seed)))
  const entering = cluster.start('maintenance', 'enter', 'a')
  await Promise.race(jobs.map((job) => job.until(() => job.migrations.length > 0, 'it began to leave')))
  await cluster.killCoordinator()
  await cluster.startCoordinator(true)
  expect(await entering.exited, entering.err).toBe(0)
  expect(JSON.parse(entering.lines.at(-1) ?? '{}')).toMatchObject({
    maintenance: { host: 'a', phase: 'evacuated', moved: 3, stuck: 0 },
  })
  expect(ids.flatMap((id) => cluster.workers('a', id))).toEqual([])

  for (const args of [
    ['run', 'mixer', '--host', 'a'],
    ['migrate', 'one', '--to', 'a'],
  ]) {
    const refused = await cluster.godwit(...args)
    expect([refused.code, refused.said.error?.kind]).toEqual([1, 'in-maintenance'])
  }
  const twice = await cluster.godwit('maintenance', 'enter', 'a')
  expect([twice.code, twice.said.maintenance?.phase]).toEqual([0, 'evacuated'])
  const { said } = await cluster.godwit('hosts')
  const host = said.hosts?.find(({ name }) => name === 'a')
  expect(host).toMatchObject({ state: 'maintenance', workloads: [], maintenance: { phase: 'evacuated' } })

  expect(await cluster.stopAgent('a')).toBe(0)
  await cluster.addHost({ name: 'a' })
  const returned = await cluster.godwit('maintenance', 'exit', 'a', '--return')
  expect(returned.code, returned.err).toBe(0)
  expect(returned.said.maintenance).toMatchObject({ phase: 'over', moved: 3, stuck: 0 })
  for (const id of ids) expect((await cluster.workload(id)).host).toBe('a')

  writeFileSync(hurry, '')
  for (const [seed, job] of jobs.entries()) {
    expect(await job.exited).toBe(0)
    const control = await start(`control-${seed}`, 'b', seed)
    expect(await control.exited).toBe(0)
    expect(job.outputs.findIndex(({ step }, index) => step !== index)).toBe(-1)
    expect(job.outputs).toHaveLength(STEPS)
    expectSameBits(job, control, ids[seed])
    const owners = job.ended?.ranges.map(({ host }) => host) ?? []
    expect([owners[0], owners.at(-1)]).toEqual(['a', 'a'])
    expect(owners.length).toBeGreaterThanOrEqual(3)
  }
})
