/**
 * Goal: a coordinator that ends at any moment is followed by one that knows every job and settles every migration, and nobody is
 * asked. Method: as in coordinator-faults.test.ts, with the store on disk and another coordinator opened on it in each state.
 */
import { reportLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { checkpointOf, FakeAgent, outputOf, reportOf } from './support/fakes.ts'
import {
  claimed,
  client,
  moving,
  port,
  RUN,
  restarted,
  training,
  useCoordinator,
} from './support/scene.suite.ts'

useCoordinator({ onDisk: true })

test('a job goes on, with its steps, its hosts and its cluster', async () => {
  const { a, source } = await training()
  const before = (await client.ask({ op: 'workload', workload: 'job' })).workload
  const first = await a.orders.all.find((order) => order.type === 'registered')
  await restarted()
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload).toEqual(before)
  const { hosts } = await client.ask({ op: 'hosts' })
  expect(hosts.map(({ name, state }) => [name, state])).toEqual([
    ['a', 'disconnected'],
    ['b', 'disconnected'],
  ])
  await client.ask({ op: 'follow', workload: 'job', fromStep: 0 })
  expect(await client.steps(3)).toEqual([0, 1, 2].map((step) => outputOf(step, 1)))

  const again = await FakeAgent.connect(port, 'a')
  again.register({ workers: [source.id] })
  expect(await again.order('registered')).toEqual(first)
  const worker = source.behind(again)
  expect(await worker.told('acknowledge')).toEqual({ type: 'acknowledge', step: 2 })
  worker.prepared()
  worker.steps(1, 0, 6)
  expect((await client.steps(3)).map(({ step }) => step)).toEqual([3, 4, 5])
  worker.steps(1, 6, 100)
  worker.say({ type: 'ended', epoch: 1, steps: 100, stateDigest: 'e'.repeat(64) })
  const finished = await client.workload(({ status }) => status === 'finished')
  await restarted()
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload).toEqual(finished)
})

test('long histories, with metrics and odd numbers, come back bit for bit', async () => {
  const { source } = await training()
  const all = [0, 1, 2].map((step) => outputOf(step, 1))
  for (let step = 3; step < 700; step++) {
    const loss = step % 3 === 0 ? -0 : Math.sqrt(step)
    all.push({ ...outputOf(step, 1), loss, ...(step % 50 === 0 ? { metrics: { accuracy: -0 } } : {}) })
  }
  for (let from = 3; from < 700; from += 40)
    source.say({ type: 'outputs', outputs: all.slice(from, from + 40) })
  await client.steps(697)
  for (let time = 0; time < 2; time++) {
    await restarted()
    await client.ask({ op: 'follow', workload: 'job', fromStep: 0 })
    expect(await client.steps(700)).toEqual(all)
  }
})

test('a worker that is gone when its agent comes back is restarted', async () => {
  await training()
  await restarted()
  const a = await FakeAgent.registered(port, 'a', { workers: ['stranger'] })
  expect(await a.order('kill')).toEqual({ type: 'kill', workerId: 'stranger' })
  expect((await a.launched()).launch).toMatchObject({ mode: 'restored', epoch: 1, workloadId: 'job' })
})

test('a start that was asked for goes on, whether it was launched or not', async () => {
  const a = await FakeAgent.registered(port, 'a')
  const running = client.ask({ ...RUN, id: 'job' }).catch(() => {})
  const worker = await a.launched()
  await restarted()
  const again = await FakeAgent.registered(port, 'a')
  const relaunched = await again.launched()
  expect(relaunched.launch).toEqual(worker.launch)
  // Whoever asked asks again.
  const asked = client.ask({ ...RUN, id: 'job' })
  relaunched.prepared()
  expect((await asked).workload.status).toBe('running')
  void running
})

