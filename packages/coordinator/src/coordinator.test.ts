/**
 * Goal: the edge does what the protocol promises to agents and clients. Method: a real coordinator on a loopback
 * socket, with agents, workers and clients that the tests play message by message; every wait is for an event.
 */
import type { MigrationView } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Coordinator, startCoordinator } from './coordinator.ts'
import { FakeAgent, FakeClient, type FakeWorker, reportOf } from './support/fakes.ts'

let coordinator: Coordinator
let port: number
let client: FakeClient

beforeEach(async () => {
  coordinator = await startCoordinator({ port: 0 })
  port = coordinator.port
  client = await FakeClient.connect(port)
})
afterEach(() => coordinator.close())

const RUN = { op: 'run', program: '/programs/mlp.ts', parameters: {}, steps: 100, tracker: 'auto' } as const

interface Scene {
  a: FakeAgent
  b: FakeAgent
  source: FakeWorker
}

/** Workload `job` trains on host a under epoch 1 with three steps accepted; b is connected, the client follows. */
async function training(): Promise<Scene> {
  const a = await FakeAgent.registered(port, 'a')
  const b = await FakeAgent.registered(port, 'b')
  const running = client.ask({ ...RUN, id: 'job', host: 'a' })
  const source = await a.launched()
  source.prepared()
  await running
  await client.ask({ op: 'follow', workload: 'job' })
  source.steps(1, 0, 3)
  await client.steps(3)
  return { a, b, source }
}

interface Moving extends Scene {
  target: FakeWorker
  migration: MigrationView
}

/** The same, with source and target talking to each other. */
async function moving(): Promise<Moving> {
  const scene = await training()
  const { migration } = await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  const target = await scene.b.launched()
  target.prepared()
  await scene.source.told('openOutgoing')
  scene.source.say({ type: 'outgoingOpened', migrationId: migration.id, port: 4711 })
  await target.told('dial')
  scene.source.progress(migration.id, 'active')
  await client.migration(({ status }) => status === 'active')
  return { ...scene, target, migration }
}

/** The same, with the claim at step 5 granted and the steps before it accepted. */
async function claimed(): Promise<Moving> {
  const scene = await moving()
  const { source, target, migration } = scene
  source.steps(1, 3, 5)
  source.progress(migration.id, 'switchover', 5)
  await client.migration(({ status }) => status === 'switchover')
  target.say({ type: 'claim', migrationId: migration.id, fromStep: 5 })
  expect(await target.told('claimResult')).toMatchObject({ granted: true, epoch: 2 })
  return scene
}

test('a workload runs from launch to its end', async () => {
  const a = await FakeAgent.registered(port, 'a')
  const running = client.ask({ ...RUN, steps: 4, parameters: { width: 8 } })
  const worker = await a.launched()
  expect(worker.launch).toMatchObject({
    program: '/programs/mlp.ts',
    parameters: { width: 8 },
    steps: 4,
    mode: 'fresh',
    epoch: 1,
    tracker: 'auto',
  })
  worker.prepared()
  const { workload } = await running
  expect(workload).toMatchObject({ status: 'running', host: 'a', epoch: 1, tracker: 'compare' })
  expect(workload.id).toMatch(/^mlp-[a-z0-9]{4}$/)
  expect(worker.id.startsWith(`${workload.id}-e1`)).toBe(true)

  await client.ask({ op: 'follow', workload: workload.id, fromStep: 0 })
  worker.steps(1, 0, 2)
  expect(await worker.told('acknowledge')).toEqual({ type: 'acknowledge', step: 1 })
  worker.steps(1, 1, 4)
  expect((await client.steps(4)).map(({ step }) => step)).toEqual([0, 1, 2, 3])
  const stateDigest = 'b'.repeat(64)
  worker.say({ type: 'ended', epoch: 1, steps: 4, stateDigest })
  await worker.told('stop')
  const ended = await client.workload(({ status }) => status === 'finished')
  expect(ended).toMatchObject({ acceptedSteps: 4, stateDigest, loss: 0.25 })
  worker.exited()
  await expect(client.ask({ op: 'stop', workload: workload.id })).rejects.toMatchObject({
    kind: 'not-running',
  })
})

test('a migration completes, its report gets its lost time, and the source is let go only then', async () => {
  const { a, source, target, migration } = await claimed()
  expect(migration).toMatchObject({ workload: 'job', from: 'a', to: 'b', status: 'setup' })
  expect(target.launch).toMatchObject({ mode: 'incoming', epoch: 1, steps: 100, tracker: 'auto' })
  expect(await client.workload(({ epoch }) => epoch === 2)).toMatchObject({ host: 'b', acceptedSteps: 5 })

  source.say({
    type: 'migrationEnded',
    migrationId: migration.id,
    status: 'completed',
    report: reportOf(migration, 5, 2),
  })
  await client.migration(({ report }) => report !== undefined)
  expect(a.orders.all.some((order) => JSON.stringify(order).includes('release'))).toBe(false)
  target.steps(2, 5, 6)
  await source.told('release')
  const completed = await client.migration(({ status }) => status === 'completed')
  expect(completed.report).toMatchObject({ epoch: 2, lostTimeMs: null })
  source.exited()

  target.steps(2, 6, 15)
  const final = await client.migration(({ report }) => report?.lostTimeMs !== null)
  // Every step took 5 ms, as before: only the downtime is lost.
  expect(final.report?.lostTimeMs).toBe(6)
  const { workload } = await client.ask({ op: 'workload', workload: 'job' })
  expect(workload).toMatchObject({
    status: 'running',
    host: 'b',
    epoch: 2,
    acceptedSteps: 15,
    ranges: [
      { epoch: 1, host: 'a', fromStep: 0 },
      { epoch: 2, host: 'b', fromStep: 5 },
    ],
  })
  expect(workload.migration).toBeUndefined()
  expect((await client.ask({ op: 'migration', migration: migration.id })).migration).toEqual(final)
})
