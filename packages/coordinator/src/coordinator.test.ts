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

const RUN = {
  op: 'run',
  program: '/programs/mlp.ts',
  parameters: {},
  steps: 100,
  tracker: 'compare',
} as const

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
    tracker: 'compare',
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
  expect(target.launch).toMatchObject({ mode: 'incoming', epoch: 1, steps: 100, tracker: 'compare' })
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

test('without a host the one with most memory left is taken, and a used id is refused', async () => {
  await expect(client.ask(RUN)).rejects.toMatchObject({ kind: 'host-disconnected' })
  const small = await FakeAgent.registered(port, 'small', { memoryBytes: 10_000 })
  const large = await FakeAgent.registered(port, 'large', { memoryBytes: 15_000 })
  const first = client.ask({ ...RUN, id: 'one' })
  // With its shadow it takes 8192 bytes: now the small host has more left.
  const one = await large.launched()
  one.prepared()
  expect((await first).workload.host).toBe('large')
  const second = client.ask({ ...RUN, id: 'two' })
  const two = await small.launched()
  two.say({ type: 'failed', error: { kind: 'data-missing', message: 'no such file' } })
  await expect(second).rejects.toMatchObject({ kind: 'data-missing', message: 'no such file' })
  await expect(client.ask({ ...RUN, id: 'one' })).rejects.toMatchObject({ kind: 'bad-arguments' })
  await expect(client.ask({ ...RUN, id: 'x'.repeat(199) })).rejects.toMatchObject({ kind: 'bad-arguments' })
  // Nothing of the second ever counted: its name is free.
  const again = client.ask({ ...RUN, id: 'two', host: 'small' })
  const retried = await small.launched()
  retried.prepared()
  expect((await again).workload).toMatchObject({ id: 'two', status: 'running' })
  const { hosts } = await client.ask({ op: 'hosts' })
  expect(hosts.map(({ name, workloads }) => [name, workloads])).toEqual([
    ['small', ['two']],
    ['large', ['one']],
  ])
})

test('what is unknown or impossible is said by kind', async () => {
  const { a } = await training()
  const asks = [
    [{ op: 'workload', workload: 'none' }, 'unknown-workload'],
    [{ op: 'follow', workload: 'none' }, 'unknown-workload'],
    [{ op: 'stop', workload: 'none' }, 'unknown-workload'],
    [{ op: 'migration', migration: 'none' }, 'unknown-migration'],
    [{ op: 'cancel', workload: 'job' }, 'unknown-migration'],
    [{ op: 'migrate', workload: 'job', to: 'c', options: {} }, 'unknown-host'],
    [{ op: 'migrate', workload: 'job', to: 'a', options: {} }, 'already-there'],
    [{ ...RUN, host: 'c' }, 'unknown-host'],
  ] as const
  for (const [request, kind] of asks) {
    await expect(client.ask<never>(request as never), JSON.stringify(request)).rejects.toMatchObject({ kind })
  }
  await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  await expect(client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })).rejects.toMatchObject({
    kind: 'already-migrating',
  })
  await a.close()
  await expect(client.ask({ ...RUN, host: 'a' })).rejects.toMatchObject({ kind: 'host-disconnected' })
})

test('a message that is none ends that connection, and the others do not notice', async () => {
  const { a, b, source } = await training()
  const other = await FakeClient.connect(port)
  other.sendRubbish()
  expect(await other.closed).toMatchObject({ kind: 'connection-lost' })
  b.send({ type: 'nonsense' } as never)
  expect(await b.closed).toMatchObject({ kind: 'connection-lost' })
  a.send({ type: 'fromWorker', workerId: 'job-e9', message: { type: 'outputs', outputs: [] } })
  source.say({ type: 'claim', migrationId: 'none', fromStep: 3 })
  source.steps(1, 3, 4)
  expect((await client.steps(1))[0]?.step).toBe(3)
})

