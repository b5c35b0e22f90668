/**
 * Goal: a migration never sends faster than it may, in any phase and over all streams together, one that waits for its turn
 * can be stopped, and what it does to the job's steps is measured. Method: pairs of real workers; each round's own bytes and time against the rate, which is a lower bound on the
 * time that holds on any machine.
 */
import { LIMITS, MAX_FRAME_BYTES, type MigrationReport } from '@godwit/protocol'
import { type JobSpec, programFile, Rig } from '@godwit/testkit'
import { afterEach, expect, test } from 'vitest'

const MIXER = programFile(new URL('./support/programs/mixer.ts', import.meta.url).pathname)
const spec: JobSpec = {
  program: MIXER,
  steps: 1_000_000,
  parameters: { pages: 512, dirtyPages: 64, stepMs: 5 },
}
const RATE = 4_000_000

const rigs: Rig[] = []
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.close()))
})

function newRig(): Rig {
  const rig = new Rig()
  rigs.push(rig)
  return rig
}

/** Rounds, the parked one among them, that were sent faster than `rate` bytes a second. */
function tooFast({ rounds, streams }: MigrationReport, rate: number): unknown[] {
  const spareBytes = (LIMITS.paceBurstMs * rate) / 1000 + streams * MAX_FRAME_BYTES
  return rounds.filter(({ wireBytes, durationMs }) => wireBytes - spareBytes > (durationMs * rate) / 1000)
}

test.each([
  ['raw', 1],
  ['xor', 4],
] as const)('a limit holds in every round, codec %s over %i streams', async (codec, streams) => {
  const rig = newRig()
  const source = await rig.start(spec)
  const target = await rig.start(spec, { mode: 'incoming' })
  const options = { maxBandwidth: RATE, downtimeLimitMs: 10_000, codec, streams }
  const report = await rig.migrate(source, target, options)
  expect(tooFast(report, RATE)).toEqual([])
  expect(report.rounds[0]?.wireBytes, 'enough to be seen').toBeGreaterThan(RATE / 4)
  await rig.reached(target, rig.ledger.outputs.length + 5)
})

test('the oracle finds a round that is too fast', () => {
  const round = { pages: 1, pageBytes: 4096, wireBytes: RATE, steps: 1, codec: 'raw' } as const
  const rounds = [
    { ...round, durationMs: 500 },
    { ...round, durationMs: 1000 },
  ]
  expect(tooFast({ rounds, streams: 1 } as unknown as MigrationReport, RATE)).toEqual([rounds[0]])
})

test("the host's share holds where it is the smaller, and the forecast knows of it", async () => {
  const rig = newRig()
  const source = await rig.start(spec)
  const target = await rig.start(spec, { mode: 'incoming' })
  source.send({ type: 'bandwidth', bytesPerSecond: RATE })
  const report = await rig.migrate(source, target, { maxBandwidth: 10 * RATE, downtimeLimitMs: 10_000 })
  expect(tooFast(report, RATE)).toEqual([])
  // What one step dirties, at the boundary; before apply a whole compute may have drained.
  const last = report.rounds.at(-1)?.wireBytes ?? 0
  expect(report.downtimeMs).toBeGreaterThanOrEqual(
    ((last - MAX_FRAME_BYTES) / RATE) * 1000 - LIMITS.paceBurstMs,
  )
})

test('a migration that waits for its turn ends when it is cancelled', async () => {
  const rig = newRig()
  const source = await rig.start(spec)
  const target = await rig.start(spec, { mode: 'incoming' })
  const migrationId = await rig.open(source, target, { maxBandwidth: LIMITS.minBandwidth })
  await source.next('migrationProgress', ({ status }) => status === 'active')
  source.send({ type: 'cancelMigration', migrationId, error: { kind: 'cancelled', message: 'enough' } })
  expect(await source.next('migrationEnded')).toMatchObject({ status: 'cancelled' })
  await rig.reached(source, rig.ledger.outputs.length + 5)
})

test('what a migration does to steps is reported, and holding it back keeps no migration from its end', async () => {
  const rig = newRig()
  const source = await rig.start(spec)
  await rig.reached(source, 20)
  const target = await rig.start(spec, { mode: 'incoming' })
  const report = await rig.migrate(source, target, {
    maxSlowdown: 0.01,
    maxBandwidth: RATE,
    downtimeLimitMs: 10_000,
  })
  expect(report.stepSlowdown).toBeGreaterThan(-1)
  await rig.reached(target, rig.ledger.outputs.length + 5)
})
