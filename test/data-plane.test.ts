/**
 * Goal: however its bytes travel, a job that moves is the same job to the bit: over both park points, both trackers, both
 * codecs, one stream and four; and so is a job whose move was cancelled, given up, or taken back, wherever it was parked.
 * Method: real workers under a scripted coordinator; one job that moves once for each combination, against one
 * that never moves. Its pages are also written A-B-A while they are read: the write that a comparison can't see.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MigrationOptions, MigrationReport, TrackerKind } from '@godwit/protocol'
import { type JobSpec, lossBits, Rig, type RigWorker } from '@godwit/testkit'
import { afterEach, expect, test } from 'vitest'
import { trackersHere } from './support/needs.ts'

const program = fileURLToPath(new URL('./support/programs/mixer.ts', import.meta.url))
/** At their pace half a minute: more than is needed to move it once for each combination. */
const STEPS = 3000
const shape = { pages: 1500, dirtyPages: 200, flippedPages: 100, stepMs: 8 }

const rigs: Rig[] = []
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.close()))
})

interface Job {
  readonly rig: Rig
  readonly spec: JobSpec
  readonly hurryFile: string
}

/** A rig and a job for it, whose steps take no time once nothing is to be moved any more. */
function newJob(): Job {
  const rig = new Rig()
  rigs.push(rig)
  const hurryFile = join(rig.folder, 'hurry')
  return { rig, spec: { program, parameters: { ...shape, hurryFile }, steps: STEPS }, hurryFile }
}

let neverMoved: ReturnType<Rig['control']> | undefined

/** The job that never moves: the same for all of them. */
function control(): ReturnType<Rig['control']> {
  if (neverMoved === undefined) {
    const { rig, spec } = newJob()
    neverMoved = rig.control({ ...spec, parameters: { ...shape, stepMs: 0 } })
  }
  return neverMoved
}

async function expectAsNeverMoved({ rig, hurryFile }: Job, worker: RigWorker): Promise<void> {
  writeFileSync(hurryFile, '')
  const moved = await rig.finish(worker)
  const stayed = await control()
  expect(lossBits(moved.outputs)).toBe(lossBits(stayed.outputs))
  expect(moved.stateDigest).toBe(stayed.stateDigest)
}

type Combination = Pick<MigrationOptions, 'parkPoint' | 'codec' | 'streams'> & { tracker: TrackerKind }

/** Some of them where the same is run a second time, on another Node. */
const EVERY = process.env.GODWIT_MIGRATIONS === undefined ? 1 : 5

function combinations(): Combination[] {
  const all: Combination[] = []
  for (const parkPoint of ['boundary', 'preApply'] as const)
    for (const tracker of trackersHere())
      for (const codec of ['raw', 'xor'] as const)
        for (const streams of [1, 4]) all.push({ parkPoint, tracker, codec, streams })
  return all
}

/** Setup, rounds, and the last one within the downtime follow on each other from the beginning to the end. */
function expectTimeline(report: MigrationReport): void {
  const { rounds, setupMs, downtimeStartMs = Number.NaN, downtimeMs, totalMs, clockErrorMs } = report
  let endMs = setupMs
  for (const { startMs = Number.NaN, durationMs } of rounds) {
    expect(startMs).toBeGreaterThanOrEqual(endMs)
    // Sums of instants that are no whole numbers.
    endMs = startMs + durationMs - 1e-6
  }
  expect(downtimeStartMs).toBeGreaterThanOrEqual(setupMs)
  expect(downtimeStartMs).toBeLessThanOrEqual(rounds.at(-1)?.startMs ?? Number.NaN)
  expect(downtimeStartMs + downtimeMs).toBeLessThanOrEqual(totalMs + clockErrorMs)
}

test('every way to travel keeps every bit', { timeout: 240_000 }, async () => {
  const job = newJob()
  const { rig, spec } = job
  const list = combinations().filter((_, index) => index % EVERY === 0)
  let source = await rig.start({ ...spec, tracker: (list[0] as Combination).tracker })
  for (const [index, { tracker, ...options }] of list.entries()) {
    // The tracker that counts is the source's, which this target is next.
    const next = list[index + 1]?.tracker ?? tracker
    source.process.kill('SIGSTOP')
    const target = await rig.start({ ...spec, tracker: next }, { mode: 'incoming' })
    source.process.kill('SIGCONT')
    await rig.reached(source, rig.ledger.outputs.length + 3)
    const report = await rig.migrate(source, target, options)
    expect({ tracker: report.tracker, parkPoint: report.parkPoint, streams: report.streams }).toEqual({
      tracker,
      parkPoint: options.parkPoint,
      streams: options.streams,
    })
    expect(report.deltaBytes > 0).toBe(options.parkPoint === 'preApply')
    expect(report.rounds.reduce((pages, round) => pages + round.pages, 0)).toBeGreaterThanOrEqual(1500)
    expectTimeline(report)
    // In the first round nothing has a base; later ones have pages to send, and those are xored.
    if (options.codec === 'xor') expect(report.codec).toBe('xor')
    else expect(report.codec).toBe('raw')
    source = target
  }
  await expectAsNeverMoved(job, source)
})

