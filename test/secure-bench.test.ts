/**
 * Goal: the benchmark is let into a secured cluster as any command is, and is told what it lacks. Method: `npm run -s bench` against real hosts.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunLine } from './bench/figures.ts'
import { Cluster, REPOSITORY } from './support/cluster.ts'
import { Running } from './support/processes.ts'

let cluster: Cluster
beforeAll(async () => {
  const programs = join(REPOSITORY, 'test/bench/programs')
  const hosts = ['a', 'b'].map((name) => ({ name, programs }))
  cluster = await Cluster.start(hosts, { secured: true })
})
afterAll(() => cluster?.end())

function bench(token: string, ...more: string[]): Running {
  const what = ['--case', 'sparse', '--arena-mib', '8', '--runs', '1', '--json']
  const args = [
    'run',
    '-s',
    'bench',
    '--',
    ...what,
    '--coordinator',
    cluster.url,
    '--from',
    'a',
    '--to',
    'b',
    ...more,
  ]
  return new Running('npm', args, { cwd: REPOSITORY, env: { ...process.env, GODWIT_TOKEN: token } })
}

test('with the token of GODWIT_TOKEN, or of --token-file, a job is moved', async () => {
  const file = join(cluster.store, 'admin-token')
  for (const running of [bench(cluster.secrets.admin ?? ''), bench('', '--token-file', file)]) {
    expect(await running.exited, running.err).toBe(0)
    const moved = JSON.parse(running.lines[0] ?? '{}') as RunLine
    expect(moved).toMatchObject({ case: 'sparse', report: { from: 'a', to: 'b', status: 'completed' } })
  }
})

test('without one it says how to get one', async () => {
  const running = bench('')
  expect(await running.exited).toBe(1)
  expect(running.err).toMatch(/is secured: put an API token into GODWIT_TOKEN.*godwit token create/)
})