test('agents are refused for a taken name, no common version, or anything before they register', async () => {
  await FakeAgent.registered(port, 'a')
  const twin = await FakeAgent.connect(port, 'a')
  twin.register()
  expect((await twin.order('refused')).error.kind).toBe('host-name-taken')
  await twin.closed
  const modern = await FakeAgent.connect(port, 'modern')
  modern.register({ versions: { min: 90, max: 99 } })
  expect((await modern.order('refused')).error.kind).toBe('protocol-version')
  const rude = await FakeAgent.connect(port, 'rude')
  rude.send({ type: 'workerExited', workerId: 'w' })
  expect(await rude.closed).toMatchObject({ kind: 'connection-lost' })
  const { hosts } = await client.ask({ op: 'hosts' })
  expect(hosts.map(({ name }) => name)).toEqual(['a'])
})

test('followers get every accepted step once, in order, wherever they begin', async () => {
  const { source } = await training()
  source.steps(1, 3, 200)
  source.steps(1, 200, 400)
  source.steps(1, 400, 600)
  await client.steps(597)
  const late = await FakeClient.connect(port)
  const { workload } = await late.ask({ op: 'follow', workload: 'job', fromStep: 0 })
  expect(workload.acceptedSteps).toBe(600)
  source.steps(1, 600, 650)
  const all = await late.steps(650)
  expect(all.map(({ step }) => step)).toEqual(Array.from({ length: 650 }, (_, step) => step))
  expect(all[649]).toEqual({ step: 649, epoch: 1, loss: 1 / 650, stepMs: 5 })
  // A gap, a repeat and a foreign epoch count for nothing.
  source.steps(1, 700, 710)
  source.steps(1, 640, 650)
  source.steps(2, 650, 660)
  source.steps(1, 650, 651)
  expect((await late.steps(1)).map(({ step }) => step)).toEqual([650])
  await late.ask({ op: 'unfollow', workload: 'job' })
  const known = late.events.all.length
  source.steps(1, 651, 652)
  await client.steps(52)
  await late.ask({ op: 'workload', workload: 'job' })
  expect(late.events.all.length).toBe(known)
})

test('a target that differs is refused, killed, and the source hears nothing of it', async () => {
  const { a, b } = await training()
  const { migration } = await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  const target = await b.launched()
  target.prepared({ programDigest: 'd'.repeat(64) })
  await target.killed()
  const failed = await client.migration(({ status }) => status === 'failed')
  expect(failed).toMatchObject({ id: migration.id, error: { kind: 'program-differs', phase: 'setup' } })
  const heard = JSON.stringify(a.orders.all)
  expect(heard).not.toContain('openOutgoing')
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload).toMatchObject({
    status: 'running',
    host: 'a',
    epoch: 1,
  })
})

test('a target that cannot start fails the migration, and the next one works', async () => {
  const { b, source } = await training()
  await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  const target = await b.launched()
  b.send({
    type: 'workerExited',
    workerId: target.id,
    error: { kind: 'program-missing', message: 'no program' },
  })
  expect(await client.migration(({ status }) => status === 'failed')).toMatchObject({
    error: { kind: 'program-missing' },
  })
  await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  const second = await b.launched()
  expect(second.id).not.toBe(target.id)
  second.prepared()
  await source.told('openOutgoing')
})

test('a setup and a migration as a whole end in time', async () => {
  const { b, source } = await training()
  await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: { timeoutMs: 20 } })
  const target = await b.launched()
  await target.killed()
  expect(await client.migration(({ status }) => status === 'failed')).toMatchObject({
    error: { kind: 'setup-timeout' },
  })
  source.steps(1, 3, 4)
  await client.steps(1)
})

test('a cancel in setup is immediate; once the source is engaged it has the last word', async () => {
  const { b, source } = await training()
  await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  const first = await b.launched()
  expect((await client.ask({ op: 'cancel', workload: 'job' })).migration.status).toBe('cancelled')
  await first.killed()
  await client.migration(({ status }) => status === 'cancelled')

  const { migration } = await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  const target = await b.launched()
  target.prepared()
  await source.told('openOutgoing')
  expect((await client.ask({ op: 'cancel', workload: 'job' })).migration.status).toBe('cancelling')
  await target.killed()
  await source.told('cancelMigration')
  source.say({ type: 'migrationEnded', migrationId: migration.id, status: 'cancelled' })
  expect(await client.migration(({ status }) => status === 'cancelled')).toMatchObject({
    id: migration.id,
    error: { kind: 'cancelled' },
  })
})

