/**
 * Goal: a job whose worker is killed goes on from its checkpoint, or from its beginning, as if nothing had been: the same bits at every step,
 * the same memory at the end, wherever the kill fell. Method: real workers under a scripted coordinator, killed by SIGKILL at
 * steps drawn from a seed and at named points of the code, against a worker that runs through.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CheckpointReport, LIMITS, type TrackerKind } from '@godwit/protocol'
import { type JobSpec, lossBits, Rig, type RigWorker, seededSteps } from '@godwit/testkit'
import { afterEach, expect, test } from 'vitest'
import { mountSmallDisk, trackersHere, whyNoMount } from './support/needs.ts'

const program = fileURLToPath(new URL('./support/programs/mixer.ts', import.meta.url))
/** A few pages a step, so that a chain is one on a slow machine too. */
const shape = { pages: 1200, dirtyPages: 2, stepMs: 10 }

/** Enough for what is done to it; what is left of them at the end takes no time. */
const STEPS = 5000

const rigs: Rig[] = []
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.close()))
})

interface Job {
  readonly rig: Rig
  readonly spec: JobSpec
  readonly hurryFile: string
  readonly folder: string
}

/** A job whose steps take no time once nothing is to happen to it any more. */
function newJob(tracker: TrackerKind | 'auto' = 'auto'): Job {
  const rig = new Rig()
  rigs.push(rig)
  const hurryFile = join(rig.folder, 'hurry')
  const spec = { program, parameters: { ...shape, hurryFile }, steps: STEPS, tracker }
  return { rig, spec, hurryFile, folder: join(rig.folder, 'checkpoint') }
}

const controls = new Map<string, ReturnType<Rig['control']>>()

/** The same job in one piece: once for all tests that have the same. */
function controlOf(rig: Rig, spec: JobSpec): ReturnType<Rig['control']> {
  const job = JSON.stringify([spec.steps, { ...spec.parameters, hurryFile: '' }])
  const control = controls.get(job) ?? rig.control(spec)
  controls.set(job, control)
  return control
}

async function expectAsNeverLost({ rig, spec, hurryFile }: Job, worker: RigWorker): Promise<void> {
  writeFileSync(hurryFile, '')
  const restored = await rig.finish(worker)
  const control = await controlOf(rig, spec)
  expect(lossBits(restored.outputs)).toBe(lossBits(control.outputs))
  expect(restored.stateDigest).toBe(control.stateDigest)
}

/** A worker in the place of one that is gone, told to go on. */
async function restore({ rig, spec }: Job, options: Parameters<Rig['start']>[1] = {}): Promise<RigWorker> {
  const worker = await rig.start(spec, { ...options, mode: 'restored' })
  rig.resume(worker)
  return worker
}

async function written(rig: Rig, worker: RigWorker): Promise<CheckpointReport> {
  const { report, error } = await rig.checkpoint(worker)
  if (report === undefined) throw new Error(`no checkpoint: ${JSON.stringify(error)}\n${worker.log}`)
  return report
}

for (const tracker of trackersHere()) {
  test(`a chain of checkpoints, with ${tracker}: killed and restored it is the same job`, async () => {
    const job = newJob(tracker)
    const { rig, spec, folder } = job
    // Not due before the test ends, but what was dirtied since the last is known.
    const launch = { checkpointEveryMs: 3_600_000 }
    const first = await rig.start(spec, { launch })
    await first.next('checkpointed')
    await rig.reached(first, rig.ledger.outputs.length + 5)
    const second = await written(rig, first)
    expect(second.incremental).toBe(true)
    expect(second.pages).toBeLessThan(shape.pages)
    expect(second.stallMs).toBeGreaterThan(0)
    await rig.reached(first, second.step + 10)
    const third = await written(rig, first)
    expect(third.step).toBeGreaterThan(second.step)
    expect(readdirSync(folder).sort()).toEqual([
      'checkpoint.bin',
      'pages-1-1.bin',
      'pages-1-2.bin',
      'pages-1-3.bin',
    ])
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    await rig.kill(first)

    const restored = await rig.start(spec, { mode: 'restored', launch })
    const { restored: found } = await restored.next('prepared')
    expect(found).toEqual({ step: third.step, epoch: 1 })
    expect(restored.received.some(({ type }) => type === 'outputs')).toBe(false)
    rig.resume(restored)
    // Its own chain begins with everything, and what the one before consisted of goes.
    const { report } = await restored.next('checkpointed')
    expect(report?.incremental).toBe(false)
    expect(readdirSync(folder).sort()).toEqual(['checkpoint.bin', 'pages-2-1.bin'])
    await expectAsNeverLost(job, restored)
  })
}

