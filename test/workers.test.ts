/**
 * Goal: what two workers owe each other beyond a good move: refusing what would not be the same job, passing on a job
 * that stands still, giving up a switchover that takes too long, and going back when the target is lost after `final`.
 * Method: pairs of real workers with the coordinator's answers scripted.
 */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LIMITS } from '@godwit/protocol'
import { type JobSpec, lossBits, programFile, Rig } from '@godwit/testkit'
import { afterEach, expect, test } from 'vitest'

const MIXER = programFile(new URL('./support/programs/mixer.ts', import.meta.url).pathname)
const spec: JobSpec = {
  program: MIXER,
  steps: 100_000,
  parameters: { pages: 512, dirtyPages: 64, stepMs: 1 },
}

const rigs: Rig[] = []
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.close()))
})

function newRig(): Rig {
  const rig = new Rig()
  rigs.push(rig)
  return rig
}

test.each([
  ['parameters', { parameters: { ...spec.parameters, seed: 2 } }, 'parameters-differ'],
  [
    'a program',
    {
      program: programFile(new URL('./support/programs/transcendental.ts', import.meta.url).pathname),
      parameters: {},
    },
    'program-differs',
  ],
])('a target with other %s is refused, and the source trains on', async (_what, change, kind) => {
  const rig = newRig()
  const source = await rig.start(spec)
  const target = await rig.start({ ...spec, ...change }, { mode: 'incoming' })
  const migrationId = await rig.open(source, target)
  const ended = await source.next('migrationEnded', (message) => message.migrationId === migrationId)
  expect(ended).toMatchObject({ status: 'failed', error: { kind, phase: 'setup' } })
  expect(await target.next('failed')).toMatchObject({ error: { kind } })
  expect(await target.exited).toBe(1)
  await rig.reached(source, rig.ledger.outputs.length + 5)
})

test('a worker that would take more memory than its host gives says so before it computes anything', async () => {
  const rig = newRig()
  await expect(rig.start(spec, { launch: { memoryLimitBytes: 4096 } })).rejects.toThrow(/out-of-memory/)
})

test.each(['userfaultfd', 'compare'] as const)(
  'over four streams with the %s tracker the bits are the same',
  async (tracker) => {
    const rig = newRig()
    const hurryFile = join(rig.folder, 'hurry')
    const job = { ...spec, tracker, steps: 600, parameters: { ...spec.parameters, stepMs: 50, hurryFile } }
    let source = await rig.start(job)
    for (let move = 0; move < 2; move++) {
      const target = await rig.start(job, { mode: 'incoming' })
      const report = await rig.migrate(source, target, { streams: 4 })
      expect(report).toMatchObject({ streams: 4, tracker })
      source = target
    }
    writeFileSync(hurryFile, '')
    const moved = await rig.finish(source)
    const control = await rig.control(job)
    expect(moved.stateDigest).toBe(control.stateDigest)
    expect(lossBits(moved.outputs) === lossBits(control.outputs)).toBe(true)
  },
)

test('a switchover that takes longer than it may is given up, training goes on, and the next attempt is complete', async () => {
  const rig = newRig()
  const source = await rig.start(spec)
  const target = await rig.start(spec, { mode: 'incoming' })
  // The forecast allows it; no real switchover is that short.
  const migrationId = await rig.open(source, target, { maxDowntimeMs: 0.01, timeoutMs: 1500 })
  const ended = await source.next('migrationEnded', (message) => message.migrationId === migrationId)
  expect(ended).toMatchObject({ status: 'failed', error: { kind: 'not-converging' } })
  const second = await rig.start(spec, { mode: 'incoming' })
  const report = await rig.migrate(source, second)
  expect(report.parks).toBe(1)
  await rig.reached(second, report.step + 5)
})

