/**
 * Goal: a job that loses its worker goes on from its checkpoint, and whoever looks is told the truth about it. Method: as in
 * coordinator.test.ts; agents say what a restored worker would.
 */
import { identityLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { checkpointOf, FakeAgent, type FakeWorker, outputOf, reportOf } from './support/fakes.ts'
import {
  claimed,
  client,
  moving,
  port,
  RUN,
  type Scene,
  training,
  useCoordinator,
} from './support/scene.suite.ts'

useCoordinator()

/** The owner is lost with three steps accepted; the worker in its place loaded a checkpoint of `step` steps. */
async function restored(step: number): Promise<Scene & { worker: FakeWorker }> {
  const scene = await training()
  scene.source.exited()
  const worker = await scene.a.launched()
  worker.restored(step)
  expect(await worker.told('resume')).toEqual({ type: 'resume', epoch: 2 })
  return { ...scene, worker }
}

const job = async () => (await client.ask({ op: 'workload', workload: 'job' })).workload

test('a lost worker is replaced on its host, and only new steps are published', async () => {
  const { worker, source } = await restored(1)
  expect(worker.launch).toMatchObject({ mode: 'restored', epoch: 1, steps: 100, tracker: 'compare' })
  expect(worker.id).not.toBe(source.id)
  await expect(client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })).rejects.toMatchObject({
    kind: 'not-running',
    message: expect.stringContaining('caught up'),
  })
  worker.steps(2, 1, 2)
  // The last that was seen again: what comes after it is still to be compared.
  expect(await worker.told('acknowledge')).toEqual({ type: 'acknowledge', step: 1 })
  worker.steps(2, 2, 6)
  expect(await client.steps(3)).toEqual([3, 4, 5].map((step) => outputOf(step, 2)))
  expect(await worker.told('acknowledge')).toEqual({ type: 'acknowledge', step: 5 })
  const view = await job()
  expect(view).toMatchObject({ status: 'running', restarts: 1, restartPolicy: 'on-failure', epoch: 2 })
  expect(view.diverged).toBeUndefined()
  await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
})

test('what the checkpoint holds beyond the accepted steps counts with its old stamps', async () => {
  const { worker } = await restored(5)
  worker.steps(1, 3, 5)
  worker.steps(2, 5, 7)
  expect((await client.steps(4)).map(({ step, epoch }) => [step, epoch])).toEqual([
    [3, 1],
    [4, 1],
    [5, 2],
    [6, 2],
  ])
})

test('a step with other bits marks the job, which goes on', async () => {
  const { worker } = await restored(0)
  const outputs = [0, 1, 2, 3].map((step) => ({
    ...outputOf(step, 2),
    ...(step === 1 ? { loss: 0.25 } : {}),
  }))
  worker.say({ type: 'outputs', outputs })
  expect((await client.steps(1))[0]?.step).toBe(3)
  const { diverged } = await client.workload((view) => view.diverged !== undefined)
  expect(diverged).toEqual({ step: 1, acceptedLoss: 0.5, recomputedLoss: 0.25 })
  expect((await job()).status).toBe('running')
})

test('a restored worker that is lost is one more restart, until a step is new', async () => {
  const { a, worker } = await restored(3)
  worker.steps(2, 3, 4)
  await client.steps(1)
  worker.exited()
  const next = await a.launched()
  expect(next.launch).toMatchObject({ mode: 'restored', epoch: 2 })
  next.restored(4)
  expect(await next.told('resume')).toEqual({ type: 'resume', epoch: 3 })
  expect((await job()).restarts).toBe(2)
})

test('one that fails while it is restored is tried again, after a while', async () => {
  const { a, source } = await training()
  source.exited()
  const first = await a.launched()
  first.say({ type: 'failed', error: { kind: 'data-missing', message: 'not mounted yet' } })
  await first.killed()
  expect(await client.workload(({ restarts }) => restarts === 2)).toMatchObject({ status: 'restarting' })
  const second = await a.launched()
  expect(second.id).not.toBe(first.id)
  second.restored(0)
  await second.told('resume')
})

test('one whose steps are accepted has begun, though nobody heard that it was ready', async () => {
  const a = await FakeAgent.registered(port, 'a')
  const running = client.ask({ ...RUN, id: 'job' })
  const worker = await a.launched()
  worker.steps(1, 0, 3)
  expect((await running).workload.status).toBe('running')
  worker.exited()
  expect((await a.launched()).launch).toMatchObject({ mode: 'restored' })
})

test('a restart on a full disk says so while it is tried again', async () => {
  const { a, source } = await training()
  source.exited()
  const first = await a.launched()
  const error = { kind: 'disk-full', message: 'no room for its folder' } as const
  a.send({ type: 'workerExited', workerId: first.id, error })
  expect(await client.workload((view) => view.error?.kind === 'disk-full')).toMatchObject({
    status: 'restarting',
    error,
  })
  const second = await a.launched()
  second.restored(0)
  await second.told('resume')
  expect((await client.workload(({ status }) => status === 'running')).error).toBeUndefined()
})

