/**
 * Goal: what a person does with Godwit works from end to end: start hosts, run a job, look at it, move it, stop it;
 * and a job that moves around all hosts is the same job to the bit.
 * Method: real processes on loopback, spoken to by the command line alone. The control run never moves.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { migrationReport } from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster, type Follower } from './support/cluster.ts'
import { whyNoUserfaultfd } from './support/needs.ts'
import { expectSameBits } from './support/same-bits.ts'

/** More than a test needs, so that a job never ends by itself. */
const FOREVER = ['--steps', '1000000', '--param', 'stepMs=5']

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }, { name: 'c' }])
})
afterAll(() => cluster?.end())

test('a job runs, is seen, moves and stops', async () => {
  const started = await cluster.godwit('run', 'mixer', '--host', 'a', '--id', 'job', ...FOREVER)
  expect(started.code).toBe(0)
  expect(started.said.workload).toMatchObject({ id: 'job', program: 'mixer', host: 'a', epoch: 1 })
  const job = cluster.follow('job')
  await job.reached(20)

  const { said } = await cluster.godwit('hosts')
  const hosts = said.hosts?.map(({ name, faultDomain, state, workloads }) => [
    name,
    faultDomain,
    state,
    workloads,
  ])
  expect(hosts?.toSorted()).toEqual([
    ['a', 'rack-a', 'connected', ['job']],
    ['b', 'rack-b', 'connected', []],
    ['c', 'rack-c', 'connected', []],
  ])

  const moved = await cluster.godwit('migrate', 'job', '--to', 'b', '--streams', '2')
  expect(moved, moved.err).toMatchObject({ code: 0 })
  const { migration } = moved.said
  const report = migrationReport.parse(migration?.report)
  expect(report).toMatchObject({
    workload: 'job',
    from: 'a',
    to: 'b',
    status: 'completed',
    epoch: 2,
    streams: 2,
  })
  expect(report.id).toBe(migration?.id)
  expect(report.parks).toBe(1)
  expect(report.lostTimeMs, 'waited for').not.toBeNull()
  const parts = Object.values(report.downtime).reduce((sum, part) => sum + part, 0)
  expect(parts).toBeCloseTo(report.downtimeMs, 6)

  await job.goesOn()
  const view = await cluster.workload('job')
  expect(view).toMatchObject({ status: 'running', host: 'b', epoch: 2 })
  expect(view.ranges).toEqual([
    { epoch: 1, host: 'a', fromStep: 0 },
    { epoch: 2, host: 'b', fromStep: report.step },
  ])
  expect(cluster.workers('a', 'job'), 'the source is released').toEqual([])

  const stopped = await cluster.godwit('stop', 'job')
  expect(stopped.code).toBe(0)
  expect(stopped.said.workload).toMatchObject({ status: 'stopped', host: 'b' })
  expect(await job.exited, 'whoever follows a job that is stopped has seen all of it').toBe(0)
  expect(job.ended?.status).toBe('stopped')
  expect(job.ended?.acceptedSteps).toBe(job.outputs.length)
  expectEachStepOnce(job)
  expect(job.outputs.filter(({ epoch }) => epoch === 1)).toHaveLength(report.step)
  expect(job.migrations.at(-1)).toMatchObject({ id: report.id, status: 'completed' })
})

/** At the pace of the job that moves three minutes. */
const STEPS = 5000
const JOB = ['--steps', String(STEPS), '--param', 'pages=512', '--param', 'dirtyPages=100']
let neverMoved: Follower | undefined

/** The same job, as fast as it can and without a move; it serves for every tracker. */
async function controlRun(): Promise<Follower> {
  neverMoved ??= await cluster.run('mixer', 'c', 'still', ...JOB, '--param', 'stepMs=0')
  expect(await neverMoved.exited).toBe(0)
  return neverMoved
}

const uffd = whyNoUserfaultfd()
for (const [tracker, reason] of [
  ['compare', undefined],
  ['userfaultfd', uffd],
] as const) {
  test.skipIf(reason !== undefined)(
    `four moves between three hosts change no bit, dirty pages by ${tracker}${reason === undefined ? '' : ` (skipped: ${reason})`}`,
    async () => {
      // Slow enough to be moved four times, then as fast as it can.
      const hurry = join(cluster.folder, `hurry-${tracker}`)
      const pace = ['--param', 'stepMs=40', '--param', `hurryFile=${hurry}`]
      const moved = await cluster.run('mixer', 'a', `moved-${tracker}`, ...JOB, ...pace, '--tracker', tracker)
      for (const [index, to] of ['b', 'c', 'a', 'b'].entries()) {
        await moved.reached(moved.outputs.length + 3)
        const { code, said, err } = await cluster.godwit('migrate', `moved-${tracker}`, '--to', to)
        expect(code, err).toBe(0)
        expect(said.migration?.report).toMatchObject({ tracker, epoch: index + 2 })
      }
      writeFileSync(hurry, '')
      expect(await moved.exited).toBe(0)
      const control = await controlRun()
      expectEachStepOnce(moved, STEPS)
      expectEachStepOnce(control, STEPS)
      expectSameBits(moved, control)
      expect(moved.ended?.ranges.map(({ host }) => host)).toEqual(['a', 'b', 'c', 'a', 'b'])
      expect(moved.ended?.tracker).toBe(tracker)
    },
  )
}

function expectEachStepOnce({ outputs }: Follower, count = outputs.length): void {
  const wrong = outputs.findIndex(({ step }, index) => step !== index)
  expect(wrong, 'the first step that is not due').toBe(-1)
  expect(outputs).toHaveLength(count)
  for (const [index, { epoch }] of outputs.entries()) {
    if (index > 0)
      expect(epoch, `the epoch of step ${index}`).toBeGreaterThanOrEqual(outputs[index - 1]?.epoch ?? 0)
  }
}
