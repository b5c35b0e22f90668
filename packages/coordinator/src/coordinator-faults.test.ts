/**
 * Goal: whoever crashes, goes away or says a thing twice, a workload has one owner and loses no step. Method: as in
 * coordinator.test.ts, with one party failing at each point.
 */
import { reportLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { FakeAgent, reportOf } from './support/fakes.ts'
import { claimed, client, moving, port, RUN, training, useCoordinator } from './support/scene.suite.ts'

useCoordinator()

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

test('a source that missed its release is let go though its job has moved on, and killed if it stays', async () => {
  const { a, source, target, migration } = await claimed()
  const report = reportOf(migration, 5, 2)
  source.say({ type: 'migrationEnded', migrationId: migration.id, status: 'completed', report })
  target.steps(2, 5, 6)
  await client.migration(({ status }) => status === 'completed')
  // It was released, and hears of it no more; its job goes to a third host.
  const c = await FakeAgent.registered(port, 'c')
  const next = (await client.ask({ op: 'migrate', workload: 'job', to: 'c', options: {} })).migration
  const third = await c.launched()
  source.say({ type: 'migrationEnded', migrationId: migration.id, status: 'completed', report })
  await source.told('release')
  expect(await source.told('release')).toEqual({ type: 'release', migrationId: migration.id })
  await source.killed()
  // Neither the owner nor the newer migration is touched by it.
  expect((await client.ask({ op: 'migration', migration: next.id })).migration.status).toBe('setup')
  third.prepared()
  expect(await target.told('openOutgoing')).toMatchObject({ migrationId: next.id })
  await a.close()
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
  expect(completed.report?.lostTimeMs).toBe(reportLike().downtimeMs)
})

test('a source that crashes, and its target with it, is restarted where it was', async () => {
  const { a, source, target, migration } = await moving()
  source.exited()
  target.say({ type: 'failed', error: { kind: 'connection-lost', message: 'the source is gone' } })
  await target.killed()
  expect((await a.launched()).launch).toMatchObject({ mode: 'restored', epoch: 1 })
  expect(await client.workload(({ status }) => status === 'restarting')).toMatchObject({ host: 'a' })
  expect((await client.ask({ op: 'migration', migration: migration.id })).migration).toMatchObject({
    status: 'failed',
    error: { kind: 'worker-crashed', message: expect.stringContaining(source.id) },
  })
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
  await client.disconnected('a')
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload.status).toBe('running')
  const again = await FakeAgent.registered(port, 'a', { workers: [source.id, 'stranger'] })
  expect(await again.order('kill')).toEqual({ type: 'kill', workerId: 'stranger' })
  const worker = source.behind(again)
  expect(await worker.told('acknowledge')).toEqual({ type: 'acknowledge', step: 2 })
  worker.steps(1, 3, 4)
  await client.steps(1)
  await again.close()
  await client.disconnected('a')
  const third = await FakeAgent.registered(port, 'a')
  expect((await third.launched()).launch).toMatchObject({ mode: 'restored', epoch: 1 })
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

test('a start waits for its host, a setup is given up with its target', async () => {
  const { a, b } = await training()
  const starting = [
    client.ask({ ...RUN, id: 'second', host: 'b' }),
    client.ask({ ...RUN, id: 'third', host: 'b' }),
  ]
  const launched = await b.launched()
  await b.launched()
  await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  await b.launched()
  await b.close()
  expect(await client.migration(({ status }) => status === 'failed')).toMatchObject({
    error: { kind: 'host-disconnected' },
  })
  // One was launched before the agent went, the other has to be launched again.
  const again = await FakeAgent.registered(port, 'b', { workers: [launched.id] })
  launched.behind(again).prepared()
  const relaunched = await again.launched()
  expect(relaunched.launch).toMatchObject({ workloadId: 'third', mode: 'fresh', epoch: 1 })
  relaunched.prepared()
  expect(await Promise.all(starting)).toMatchObject([
    { workload: { id: 'second', status: 'running', host: 'b' } },
    { workload: { id: 'third', status: 'running', host: 'b' } },
  ])
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

test('a job that was over before anybody heard that it began has finished', async () => {
  const a = await FakeAgent.registered(port, 'a')
  const running = client.ask({ ...RUN, id: 'short', host: 'a', steps: 2 })
  const worker = await a.launched()
  worker.steps(1, 0, 2)
  worker.say({ type: 'ended', epoch: 1, steps: 2, stateDigest: 'd'.repeat(64) })
  await running
  await client.ask({ op: 'follow', workload: 'short' })
  expect(await client.workload(({ status }) => status === 'finished')).toMatchObject({ acceptedSteps: 2 })
})