test('what a program did itself, or a policy forbids, is not restarted', async () => {
  const { a, b } = await training()
  const running = client.ask({ ...RUN, id: 'once', host: 'b', restartPolicy: 'never' })
  const once = await b.launched()
  once.prepared()
  await running
  await client.ask({ op: 'follow', workload: 'once' })
  once.exited()
  expect(await client.workload(({ id, status }) => id === 'once' && status === 'failed')).toMatchObject({
    restartPolicy: 'never',
    error: { kind: 'worker-crashed' },
  })
  a.send({
    type: 'workerExited',
    workerId: (a.orders.all.find(({ type }) => type === 'launch') as { launch: { workerId: string } }).launch
      .workerId,
    error: { kind: 'out-of-memory', message: 'too big' },
  })
  expect(await client.workload(({ id, status }) => id === 'job' && status === 'failed')).toMatchObject({
    error: { kind: 'out-of-memory' },
    restarts: 0,
  })
})

test('a job whose host is away waits for it, and can be stopped', async () => {
  const { a, source } = await training()
  source.exited()
  const first = await a.launched()
  await a.close()
  const back = await FakeAgent.registered(port, 'a')
  // It was lost with its agent: again, and not at once.
  expect((await client.workload(({ restarts }) => restarts === 2)).status).toBe('restarting')
  const second = await back.launched()
  expect(second.id).not.toBe(first.id)
  expect((await client.ask({ op: 'stop', workload: 'job' })).workload).toMatchObject({ status: 'stopped' })
  await second.killed()
})

test('a target that is lost after its first step is restarted where it was', async () => {
  const { b, target } = await claimed()
  target.steps(2, 5, 7)
  await client.steps(2)
  target.exited()
  const worker = await b.launched()
  expect(worker.launch).toMatchObject({ mode: 'restored', epoch: 2 })
  worker.restored(0)
  expect(await worker.told('resume')).toEqual({ type: 'resume', epoch: 3 })
  worker.steps(3, 0, 8)
  expect((await client.steps(1))[0]).toMatchObject({ step: 7, epoch: 3 })
})

test('a checkpoint is asked for, told, and the older one elsewhere deleted', async () => {
  const { a, b, source, target } = await claimed()
  source.exited()
  target.steps(2, 5, 6)
  await client.migration(({ status }) => status === 'completed')
  const asked = client.ask({ op: 'checkpoint', workload: 'job' })
  const { checkpointId } = await target.told('checkpoint')
  target.say({ type: 'checkpointed', checkpointId, report: checkpointOf(6) })
  expect((await asked).checkpoint).toMatchObject({ step: 6, host: 'b' })
  expect((await job()).checkpoint).toMatchObject({ step: 6, host: 'b' })

  const refused = client.ask({ op: 'checkpoint', workload: 'job' })
  const second = await target.told('checkpoint')
  const error = { kind: 'disk-full', message: 'no room for a checkpoint' } as const
  target.say({ type: 'checkpointed', checkpointId: second.checkpointId, error })
  await expect(refused).rejects.toMatchObject(error)

  const lost = client.ask({ op: 'checkpoint', workload: 'job' })
  await target.told('checkpoint')
  target.exited()
  await expect(lost).rejects.toMatchObject({ kind: 'checkpoint-failed' })
  await expect(client.ask({ op: 'checkpoint', workload: 'job' })).rejects.toMatchObject({
    kind: 'not-running',
  })
  expect((await client.ask({ op: 'stop', workload: 'job' })).workload.status).toBe('stopped')
  // Wherever it ever ran: an order to delete that came before may have had to wait, and been kept.
  for (const host of [a, b])
    expect(await host.order('deleteCheckpoint')).toEqual({ type: 'deleteCheckpoint', workloadId: 'job' })
})

test('a checkpoint that was asked for as the host went away is asked for again, under the same name', async () => {
  const { a, source } = await training()
  const asked = client.ask({ op: 'checkpoint', workload: 'job' })
  const { checkpointId } = await source.told('checkpoint')
  await a.close()
  const back = source.behind(await FakeAgent.registered(port, 'a', { workers: [source.id] }))
  expect(await back.told('checkpoint')).toEqual({ type: 'checkpoint', checkpointId })
  back.say({ type: 'checkpointed', checkpointId, report: checkpointOf(3) })
  expect((await asked).checkpoint).toMatchObject({ step: 3, host: 'a' })
})