test('after final a cancel becomes an abort: the source goes on under a newer epoch, its claim comes too late', async () => {
  const { source, target, migration } = await moving()
  source.steps(1, 3, 5)
  await client.steps(2)
  await client.ask({ op: 'cancel', workload: 'job' })
  await source.told('cancelMigration')
  target.say({ type: 'claim', migrationId: migration.id, fromStep: 5 })
  source.say({
    type: 'recover',
    migrationId: migration.id,
    error: { kind: 'cancelled', message: 'cancelled by request' },
  })
  expect(await source.told('recoverResult')).toMatchObject({ granted: true, epoch: 2 })
  source.say({ type: 'migrationEnded', migrationId: migration.id, status: 'cancelled' })
  await client.migration(({ status }) => status === 'cancelled')
  source.steps(2, 5, 7)
  expect((await client.steps(2)).map(({ epoch }) => epoch)).toEqual([2, 2])
})

test('a source whose release was lost is released again when its agent is back, or killed', async () => {
  const { a, source, target, migration } = await claimed()
  const completed = {
    type: 'migrationEnded',
    migrationId: migration.id,
    status: 'completed',
    report: reportOf(migration, 5, 2),
  } as const
  source.say(completed)
  await client.migration(({ report }) => report !== undefined)
  await a.close()
  target.steps(2, 5, 6)
  await client.migration(({ status }) => status === 'completed')
  const again = await FakeAgent.registered(port, 'a', { workers: [source.id] })
  const back = source.behind(again)
  await back.told('release')
  // Lost once more: it says how it ended until it is let go, and does not wait for ever.
  back.say(completed)
  await back.told('release')
  await back.killed()
})

test('a source that asks again is answered again, also about a migration before the latest', async () => {
  const { b, source, target, migration } = await moving()
  const recover = {
    type: 'recover',
    migrationId: migration.id,
    error: { kind: 'peer-stalled', message: 'no word from the target' },
  } as const
  for (let time = 0; time < 3; time++) {
    source.say(recover)
    expect(await source.told('recoverResult')).toMatchObject({ granted: true, epoch: 2 })
  }
  await target.killed()
  // It hears none of that, and what ends the migration is its first word.
  source.say({ type: 'migrationEnded', migrationId: migration.id, status: 'failed' })
  await client.migration(({ status }) => status === 'failed')
  source.say(recover)
  expect(await source.told('recoverResult')).toMatchObject({ granted: true, epoch: 2 })

  await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  await b.launched()
  source.say(recover)
  expect(await source.told('recoverResult')).toMatchObject({
    migrationId: migration.id,
    granted: true,
    epoch: 2,
  })
  await client.migration(({ id, status }) => id !== migration.id && status === 'cancelled')
  source.steps(2, 3, 4)
  expect((await client.steps(1)).map(({ epoch }) => epoch)).toEqual([2])
  await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
})

test('a source that believes a target which never claimed trains on', async () => {
  const { source, target, migration } = await moving()
  source.say({
    type: 'migrationEnded',
    migrationId: migration.id,
    status: 'completed',
    report: reportOf(migration, 3, 2),
  })
  expect(await source.told('recoverResult')).toMatchObject({ granted: true, epoch: 2 })
  await target.killed()
  source.say({ type: 'migrationEnded', migrationId: migration.id, status: 'failed' })
  const failed = await client.migration(({ status }) => status === 'failed')
  expect(failed).toMatchObject({ error: { kind: 'out-of-order' } })
  expect(failed.report).toBeUndefined()
  source.steps(2, 3, 4)
  expect((await client.steps(1)).map(({ epoch }) => epoch)).toEqual([2])
})