test('in preparing the target is asked for nothing twice, and its readiness is heard', async () => {
  const { source, b } = await training()
  const { migration } = await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  const target = await b.launched()
  await restarted()
  const [a2, b2] = [
    await FakeAgent.registered(port, 'a', { workers: [source.id] }),
    await FakeAgent.registered(port, 'b', { workers: [target.id] }),
  ]
  target.behind(b2).prepared()
  expect(await source.behind(a2).told('openOutgoing')).toMatchObject({ migrationId: migration.id })
  expect(b2.orders.all.filter(({ type }) => type === 'launch' || type === 'kill')).toEqual([])
})

test('in preparing a target that was never launched, or is gone, fails the migration alone', async () => {
  const { source, b } = await training()
  const { migration } = await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  await b.launched()
  await restarted()
  await FakeAgent.registered(port, 'a', { workers: [source.id] })
  await client.ask({ op: 'follow', workload: 'job' })
  await FakeAgent.registered(port, 'b')
  expect(await client.migration(({ status }) => status === 'failed')).toMatchObject({ id: migration.id })
  const { workload } = await client.ask({ op: 'workload', workload: 'job' })
  expect(workload).toMatchObject({ status: 'running', host: 'a', epoch: 1 })
})

test('in opening and moving, what may have been lost is said again', async () => {
  const { source, b } = await training()
  const { migration } = await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  const target = await b.launched()
  target.prepared()
  const asked = await source.told('openOutgoing')
  await restarted()
  const a2 = await FakeAgent.registered(port, 'a', { workers: [source.id] })
  const source2 = source.behind(a2)
  expect(await source2.told('openOutgoing')).toMatchObject({
    secret: asked.secret,
    migrationId: migration.id,
  })
  const b2 = await FakeAgent.registered(port, 'b', { workers: [target.id] })
  source2.say({ type: 'outgoingOpened', migrationId: migration.id, port: 4711 })
  const dial = await target.behind(b2).told('dial')
  await restarted()
  const b3 = await FakeAgent.registered(port, 'b', { workers: [target.id] })
  expect(await target.behind(b3).told('dial')).toEqual(dial)
})

test('a claim that was granted and not answered is answered, and the migration completes', async () => {
  const { source, target, migration } = await claimed()
  await restarted()
  const b2 = await FakeAgent.registered(port, 'b', { workers: [target.id] })
  const target2 = target.behind(b2)
  expect(await target2.told('claimResult')).toMatchObject({ granted: true, epoch: 2 })
  await client.ask({ op: 'follow', workload: 'job' })
  const a2 = await FakeAgent.registered(port, 'a', { workers: [source.id] })
  const source2 = source.behind(a2)
  target2.steps(2, 5, 20)
  const report = reportOf(migration, 5, 2)
  source2.say({ type: 'migrationEnded', migrationId: migration.id, status: 'completed', report })
  await source2.told('release')
  const done = await client.migration(({ status }) => status === 'completed')
  expect(done.report?.lostTimeMs).toBe(reportLike().downtimeMs)
  await restarted()
  expect((await client.ask({ op: 'migration', migration: migration.id })).migration).toEqual(done)
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload).toMatchObject({
    host: 'b',
    epoch: 2,
    acceptedSteps: 20,
  })
})

test('a claimed target that never comes back gives the job back to the frozen source', async () => {
  const { source, migration } = await claimed()
  await restarted()
  const source2 = source.behind(await FakeAgent.registered(port, 'a', { workers: [source.id] }))
  await FakeAgent.registered(port, 'b')
  expect(await source2.told('recoverResult')).toMatchObject({ granted: true, epoch: 3 })
  await restarted()
  const source3 = source.behind(await FakeAgent.registered(port, 'a', { workers: [source.id] }))
  // Said once more: the first may not have arrived.
  expect(await source3.told('recoverResult')).toMatchObject({ granted: true, epoch: 3 })
  await client.ask({ op: 'follow', workload: 'job' })
  source3.say({ type: 'migrationEnded', migrationId: migration.id, status: 'failed' })
  await client.migration(({ status }) => status === 'failed')
  source3.steps(3, 5, 6)
  expect((await client.steps(1)).map(({ epoch }) => epoch)).toEqual([3])
})

