/**
 * Goal: what a move would cost is said before anything moves, the move's report says how far off that was, and moves that leave a
 * host keep within what it gives them. Method: real processes on loopback, spoken to by the command line.
 */
import { LIMITS, MAX_FRAME_BYTES, type MigrationReport, migrationReport, PAGE_BYTES } from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from './support/cluster.ts'

const PAGES = 512
const FOREVER = [
  '--steps',
  '1000000',
  '--param',
  'stepMs=5',
  '--param',
  `pages=${PAGES}`,
  '--param',
  'dirtyPages=32',
]
/** Bytes a second for all that leaves host b. */
const RATE = 4_000_000

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b', maxBandwidth: String(RATE) }])
})
afterAll(() => cluster?.end())

test('an estimate moves nothing, and the report of the move says how far off it was', async () => {
  const job = await cluster.run('mixer', 'a', 'job', ...FOREVER)
  await job.reached(20)
  const asked = await cluster.godwit('estimate', 'job', '--to', 'b')
  expect(asked, asked.err).toMatchObject({ code: 0 })
  const estimate = asked.said.estimate
  expect(estimate).toMatchObject({ workload: 'job', from: 'a', to: 'b', converges: true })
  expect(estimate?.job.arenaPages).toBe(PAGES)
  expect(estimate?.job.stepPages).toBeGreaterThan(0)
  expect(estimate?.job.stepPages).toBeLessThanOrEqual(32)
  expect(estimate?.job.stepMs).toBeGreaterThanOrEqual(5)
  expect(estimate?.job.computeMs).toBeGreaterThanOrEqual(5)
  expect(estimate?.totalMs).toBeGreaterThan(estimate?.downtimeMs ?? 0)
  expect(await cluster.workload('job')).toMatchObject({ status: 'running', host: 'a', epoch: 1 })
  expect(cluster.workers('b', 'job'), 'nothing was started at the target').toEqual([])

  const moved = await cluster.godwit('migrate', 'job', '--to', 'b')
  expect(moved, moved.err).toMatchObject({ code: 0 })
  const { estimated } = migrationReport.parse(moved.said.migration?.report)
  expect(estimated).toEqual({ downtimeMs: estimate?.downtimeMs, totalMs: estimate?.totalMs })
  await job.goesOn()
  expect((await cluster.godwit('stop', 'job')).code).toBe(0)
})

test('what cannot be estimated is said as a migration would say it', async () => {
  const { code, said } = await cluster.godwit('estimate', 'nothing', '--to', 'b')
  expect([code, said.error?.kind]).toEqual([1, 'unknown-workload'])
})

/** Bytes over the rounds' own time: what was sent no faster than `rate` a second has none to spare. */
function bytesTooMany({ rounds }: MigrationReport, rate: number): number {
  const spareBytes = (LIMITS.paceBurstMs * rate) / 1000 + MAX_FRAME_BYTES
  const excess = rounds.map(
    ({ wireBytes, durationMs }) => wireBytes - spareBytes - (durationMs * rate) / 1000,
  )
  return Math.max(...excess)
}

test('two moves that leave a host keep within what it gives them, and an estimate knows of it', async () => {
  const ids = ['one', 'two']
  for (const id of ids) await (await cluster.run('mixer', 'b', id, ...FOREVER)).reached(20)
  const { said } = await cluster.godwit('estimate', 'one', '--to', 'a')
  expect(said.estimate?.link.bytesPerMs).toBeLessThan((RATE / 1000) * 1.5)
  expect(said.estimate?.totalMs).toBeGreaterThan(((PAGES * PAGE_BYTES) / RATE) * 500)

  const moves = await Promise.all(
    ids.map((id) => cluster.godwit('migrate', id, '--to', 'a', '--downtime-limit-ms', '10000')),
  )
  for (const { code, err, said } of moves) {
    expect(code, err).toBe(0)
    expect(bytesTooMany(migrationReport.parse(said.migration?.report), RATE)).toBeLessThanOrEqual(0)
  }
  for (const id of ids) expect((await cluster.godwit('stop', id)).code).toBe(0)
})