test('a target lost after its claim gives the workload back', async () => {
  const { source, target, migration } = await claimed()
  target.exited()
  expect(await source.told('recoverResult')).toMatchObject({ granted: true, epoch: 3 })
  source.say({
    type: 'migrationEnded',
    migrationId: migration.id,
    status: 'failed',
    error: { kind: 'connection-lost', message: 'the target is gone' },
  })
  expect(await client.migration(({ status }) => status === 'failed')).toMatchObject({
    error: { kind: 'worker-crashed' },
  })
  source.steps(3, 5, 6)
  expect((await client.steps(1)).map(({ epoch }) => epoch)).toEqual([3])
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload).toMatchObject({
    status: 'running',
    host: 'a',
    epoch: 3,
  })
})

test('a source that asks after the first accepted step is denied and released', async () => {
  const { source, target, migration } = await claimed()
  await expect(client.ask({ op: 'cancel', workload: 'job' })).rejects.toMatchObject({ kind: 'out-of-order' })
  target.steps(2, 5, 6)
  source.say({
    type: 'recover',
    migrationId: migration.id,
    error: { kind: 'peer-stalled', message: 'no word from the target' },
  })
  expect(await source.told('recoverResult')).toMatchObject({ granted: false, epoch: 2 })
  await source.told('release')
  await client.migration(({ status }) => status === 'completed')
})

test('a workload that ends at the source cancels its migration', async () => {
  const { source, target } = await moving()
  source.steps(1, 3, 100)
  source.say({ type: 'ended', epoch: 1, steps: 100, stateDigest: 'e'.repeat(64) })
  await target.killed()
  expect(await client.migration(({ status }) => status === 'cancelled')).toMatchObject({
    error: { kind: 'workload-ended' },
  })
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload.status).toBe('finished')
})

test('a workload that ends at the target with nothing left to do completes its migration', async () => {
  const { source, target, migration } = await moving()
  source.steps(1, 3, 100)
  target.say({ type: 'claim', migrationId: migration.id, fromStep: 100 })
  await target.told('claimResult')
  target.say({ type: 'ended', epoch: 2, steps: 100, stateDigest: 'e'.repeat(64) })
  await target.told('stop')
  source.say({
    type: 'migrationEnded',
    migrationId: migration.id,
    status: 'completed',
    report: reportOf(migration, 100, 2),
  })
  await source.told('release')
  const completed = await client.migration(({ status }) => status === 'completed')
  expect(completed.report?.lostTimeMs).toBe(6)
})

test('a source that crashes takes the workload with it if its target ends as well', async () => {
  const { source, target, migration } = await moving()
  source.exited()
  target.say({ type: 'failed', error: { kind: 'connection-lost', message: 'the source is gone' } })
  expect(await client.workload(({ status }) => status === 'failed')).toMatchObject({
    error: { kind: 'worker-crashed', message: expect.stringContaining(source.id) },
  })
  expect((await client.ask({ op: 'migration', migration: migration.id })).migration.status).toBe('failed')
})

test('a source that crashes just after final loses nothing: the claim is on its way', async () => {
  const { source, target, migration } = await moving()
  source.steps(1, 3, 5)
  source.exited()
  await client.steps(2)
  await expect(client.ask({ op: 'cancel', workload: 'job' })).rejects.toMatchObject({ kind: 'out-of-order' })
  target.say({ type: 'claim', migrationId: migration.id, fromStep: 5 })
  expect(await target.told('claimResult')).toMatchObject({ granted: true, epoch: 2 })
  target.steps(2, 5, 6)
  expect(await client.migration(({ status }) => status === 'completed')).toMatchObject({ to: 'b' })
})

test('an end that was lost counts when it is said again', async () => {
  const { a, source } = await training()
  source.steps(1, 3, 100)
  await client.steps(97)
  await a.close()
  const again = await FakeAgent.registered(port, 'a', { workers: [source.id] })
  const back = source.behind(again)
  const ended = { type: 'ended', epoch: 1, steps: 100, stateDigest: 'e'.repeat(64) } as const
  back.say(ended)
  await back.told('stop')
  await client.workload(({ status }) => status === 'finished')
  // So may the stop be: whoever repeats the end is told again, and killed in the end.
  back.say(ended)
  await back.told('stop')
  await back.killed()
})