test('checkpoints move with the job: that of the host before goes once there is a newer one', async () => {
  const { a, source } = await training()
  source.say({ type: 'checkpointed', report: checkpointOf(2) })
  await client.workload((view) => view.checkpoint?.step === 2)
  const b2 = await FakeAgent.registered(port, 'c')
  await client.ask({ op: 'migrate', workload: 'job', to: 'c', options: {} })
  const target = await b2.launched()
  target.prepared()
  const { migrationId } = await source.told('openOutgoing')
  source.say({ type: 'outgoingOpened', migrationId, port: 1 })
  await target.told('dial')
  target.say({ type: 'claim', migrationId, fromStep: 3 })
  await target.told('claimResult')
  target.steps(2, 3, 4)
  await client.steps(1)
  target.say({ type: 'checkpointed', report: checkpointOf(4) })
  expect(await a.order('deleteCheckpoint')).toEqual({ type: 'deleteCheckpoint', workloadId: 'job' })
  expect(b2.orders.all.some(({ type }) => type === 'deleteCheckpoint')).toBe(false)
})

test('a job with checkpoints that has moved gets one at once, and keeps the one before until then', async () => {
  const { a, b, source } = await training()
  source.say({ type: 'checkpointed', report: checkpointOf(2) })
  await client.workload((view) => view.checkpoint?.step === 2)
  const { migration } = await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  const target = await b.launched()
  target.prepared()
  await source.told('openOutgoing')
  source.say({ type: 'outgoingOpened', migrationId: migration.id, port: 1 })
  await target.told('dial')
  target.say({ type: 'claim', migrationId: migration.id, fromStep: 3 })
  await target.told('claimResult')
  source.say({
    type: 'migrationEnded',
    migrationId: migration.id,
    status: 'completed',
    report: reportOf(migration, 3, 2),
  })
  target.steps(2, 3, 4)
  const { checkpointId } = await target.told('checkpoint')
  expect((await job()).checkpoint).toMatchObject({ host: 'a', step: 2 })
  expect(a.orders.all.some(({ type }) => type === 'deleteCheckpoint')).toBe(false)
  target.say({ type: 'checkpointed', checkpointId, report: checkpointOf(4) })
  await a.order('deleteCheckpoint')
  expect((await job()).checkpoint).toMatchObject({ host: 'b', step: 4 })
  // The report's lost time is told later, and is no second move.
  target.steps(2, 4, 60)
  await client.migration(({ report }) => report?.lostTimeMs !== null && report !== undefined)
  expect(
    b.orders.all.filter((order) => order.type === 'toWorker' && order.message.type === 'checkpoint'),
  ).toHaveLength(1)
})

test('the interval of checkpoints reaches every worker of a job', async () => {
  const a = await FakeAgent.registered(port, 'a')
  const running = client.ask({ ...RUN, id: 'job', checkpointEveryMs: 5000 })
  const worker = await a.launched()
  expect(worker.launch.checkpointEveryMs).toBe(5000)
  worker.prepared()
  await running
  worker.exited()
  expect((await a.launched()).launch).toMatchObject({ checkpointEveryMs: 5000, mode: 'restored' })
})

test('a cancel that takes too long says what it waits for', async () => {
  const { a, source, target } = await moving()
  const asked = client.ask({ op: 'cancel', workload: 'job' })
  await target.killed()
  await source.told('cancelMigration')
  const { migration } = await asked
  expect(migration).toMatchObject({
    status: 'cancelling',
    waitingFor: expect.stringContaining('worker on a'),
  })
  await a.close()
  const { workload } = await client.ask({ op: 'workload', workload: 'job' })
  expect(workload.status).toBe('running')
})

test('another program under the same name does not go on with the job, whose checkpoint stays', async () => {
  const { a, source } = await training()
  source.exited()
  const worker = await a.launched()
  worker.restored(3, { programDigest: '9'.repeat(64) })
  await worker.killed()
  expect(await client.workload(({ status }) => status === 'failed')).toMatchObject({
    error: { kind: 'program-differs', message: expect.stringContaining("can't go on from its checkpoint") },
  })
  expect(a.orders.all.some(({ type }) => type === 'deleteCheckpoint')).toBe(false)
})

test('a checkpoint of a claim that was undone is deleted, and the job goes on without', async () => {
  const { a, b, source, target, migration } = await claimed()
  // The target trained on unheard, and wrote a checkpoint; then the source took the job back.
  const error = { kind: 'peer-stalled', message: 'no word' } as const
  source.say({ type: 'recover', migrationId: migration.id, error })
  expect(await source.told('recoverResult')).toMatchObject({ granted: true, epoch: 3 })
  await target.killed()
  source.exited()
  const ahead = await a.launched()
  ahead.say({ type: 'prepared', identity: identityLike(), restored: { step: 9, epoch: 2 } })
  expect(await a.order('deleteCheckpoint')).toEqual({ type: 'deleteCheckpoint', workloadId: 'job' })
  await ahead.killed()
  const next = await a.launched()
  next.restored(0)
  expect(await next.told('resume')).toEqual({ type: 'resume', epoch: 4 })
  await b.close()
})