test('a job that writes nearly all it has in each step, killed again and again, is restored each time', async () => {
  const { spec: sparse, ...rest } = newJob()
  // Some pages are also written A-B-A while they are read.
  const dense = { dirtyPages: 1000, flippedPages: 100, stepMs: 8 }
  const spec = { ...sparse, parameters: { ...sparse.parameters, ...dense }, steps: 800 }
  const job = { ...rest, spec }
  const { rig } = job
  const { random, replay } = seededSteps('kills of a job with checkpoints')
  let worker = await rig.start(spec)
  try {
    for (let kills = 0; kills < 3; kills++) {
      const from = rig.ledger.outputs.length
      await rig.reached(worker, from + 1 + random(30))
      const asked = rig.checkpoint(worker).catch(() => {})
      // While it is being written, or after it.
      if (random(2) === 0) await asked
      await rig.reached(worker, rig.ledger.outputs.length + random(10))
      await rig.kill(worker)
      worker = await restore(job)
    }
    await expectAsNeverLost(job, worker)
  } catch (error) {
    throw new Error(replay, { cause: error })
  }
})

const points: readonly [string, 'before' | 'new'][] = [
  ['after-park:checkpoint', 'before'],
  ['before-rename:checkpoint-manifest', 'before'],
  ['after-rename:checkpoint-manifest', 'new'],
]
test('killed at any point of the writing, the checkpoint before is there until the new one is', async () => {
  const job = newJob()
  const { rig, spec } = job
  const begun = await rig.start(spec)
  let before = (await written(rig, begun)).step
  await rig.kill(begun)
  for (const [point, found] of points) {
    const worker = await rig.start(spec, {
      mode: 'restored',
      env: { GODWIT_CRASH_POINTS: `worker/${point}` },
    })
    const { restored } = await worker.next('prepared')
    expect([point, restored]).toMatchObject([point, { step: before }])
    rig.resume(worker)
    await rig.reached(worker, rig.ledger.outputs.length + 3)
    worker.send({ type: 'checkpoint', checkpointId: 'killed' })
    await worker.exited
    await worker.silent()
    if (found === 'new') {
      const next = await rig.start(spec, { mode: 'restored' })
      const { restored: newer } = await next.next('prepared')
      expect(newer?.step).toBeGreaterThan(before)
      before = newer?.step as number
      rig.resume(next)
      await expectAsNeverLost(job, next)
    }
  }
})

test('without a checkpoint, or with one that is torn, the job begins again, and says why', async () => {
  const job = newJob()
  const { rig, spec, folder } = job
  const first = await rig.start(spec)
  await rig.reached(first, 10)
  await rig.kill(first)
  const second = await rig.start(spec, { mode: 'restored' })
  expect((await second.next('prepared')).restored).toMatchObject({
    step: 0,
    error: { kind: 'checkpoint-unusable', message: expect.stringContaining('there is none') },
  })
  // Nothing happens before it is told to, and then once.
  second.send({ type: 'checkpoint', checkpointId: 'too-early' })
  expect(await second.next('checkpointed')).toMatchObject({ error: { kind: 'not-running' } })
  expect(second.received.some(({ type }) => type === 'outputs')).toBe(false)
  rig.resume(second)
  rig.resume(second)
  await rig.reached(second, rig.ledger.outputs.length + 5)
  expect(rig.ledger.outputs.at(-1)?.epoch).toBe(2)
  await written(rig, second)
  await rig.kill(second)

  const file = join(folder, 'pages-2-1.bin')
  truncateSync(file, statSync(file).size - 1)
  const third = await rig.start(spec, { mode: 'restored' })
  expect((await third.next('prepared')).restored).toMatchObject({
    step: 0,
    error: { message: expect.stringContaining('pages-2-1.bin has') },
  })
  rig.resume(third)
  await expectAsNeverLost(job, third)
})

test('outputs that nobody acknowledged are in the checkpoint, and go out first', async () => {
  const job = newJob()
  const { rig, spec } = job
  rig.acknowledges = false
  const first = await rig.start(spec)
  await rig.reached(first, 20)
  const { step } = await written(rig, first)
  await rig.kill(first)
  rig.acknowledges = true
  const worker = await restore(job)
  const { outputs } = await worker.next('outputs')
  expect(outputs[0]).toEqual(rig.ledger.outputs[0])
  expect(outputs.slice(0, step).map(({ epoch }) => epoch)).toEqual(new Array(step).fill(1))
  await expectAsNeverLost(job, worker)
})