for (const parkPoint of ['boundary', 'preApply'] as const) {
  test(`taken back after final, parked at ${parkPoint}: the source goes on where it stood`, {
    timeout: 120_000,
  }, async () => {
    const job = newJob()
    const { rig, spec } = job
    const source = await rig.start(spec)
    rig.grantClaims = false
    const target = await rig.start(spec, { mode: 'incoming' })
    const migrationId = await rig.open(source, target, { parkPoint })
    await target.next('claim')
    target.process.kill('SIGKILL')
    // Frozen: only the coordinator's word lets it go on.
    source.send({
      type: 'cancelMigration',
      migrationId,
      error: { kind: 'cancelled', message: 'changed my mind' },
    })
    await source.next('recover')
    rig.takeBack(source, migrationId)
    expect(await source.next('migrationEnded')).toMatchObject({ status: 'cancelled' })
    await expectAsNeverMoved(job, source)
  })

  test(`a switchover that is given up, parked at ${parkPoint}, loses nothing`, {
    timeout: 120_000,
  }, async () => {
    const job = newJob()
    const { rig, spec } = job
    const source = await rig.start(spec)
    const target = await rig.start(spec, { mode: 'incoming' })
    // No park is as short as that: each is given up, until there is no time left.
    await rig.open(source, target, { parkPoint, downtimeLimitMs: 1000, maxDowntimeMs: 1e-6, timeoutMs: 1500 })
    expect(await source.next('migrationEnded')).toMatchObject({
      status: 'failed',
      error: { kind: 'not-converging' },
    })
    await expectAsNeverMoved(job, source)
  })

  test(`cancelled while it waits for the park at ${parkPoint}`, { timeout: 120_000 }, async () => {
    const { rig } = newJob()
    const spec = { program, parameters: { ...shape, stepMs: 300, dirtyPages: 1, flippedPages: 0 }, steps: 60 }
    const source = await rig.start(spec)
    const target = await rig.start(spec, { mode: 'incoming' })
    const migrationId = await rig.open(source, target, { parkPoint, method: 'stopcopy' })
    await source.next('migrationProgress', ({ status }) => status === 'switchover')
    source.send({ type: 'cancelMigration', migrationId, error: { kind: 'cancelled', message: 'no' } })
    expect(await source.next('migrationEnded')).toMatchObject({ status: 'cancelled' })
    const before = rig.ledger.outputs.length
    await rig.reached(source, before + 1)
  })
}

test('what can never converge ends as was chosen: given up, forced, throttled, or with a higher limit', {
  timeout: 240_000,
}, async () => {
  const { rig } = newJob()
  const busy = { ...shape, dirtyPages: 1400, stepMs: 0 }
  const spec = { program, parameters: busy, steps: 1_000_000 }
  let source = await rig.start(spec)
  const options = { parkPoint: 'boundary', downtimeLimitMs: 0.01, maxDowntimeMs: 60_000 } as const

  const stays = await rig.start(spec, { mode: 'incoming' })
  const given = await rig.open(source, stays, { ...options, onStall: 'giveUp' })
  expect(await source.next('migrationEnded', ({ migrationId }) => migrationId === given)).toMatchObject({
    status: 'failed',
    error: { kind: 'not-converging', message: expect.stringContaining('no longer shrink') },
  })

  for (const [how, why] of [
    [{ timeoutMs: 1500, onTimeout: 'force' }, 'forced after 1500 ms'],
    [{ onStall: 'raiseLimit' }, 'no longer shrink'],
    [{ onStall: 'throttle', timeoutMs: 6000, onTimeout: 'force' }, ''],
  ] as [Partial<MigrationOptions>, string][]) {
    const target = await rig.start(spec, { mode: 'incoming' })
    const report = await rig.migrate(source, target, { ...options, ...how })
    expect(report.parkReason).toContain(why)
    const { step } = report
    // It goes on at full speed: a throttle does not travel.
    await rig.reached(target, step + 20)
    source = target
  }
})
