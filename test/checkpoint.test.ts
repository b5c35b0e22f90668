/**
 * Goal: a job whose worker is killed goes on from its checkpoint, or from its beginning, as if nothing had been: the same bits at every step,
 * the same memory at the end, wherever the kill fell. Method: real workers under a scripted coordinator, killed by SIGKILL at
 * steps drawn from a seed and at named points of the code, against a worker that runs through.
 */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CheckpointReport, TrackerKind } from '@godwit/protocol'
import { type JobSpec, lossBits, Rig, type RigWorker } from '@godwit/testkit'
import { afterEach, expect, test } from 'vitest'
import { trackersHere } from './support/needs.ts'

const program = fileURLToPath(new URL('./support/programs/mixer.ts', import.meta.url))
const shape = { pages: 3000, dirtyPages: 60, stepMs: 3 }

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
function newJob(steps: number, tracker: TrackerKind | 'auto' = 'auto'): Job {
  const rig = new Rig()
  rigs.push(rig)
  const hurryFile = join(rig.folder, 'hurry')
  const spec = { program, parameters: { ...shape, hurryFile }, steps, tracker }
  return { rig, spec, hurryFile, folder: join(rig.folder, 'checkpoint') }
}

async function expectAsNeverLost({ rig, spec, hurryFile }: Job, worker: RigWorker): Promise<void> {
  writeFileSync(hurryFile, '')
  const restored = await rig.finish(worker)
  const control = await rig.control(spec)
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
    const job = newJob(900, tracker)
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
      'pages-1.bin',
      'pages-2.bin',
      'pages-3.bin',
    ])
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    await rig.kill(first)

    const restored = await rig.start(spec, { mode: 'restored', launch })
    const { restored: found } = await restored.next('prepared')
    expect(found).toEqual({ step: third.step })
    expect(restored.received.some(({ type }) => type === 'outputs')).toBe(false)
    rig.resume(restored)
    // Its own chain begins with everything, and what the one before consisted of goes.
    const { report } = await restored.next('checkpointed')
    expect(report?.incremental).toBe(false)
    expect(readdirSync(folder).sort()).toEqual(['checkpoint.bin', 'pages-4.bin'])
    await rig.reached(restored, rig.ledger.outputs.length + 5)
    await rig.kill(restored)
    await expectAsNeverLost(job, await restore(job))
  })
}