test('a cancel goes on: the target is killed and the source is told', async () => {
  const { source, target, migration } = await moving()
  const cancelling = client.ask({ op: 'cancel', workload: 'job' }).catch(() => {})
  await source.told('cancelMigration')
  await restarted()
  void cancelling
  const b2 = await FakeAgent.registered(port, 'b', { workers: [target.id] })
  await target.behind(b2).killed()
  const { migration: view } = await client.ask({ op: 'migration', migration: migration.id })
  expect(view.status).toBe('cancelling')
  const source2 = source.behind(await FakeAgent.registered(port, 'a', { workers: [source.id] }))
  await client.ask({ op: 'follow', workload: 'job' })
  await source2.told('cancelMigration')
  source2.say({ type: 'migrationEnded', migrationId: migration.id, status: 'cancelled' })
  expect(await client.migration(({ status }) => status === 'cancelled')).toMatchObject({
    error: { kind: 'cancelled' },
  })
})

test('a restart goes on in each of its stages', async () => {
  const { source, a } = await training()
  source.exited()
  const lost = await a.launched()
  // Launched; gone with its agent, as far as anybody knows.
  await restarted()
  const a2 = await FakeAgent.registered(port, 'a')
  const worker = await a2.launched()
  expect(worker.launch).toEqual(lost.launch)
  // Prepared, and answered or not.
  worker.restored(1)
  expect(await worker.told('resume')).toEqual({ type: 'resume', epoch: 2 })
  await restarted()
  const worker3 = worker.behind(await FakeAgent.registered(port, 'a', { workers: [worker.id] }))
  expect(await worker3.told('resume')).toEqual({ type: 'resume', epoch: 2 })
  await client.ask({ op: 'follow', workload: 'job' })
  worker3.steps(2, 1, 5)
  expect((await client.steps(2)).map(({ step, epoch }) => [step, epoch])).toEqual([
    [3, 2],
    [4, 2],
  ])
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload).toMatchObject({
    status: 'running',
    restarts: 1,
  })
})

test('a stop that was asked for is carried out', async () => {
  const { source } = await training()
  const stopping = client.ask({ op: 'stop', workload: 'job' }).catch(() => {})
  await source.told('stop')
  await restarted()
  void stopping
  await client.ask({ op: 'follow', workload: 'job' })
  expect(await client.workload(({ status }) => status === 'stopped')).toMatchObject({ host: 'a' })
  const again = await FakeAgent.registered(port, 'a', { workers: [source.id], checkpoints: ['job'] })
  expect(await again.order('kill')).toEqual({ type: 'kill', workerId: source.id })
  expect(await again.order('deleteCheckpoint')).toEqual({ type: 'deleteCheckpoint', workloadId: 'job' })
})

test('a checkpoint is known, and those that nobody needs are deleted', async () => {
  const { source } = await training()
  source.say({ type: 'checkpointed', report: checkpointOf(2) })
  const { checkpoint } = await client.workload((view) => view.checkpoint !== undefined)
  expect(checkpoint).toMatchObject({ step: 2, host: 'a' })
  await restarted()
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload.checkpoint).toEqual(checkpoint)
  const b2 = await FakeAgent.registered(port, 'b', { checkpoints: ['nobody', 'job'] })
  expect([await b2.order('deleteCheckpoint'), await b2.order('deleteCheckpoint')]).toEqual([
    { type: 'deleteCheckpoint', workloadId: 'nobody' },
    { type: 'deleteCheckpoint', workloadId: 'job' },
  ])
  const a2 = await FakeAgent.registered(port, 'a', { workers: [source.id], checkpoints: ['job'] })
  await source.behind(a2).told('acknowledge')
  expect(a2.orders.all.some(({ type }) => type === 'deleteCheckpoint')).toBe(false)
})
