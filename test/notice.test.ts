/**
 * Goal: a program is told of its move once for each attempt to switch over, can delay it but not prevent it, and changes no bit by it. Method: real
 * processes; a job that writes down what it hears and answers each notice in another way, beside the same job that is told nothing.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MigrationNotice } from '@godwit/worker/contract'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster, type Follower } from './support/cluster.ts'
import { expectSameBits } from './support/same-bits.ts'

/** Minutes of slow steps, more than all this takes. */
const STEPS = 6000
const DELAY = 40

let cluster: Cluster
let toldFile: string
let hurryFile: string
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }])
  toldFile = join(cluster.folder, 'told')
  hurryFile = join(cluster.folder, 'hurry')
})
afterAll(() => cluster?.end())

function start(program: string, more: readonly string[]): Promise<Follower> {
  const parameters = [
    ...['seed=5', 'pages=200', 'dirtyPages=20', 'stepMs=20', `hurryFile=${hurryFile}`],
    ...more,
  ]
  const flags = parameters.flatMap((each) => ['--param', each])
  return cluster.run(program, 'a', program, '--steps', String(STEPS), ...flags)
}

type Told = { hook: 'onMigrating' | 'onStaying' } & MigrationNotice

function told(): Told[] {
  if (!existsSync(toldFile)) return []
  const lines = readFileSync(toldFile, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Told)
}

test('a program is told once of each switchover, delays it but for so long, and may fail in it', async () => {
  // An attempt that a busy machine makes another of is told of as well, and answered with `0`.
  const job = await start('notified', [`toldFile=${toldFile}`, `answers=never,${DELAY},throw,never,0,0,0,0`])
  await job.goesOn()
  const moving = cluster.start('migrate', 'notified', '--to', 'b')
  await job.until(() => told().length === 1, 'it was told')
  expect((await cluster.godwit('cancel', 'notified')).code).toBe(0)
  expect(await moving.exited).toBe(1)
  await job.until(() => told().length === 2, 'it was told that it stays')
  expect(told()).toMatchObject([{ hook: 'onMigrating', from: 'a', to: 'b' }, { hook: 'onStaying' }])

  const move = async (to: string, ...options: string[]) => {
    const before = told().length
    const { code, said, err } = await cluster.godwit('migrate', 'notified', '--to', to, ...options)
    expect(code, err).toBe(0)
    const report = said.migration?.report
    const notices = told().slice(before)
    expect(notices.map(({ hook }) => hook)).toEqual(Array(report?.parks).fill('onMigrating'))
    const last = notices.at(-1)
    expect(last).toMatchObject({ from: to === 'b' ? 'a' : 'b', to, expectedDowntimeMs: expect.any(Number) })
    const steps = (report?.step ?? 0) - (last?.step ?? 0)
    return { steps, reason: report?.parkReason, parks: report?.parks }
  }
  // Long enough for the machine to be busy, however fast its answers are otherwise.
  const patient = ['--downtime-limit-ms', '10000']
  const delayed = await move('b', ...patient)
  expect(delayed.parks).toBe(1)
  expect(delayed.steps).toBeGreaterThanOrEqual(DELAY)
  expect(delayed.reason).not.toContain('in time')
  const failed = await move('a', ...patient)
  expect(failed.reason).toContain('onMigrating failed')
  const bounded = await move('b', ...patient, '--timeout-ms', '16000')
  expect(bounded.reason).toContain('the program was not ready in time')

  writeFileSync(hurryFile, '')
  expect(await job.exited).toBe(0)
  const control = await start('mixer', [])
  expect(await control.exited).toBe(0)
  expect(job.outputs).toHaveLength(STEPS)
  expectSameBits(job, control)
})