const wholeSteps = fileURLToPath(new URL('../packages/worker/src/fixtures/whole-steps.ts', import.meta.url))
for (const [what, given] of [
  ['splits its step', { program, parameters: { pages: 50, dirtyPages: 5, stepMs: 0 } }],
  ['does not', { program: wholeSteps, parameters: {} }],
] as const) {
  test(`a job that stands because its spool is full has checkpoints too: one that ${what}`, async () => {
    const { rig } = newJob()
    const spec = { ...given, steps: LIMITS.maxSpooledOutputs + 100 }
    rig.acknowledges = false
    const first = await rig.start(spec)
    await rig.reached(first, LIMITS.maxSpooledOutputs - 1)
    expect((await written(rig, first)).step).toBe(LIMITS.maxSpooledOutputs)
    await rig.kill(first)
    rig.acknowledges = true
    const worker = await rig.start(spec, { mode: 'restored' })
    rig.resume(worker)
    const restored = await rig.finish(worker)
    const control = await rig.control(spec)
    expect(lossBits(restored.outputs)).toBe(lossBits(control.outputs))
    expect(restored.stateDigest).toBe(control.stateDigest)
  })
}

test('a checkpoint and a migration at once lose nothing of each other', async () => {
  const job = newJob()
  const { rig, spec } = job
  const launch = { checkpointEveryMs: 1000 }
  let source = await rig.start(spec, { launch })
  for (const parkPoint of ['boundary', 'preApply'] as const) {
    const target = await rig.start(spec, { mode: 'incoming', launch })
    const asked = rig.checkpoint(source).catch(() => undefined)
    const report = await rig.migrate(source, target, { parkPoint })
    expect(report.parkPoint).toBe(parkPoint)
    const answer = await asked
    if (answer?.report === undefined && answer?.error !== undefined)
      expect(answer.error.kind).toBe('checkpoint-failed')
    source = target
    // One that has moved has one on its new host before long.
    await source.next('checkpointed')
  }
  const { step } = await written(rig, source)
  await rig.kill(source)
  const restored = await rig.start(spec, { mode: 'restored' })
  expect((await restored.next('prepared')).restored?.step).toBeGreaterThanOrEqual(step)
  rig.resume(restored)
  // And moves like any other.
  const target = await rig.start(spec, { mode: 'incoming' })
  await rig.migrate(restored, target)
  await expectAsNeverLost(job, target)
})

test('a checkpoint that is asked for while the switchover is taken back waits for it', async () => {
  const job = newJob()
  const { rig, spec } = job
  const source = await rig.start(spec)
  rig.grantClaims = false
  const target = await rig.start(spec, { mode: 'incoming' })
  const migrationId = await rig.open(source, target)
  await target.next('claim')
  const asked = rig.checkpoint(source)
  target.process.kill('SIGKILL')
  await source.next('recover')
  expect(source.received.some(({ type }) => type === 'checkpointed')).toBe(false)
  rig.takeBack(source, migrationId)
  const { report } = await asked
  expect(report?.step).toBeGreaterThan(0)
  await expectAsNeverLost(job, source)
})

const noMount = whyNoMount()
test.skipIf(noMount !== undefined)(
  `a full disk ends the checkpoint, not the job, and the next one has its pages ${noMount ?? ''}`,
  async () => {
    const job = newJob()
    const { rig, hurryFile } = job
    const spec = { ...job.spec, parameters: { ...shape, pages: 24, dirtyPages: 2, hurryFile } }
    const disk = join(rig.folder, 'disk')
    mkdirSync(disk)
    mountSmallDisk(disk)
    try {
      const launch = { checkpointEveryMs: 3_600_000, checkpointFolder: join(disk, 'checkpoint') }
      const worker = await rig.start(spec, { launch })
      const { report } = await worker.next('checkpointed')
      expect(report?.pages).toBe(24)
      const ballast = join(disk, 'ballast')
      writeFileSync(ballast, Buffer.alloc(256 * 1024 - (report?.fileBytes ?? 0) - 16_384))
      await rig.reached(worker, rig.ledger.outputs.length + 30)
      const { error } = await rig.checkpoint(worker)
      expect(error).toMatchObject({ kind: 'disk-full' })
      rmSync(ballast)
      const next = await written(rig, worker)
      expect(next.incremental).toBe(true)
      await rig.reached(worker, next.step + 5)
      await rig.kill(worker)
      const restored = await rig.start(spec, { mode: 'restored', launch })
      expect((await restored.next('prepared')).restored).toEqual({ step: next.step, epoch: 1 })
      rig.resume(restored)
      await expectAsNeverLost({ ...job, spec }, restored)
    } finally {
      for (const worker of rig.workers) worker.process.kill('SIGKILL')
      await Promise.all(rig.workers.map(({ exited }) => exited))
      execFileSync('umount', [disk])
    }
  },
)