test('a source that crashes after the claim loses nothing', async () => {
  const { source, target } = await claimed()
  source.exited()
  target.steps(2, 5, 6)
  expect(await client.migration(({ status }) => status === 'completed')).toMatchObject({ to: 'b' })
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload).toMatchObject({
    status: 'running',
    host: 'b',
  })
})

test('an agent that comes back finds its workload running, and its leftovers killed', async () => {
  const { a, source } = await training()
  await a.close()
  const disconnected = async (): Promise<boolean> => {
    const { hosts } = await client.ask({ op: 'hosts' })
    return hosts.some(({ name, state }) => name === 'a' && state === 'disconnected')
  }
  while (!(await disconnected())) {}
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload.status).toBe('running')
  const again = await FakeAgent.registered(port, 'a', { workers: [source.id, 'stranger'] })
  expect(await again.order('kill')).toEqual({ type: 'kill', workerId: 'stranger' })
  const worker = source.behind(again)
  expect(await worker.told('acknowledge')).toEqual({ type: 'acknowledge', step: 2 })
  worker.steps(1, 3, 4)
  await client.steps(1)
  await again.close()
  while (!(await disconnected())) {}
  await FakeAgent.registered(port, 'a')
  expect(await client.workload(({ status }) => status === 'failed')).toMatchObject({
    error: { kind: 'worker-crashed' },
  })
})

test('what a worker said before it crashed is heard although its agent was away', async () => {
  const { a, source } = await training()
  await a.close()
  // Its agent counts it as long as its end is not told.
  const again = await FakeAgent.registered(port, 'a', { workers: [source.id] })
  const worker = source.behind(again)
  worker.steps(1, 3, 6)
  again.send({
    type: 'workerExited',
    workerId: source.id,
    error: { kind: 'loss-not-finite', message: 'NaN at step 6' },
  })
  expect(await client.workload(({ status }) => status === 'failed')).toMatchObject({
    acceptedSteps: 6,
    error: { kind: 'loss-not-finite', message: 'NaN at step 6' },
  })
})

test('a start is given up with its host, a setup with its target', async () => {
  const { a, b } = await training()
  const starting = client.ask({ ...RUN, id: 'second', host: 'b' })
  const launched = await b.launched()
  await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  await b.launched()
  await b.close()
  await expect(starting).rejects.toMatchObject({ kind: 'host-disconnected' })
  expect(await client.migration(({ status }) => status === 'failed')).toMatchObject({
    error: { kind: 'host-disconnected' },
  })
  const again = await FakeAgent.registered(port, 'b', { workers: [launched.id] })
  expect(await again.order('kill')).toEqual({ type: 'kill', workerId: launched.id })
  await a.close()
})

test('a stop ends an open migration first, then the worker', async () => {
  const { source, target, migration } = await moving()
  const stopping = client.ask({ op: 'stop', workload: 'job' })
  await target.killed()
  await source.told('cancelMigration')
  source.say({ type: 'migrationEnded', migrationId: migration.id, status: 'cancelled' })
  await source.told('stop')
  source.exited()
  expect((await stopping).workload.status).toBe('stopped')
  expect(await client.workload(({ status }) => status === 'stopped')).toMatchObject({ host: 'a' })
})

test('a workload on a host that is away is stopped all the same', async () => {
  const { a, source } = await training()
  await a.close()
  expect((await client.ask({ op: 'stop', workload: 'job' })).workload.status).toBe('stopped')
  const again = await FakeAgent.registered(port, 'a', { workers: [source.id] })
  expect(await again.order('kill')).toEqual({ type: 'kill', workerId: source.id })
})

test('a program that fails fails its workload with its own words', async () => {
  const { source } = await training()
  source.say({ type: 'failed', error: { kind: 'loss-not-finite', message: 'NaN at step 3' }, step: 3 })
  expect(await client.workload(({ status }) => status === 'failed')).toMatchObject({
    error: { kind: 'loss-not-finite', message: 'NaN at step 3' },
  })
})