test('the source stays frozen after final until it is told, and goes on under the epoch it is given', async () => {
  const rig = newRig()
  rig.grantClaims = false
  const source = await rig.start(spec)
  const target = await rig.start(spec, { mode: 'incoming' })
  const migrationId = await rig.open(source, target)
  const { fromStep } = await target.next('claim')
  target.process.kill('SIGKILL')
  await target.exited
  await source.next('recover', (message) => message.migrationId === migrationId)
  expect(rig.ledger.outputs.length).toBeLessThanOrEqual(fromStep)
  source.send({ type: 'recoverResult', migrationId, granted: false, epoch: 1 })
  source.send({ type: 'recoverResult', migrationId, granted: true, epoch: 7 })
  const ended = await source.next('migrationEnded', (message) => message.migrationId === migrationId)
  expect(ended).toMatchObject({ status: 'failed', error: { phase: 'switchover' } })
  await rig.reached(source, fromStep + 5)
  for (const { step, epoch } of rig.ledger.outputs) expect(epoch).toBe(step < fromStep ? 1 : 7)
})

test('a target whose claim is refused ends without a word to the world', async () => {
  const rig = newRig()
  rig.grantClaims = false
  const source = await rig.start(spec)
  const target = await rig.start(spec, { mode: 'incoming' })
  await rig.open(source, target)
  const claim = await target.next('claim')
  target.send({ type: 'claimResult', migrationId: claim.migrationId, granted: false, epoch: 4 })
  expect(await target.exited).toBe(1)
  expect(await target.next('failed')).toMatchObject({ error: { kind: 'claim-refused', phase: 'switchover' } })
  // What it had computed ahead never came out. What its spool brought along is the source's and stamped so.
  for (const { epoch } of rig.ledger.outputs) expect(epoch).toBe(1)
})

test('a worker without an agent ends itself, with one it stays', async () => {
  const rig = newRig()
  const worker = await rig.start(spec, { launch: { orphanTimeoutMs: 300 } })
  await rig.reached(worker, 600)
  worker.disconnect()
  await once(worker.process, 'exit')
  expect(worker.process.exitCode).toBe(3)
})

test('outputs wait for a coordinator that does not answer, the thread holds when the spool is full, and none is lost', async () => {
  const rig = newRig()
  rig.acknowledges = false
  const job = { ...spec, steps: 3000, parameters: { ...spec.parameters, stepMs: 0 } }
  const worker = await rig.start(job)
  await rig.reached(worker, LIMITS.maxSpooledOutputs - 1)
  expect(rig.ledger.outputs.length).toBe(LIMITS.maxSpooledOutputs)
  rig.acknowledges = true
  worker.send({ type: 'acknowledge', step: rig.ledger.outputs.length - 1 })
  const { outputs } = await rig.finish(worker)
  expect(outputs).toHaveLength(3000)
})

test('a second agent that connects before the first is gone leaves the worker training', async () => {
  const rig = newRig()
  const worker = await rig.start(spec, { launch: { orphanTimeoutMs: 400 } })
  await worker.connectAgain()
  // Well past the orphan timeout, in steps of at least a millisecond.
  await rig.reached(worker, rig.ledger.outputs.length + 1000)
  expect(worker.hasEnded).toBe(false)
})

test('a small state that grew too large to move fails the migration, not the job', async () => {
  const rig = newRig()
  const swollen = {
    ...spec,
    program: programFile(new URL('./support/programs/swollen.ts', import.meta.url).pathname),
    parameters: {},
  }
  const source = await rig.start(swollen)
  const target = await rig.start(swollen, { mode: 'incoming' })
  const migrationId = await rig.open(source, target)
  const ended = await source.next('migrationEnded', (message) => message.migrationId === migrationId)
  expect(ended).toMatchObject({ status: 'failed', error: { kind: 'too-large', phase: 'switchover' } })
  await rig.reached(source, rig.ledger.outputs.length + 5)
})

test('a program that ends its thread is a failed job, not one that hangs', async () => {
  const rig = newRig()
  const worker = await rig.start({ ...spec, parameters: { ...spec.parameters, failIn: 'exit', failAt: 30 } })
  expect(await worker.next('failed')).toMatchObject({
    error: { kind: 'program-failed', message: expect.stringContaining('step 30') },
  })
  expect(await worker.exited).toBe(1)
})
