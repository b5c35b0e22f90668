/**
 * Goal: a run is recorded whole, moved when and where it was planned, and whatever goes wrong with it is thrown.
 * Method: a scripted coordinator that trains one step after the other as long as somebody follows.
 */
import { CoordinatorClient } from '@godwit/client'
import { type Connection, FakeCoordinator } from '@godwit/client/testing'
import type { MigrationView, WorkloadView } from '@godwit/protocol'
import { migrationLike, reportLike, workloadLike } from '@godwit/protocol/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RecordedRun, type RunPlan } from './recorded-run.ts'

const STEPS = 100
const DIGEST = 'd'.repeat(64)

let coordinator: FakeCoordinator
let client: CoordinatorClient
beforeEach(async () => {
  coordinator = new FakeCoordinator()
  await coordinator.start()
  client = await CoordinatorClient.connect(coordinator.url)
})
afterEach(async () => {
  client.close()
  await coordinator.stop()
})

function plan(migrationSteps: readonly number[]): RunPlan {
  return {
    request: { op: 'run', program: 'p', parameters: {}, steps: STEPS, tracker: 'auto', host: 'a' },
    migrationSteps,
    hosts: ['a', 'b'],
    downtimeLimitMs: 50,
  }
}

/** A workload that takes a step each turn of the event loop; `outcome` is how each migration ends. */
function train(outcome: Partial<MigrationView>, lastStep = STEPS, end: Partial<WorkloadView> = {}): void {
  let connection: Connection | undefined
  let workload = workloadLike({ steps: STEPS })
  let migration = migrationLike()
  let step = 0
  const turn = () => {
    if (step === lastStep) {
      workload = { ...workload, status: 'finished', acceptedSteps: step, stateDigest: DIGEST, ...end }
      connection?.event('job', { kind: 'workload', workload })
      return
    }
    const output = { step: step++, epoch: workload.epoch, loss: 1 / step, stepMs: 1 }
    connection?.event('job', { kind: 'steps', outputs: [output] })
    setImmediate(turn)
  }
  coordinator.script = (request, from) => {
    connection = from
    switch (request.op) {
      case 'run':
        return { workload }
      case 'follow':
        setImmediate(turn)
        return { workload }
      case 'migrate':
        if (request.to === undefined) throw new Error('the demo names its targets')
        migration = migrationLike({ id: `m-${request.to}`, from: workload.host, to: request.to })
        workload = { ...workload, host: request.to }
        setImmediate(() => {
          migration = { ...migration, status: 'completed', report: reportLike({ step }), ...outcome }
          from.event('job', { kind: 'migration', migration })
        })
        return { migration }
      case 'migration':
        return { migration: { ...migration, id: request.migration } }
      default:
        return {}
    }
  }
}

function record(migrationSteps: readonly number[]): RecordedRun {
  return new RecordedRun(client, plan(migrationSteps), { stepped: () => {}, migration: () => {} })
}

test('records every step and moves there and back where planned', async () => {
  train({})
  const run = record([10, 50])
  expect(await run.run()).toHaveLength(2)
  expect(run.recorder.bits.size).toBe(STEPS)
  expect(run.recorder.repeated).toEqual([])
  expect(run.recorder.stateDigest).toBe(DIGEST)
  const asked = coordinator.requests.filter((request) => request.op === 'migrate')
  expect(asked.map((request) => request.to)).toEqual(['b', 'a'])
  expect(asked[0]?.options.downtimeLimitMs).toBe(50)
  const [first = 0, second = 0] = run.marks
  expect(first).toBeGreaterThan(10)
  expect(second).toBeGreaterThan(50)
  expect(coordinator.requests.slice(-3).map(({ op }) => op)).toEqual(['migration', 'migration', 'unfollow'])
})

test('a migration that fails is thrown with its reason', async () => {
  train({ status: 'failed', error: { kind: 'not-converging', message: 'too slow' } })
  await expect(record([10]).run()).rejects.toMatchObject({
    kind: 'not-converging',
    message: 'the migration to b failed: too slow',
  })
})

test('a workload that fails, and one that ends too early, are thrown', async () => {
  train({}, 20, { status: 'failed', error: { kind: 'program-failed', message: 'it threw' } })
  await expect(record([50]).run()).rejects.toMatchObject({ kind: 'program-failed' })
  train({}, 20, { status: 'stopped' })
  await expect(record([50]).run()).rejects.toMatchObject({ kind: 'not-running' })
  train({}, 20)
  await expect(record([50]).run()).rejects.toMatchObject({ kind: 'workload-ended' })
})
