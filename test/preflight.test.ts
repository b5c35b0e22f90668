/**
 * Goal: before a move all that it would meet is said, from real hosts and a real worker at the target, in the words that the move then has.
 * Nothing moves, and nothing is left. Method: real processes on loopback, spoken to by the command line.
 */
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PreflightCheck } from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster, type Finished } from './support/cluster.ts'

const FOREVER = ['--steps', '1000000', '--param', 'stepMs=20']

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }])
})
afterAll(() => cluster?.end())

function checksOf({ said, err }: Finished): Map<PreflightCheck['check'], PreflightCheck> {
  expect(said.preflight, err).toBeDefined()
  return new Map(said.preflight?.checks.map((check) => [check.check, check]))
}

const dryRun = (job: string, to: string): Promise<Finished> =>
  cluster.godwit('migrate', job, '--to', to, '--dry-run')

/** The sentence with which the move itself is refused. */
async function refusal(job: string, to: string): Promise<string | undefined> {
  const { said } = await cluster.godwit('migrate', job, '--to', to)
  return (said.error ?? said.migration?.error)?.message
}

test('a host that can take the job: nothing stands in the way, nothing moves, and nothing is left there', async () => {
  const job = await cluster.run('mixer', 'a', 'job', ...FOREVER)
  const looked = await dryRun('job', 'b')
  const checks = checksOf(looked)
  expect([...checks.values()].filter(({ verdict }) => verdict === 'blocker')).toEqual([])
  expect(looked.code).toBe(0)
  for (const check of [
    'job',
    'host',
    'queue',
    'protocol',
    'memory',
    'program',
    'data',
    'runtime',
    'link',
  ] as const)
    expect(checks.get(check)).toMatchObject({ verdict: 'pass' })
  expect(looked.said.preflight?.estimate?.downtimeMs).toBeGreaterThan(0)
  expect(await cluster.workload('job')).toMatchObject({ status: 'running', host: 'a', epoch: 1 })
  await expect.poll(() => cluster.workers('b', 'job'), { timeout: 20_000 }).toEqual([])
  await job.goesOn()
  // As it was foreseen.
  const moved = await cluster.godwit('migrate', 'job', '--to', 'b')
  expect(moved.code, moved.err).toBe(0)
  expect((await cluster.godwit('stop', 'job')).code).toBe(0)
})

test('a host with another version of the program, and one without it, are said as a move says it', async () => {
  const [here, there, nothing] = ['here', 'there', 'nothing'].map((name) => cluster.programFolder(name)) as [
    string,
    string,
    string,
  ]
  const mixer = join(import.meta.dirname, 'support', 'programs', 'mixer.ts')
  copyFileSync(mixer, join(here, 'mine.ts'))
  copyFileSync(mixer, join(there, 'mine.ts'))
  writeFileSync(join(there, 'mine.ts'), '\nexport const another = 1\n', { flag: 'a' })
  await cluster.addHost({ name: 'c', programs: here })
  await cluster.addHost({ name: 'd', programs: there })
  await cluster.addHost({ name: 'e', programs: nothing })
  await cluster.run('mine', 'c', 'versions', ...FOREVER)
  for (const host of ['d', 'e']) {
    const looked = await dryRun('versions', host)
    expect(looked.code).toBe(1)
    const found = checksOf(looked).get('program')
    expect(found).toMatchObject({ verdict: 'blocker', message: await refusal('versions', host) })
  }
  expect(await cluster.workload('versions')).toMatchObject({ status: 'running', host: 'c', epoch: 1 })
  expect((await cluster.godwit('stop', 'versions')).code).toBe(0)
})

test('a host in maintenance is not touched, and said as a move says it', async () => {
  await cluster.run('mixer', 'a', 'kept', ...FOREVER)
  expect((await cluster.godwit('maintenance', 'enter', 'b')).code).toBe(0)
  const looked = await dryRun('kept', 'b')
  expect(looked.code).toBe(1)
  const checks = checksOf(looked)
  expect(checks.get('maintenance')).toMatchObject({ verdict: 'blocker', message: await refusal('kept', 'b') })
  expect(checks.get('program')?.verdict).toBe('warning')
  expect(cluster.folders('b', 'kept')).toEqual([])
  expect((await cluster.godwit('stop', 'kept')).code).toBe(0)
})
