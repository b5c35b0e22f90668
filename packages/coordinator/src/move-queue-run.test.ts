/**
 * Goal: more moves than are allowed wait for their turn, say why, and begin when they may, whatever happens meanwhile; what can't be done is
 * answered clearly, and nothing is half done. Method: a real coordinator, its store on disk, and agents and workers that do what the test
 * says; what may begin is decided in move-queue.test.ts.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { MigrationView } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { FakeAgent, type FakeWorker } from './support/fakes.ts'
import { client, port, RUN, restarted, useCoordinator } from './support/scene.suite.ts'

useCoordinator({ onDisk: true })

interface Jobs {
  readonly a: FakeAgent
  readonly b: FakeAgent
  readonly workers: readonly FakeWorker[]
}

/** So many jobs train on host a; b has none. */
async function training(count: number): Promise<Jobs> {
  const a = await FakeAgent.registered(port, 'a')
  const b = await FakeAgent.registered(port, 'b')
  const workers: FakeWorker[] = []
  for (let job = 0; job < count; job++) {
    const running = client.ask({ ...RUN, id: `job${job}`, host: 'a' })
    const worker = await a.launched()
    worker.prepared()
    await running
    worker.steps(1, 0, 3)
    workers.push(worker)
  }
  return { a, b, workers }
}

const migrate = async (workload: string, options = {}, to?: string): Promise<MigrationView> =>
  (await client.ask({ op: 'migrate', workload, options, ...(to === undefined ? {} : { to }) })).migration

/** Who asks more than 500 times a second is asked to wait. */
const LOOK_MS = 10

async function until(id: string, is: (view: MigrationView) => boolean): Promise<MigrationView> {
  for (;;) {
    const { migration } = await client.ask({ op: 'migration', migration: id })
    if (is(migration)) return migration
    await delay(LOOK_MS)
  }
}

const isPlaced = ({ place }: MigrationView): boolean => place !== undefined

test('what is over the limit waits in its place, goes by priority, and can be cancelled', async () => {
  const { b, workers } = await training(5)
  const under = [await migrate('job0', {}, 'b'), await migrate('job1', {}, 'b')]
  expect(under.map(({ status }) => status)).toEqual(['setup', 'setup'])
  const first = await migrate('job2', {}, 'b')
  expect(first.status).toBe('queued')
  const low = await migrate('job3', { priority: 'low' }, 'b')
  const high = await migrate('job4', { priority: 'high' }, 'b')
  const places = []
  for (const { id } of [first, low, high]) places.push(await until(id, isPlaced))
  expect(await until(first.id, ({ place }) => place === 2)).toMatchObject({
    waitingFor: '2 moves leave a, its limit',
  })
  expect((await until(high.id, isPlaced)).place).toBe(1)
  expect((await until(low.id, isPlaced)).place).toBe(3)
  // Asked again it is the same; asked for elsewhere it is said what it does.
  expect((await migrate('job2', {}, 'b')).id).toBe(first.id)
  await FakeAgent.registered(port, 'c')
  await expect(migrate('job2', {}, 'c')).rejects.toMatchObject({
    kind: 'already-migrating',
    message: `job2 is queued for a move to b (${first.id})`,
  })
  const { migration: cancelled } = await client.ask({ op: 'cancel', workload: 'job2' })
  expect(cancelled).toMatchObject({ status: 'cancelled', error: { phase: 'queued' } })
  const targets = [await b.launched(), await b.launched()]
  targets[0]?.say({ type: 'failed', error: { kind: 'data-missing', message: 'no such file' } })
  await until(under[0]?.id ?? '', ({ status }) => status === 'failed')
  expect((await b.launched()).launch.workloadId).toBe('job4')
  expect((await until(low.id, isPlaced)).status).toBe('queued')
  // A job that is stopped leaves the queue, and nobody else notices.
  const stopping = client.ask({ op: 'stop', workload: 'job3' })
  await workers[3]?.told('stop')
  workers[3]?.exited()
  expect((await stopping).workload.status).toBe('stopped')
  expect((await until(low.id, ({ status }) => status !== 'queued')).status).toBe('cancelled')
})

test('a queue survives its coordinator: who waited waits, and begins from where its job is then', async () => {
  const { a, b, workers } = await training(3)
  for (const job of ['job0', 'job1']) await migrate(job, {}, 'b')
  const waiting = await migrate('job2', { hold: true }, 'b')
  const targets = [await b.launched(), await b.launched()]
  await restarted()
  await Promise.all([a.closed, b.closed])
  expect(await until(waiting.id, () => true)).toMatchObject({ status: 'queued', options: { hold: true } })
  const back = await FakeAgent.registered(port, 'a', { workers: workers.map(({ id }) => id) })
  const behind = await FakeAgent.registered(port, 'b', { workers: targets.map(({ id }) => id) })
  await until(waiting.id, isPlaced)
  // Its worker is lost while it waits: the job is restarted, and moves from there.
  workers[2]?.behind(back).exited()
  const restored = await back.launched()
  restored.restored(0)
  await restored.told('resume')
  await until(waiting.id, ({ waitingFor }) => waitingFor?.includes('taking steps again') === true)
  restored.steps(2, 0, 4)
  targets[0]?.behind(behind).exited()
  const target = await behind.launched()
  expect(target.launch).toMatchObject({ workloadId: 'job2', mode: 'incoming', epoch: 2 })
  target.prepared()
  expect(await restored.told('openOutgoing')).toMatchObject({ migrationId: waiting.id })
})

test('a target that leaves while a move is queued: one that was chosen is chosen anew, one that was named is refused, each in a sentence', async () => {
  const { b } = await training(4)
  const under = [await migrate('job0', {}, 'b'), await migrate('job1', {}, 'b')]
  const chosen = await migrate('job2')
  const named = await migrate('job3', {}, 'b')
  expect([chosen, named].map(({ status, to }) => [status, to])).toEqual([
    ['queued', 'b'],
    ['queued', 'b'],
  ])
  const c = await FakeAgent.registered(port, 'c')
  await client.ask({ op: 'enterMaintenance', host: 'b', force: true })
  for (const { id, workload } of under) {
    await client.ask({ op: 'cancel', workload })
    await until(id, ({ status }) => status === 'cancelled')
  }
  expect((await c.launched()).launch).toMatchObject({ workloadId: 'job2', mode: 'incoming' })
  expect(await until(chosen.id, ({ status }) => status === 'setup')).toMatchObject({ from: 'a', to: 'c' })
  expect(await until(named.id, ({ status }) => status !== 'queued')).toMatchObject({
    status: 'failed',
    error: {
      kind: 'in-maintenance',
      phase: 'queued',
      message: expect.stringContaining('b is in maintenance'),
    },
  })
  expect(b.orders.all.filter(({ type }) => type === 'launch')).toHaveLength(2)
})

test('a target whose agent is away is waited for, and so is the agent of the job', async () => {
  const { a, b, workers } = await training(3)
  for (const job of ['job0', 'job1']) await migrate(job, {}, 'b')
  const waiting = await migrate('job2', {}, 'b')
  await b.close()
  expect(await until(waiting.id, ({ waitingFor }) => waitingFor?.includes('agent') === true)).toMatchObject({
    status: 'queued',
    waitingFor: 'the agent of b is not connected',
  })
  const again = await FakeAgent.registered(port, 'b')
  expect((await again.launched()).launch.workloadId).toBe('job2')
  await a.close()
  await FakeAgent.registered(port, 'a', { workers: workers.map(({ id }) => id) })
})

test('what can not be is answered in a sentence, and nothing is queued: a move to where it is, rules against it, a full cluster', async () => {
  const { b } = await training(1)
  const running = client.ask({ ...RUN, id: 'shy', host: 'b', rules: { apartFrom: ['job0'] } })
  ;(await b.launched()).prepared()
  await running
  await expect(migrate('job0', {}, 'a')).rejects.toMatchObject({
    kind: 'already-there',
    message: 'job0 runs on a already',
  })
  await expect(migrate('job0', {}, 'b')).rejects.toMatchObject({
    kind: 'no-host-fits',
    message: 'b may not take job0: the job must be apart from shy, which is there',
  })
  const tiny = await FakeAgent.registered(port, 'tiny', { memoryBytes: 0 })
  await expect(migrate('job0')).rejects.toMatchObject({
    kind: 'no-host-fits',
    message: expect.stringMatching(/b: the job must be apart from shy.*tiny: 0.0 MiB of its memory are free/),
  })
  await expect(
    client.ask({ ...RUN, id: 'torn', rules: { with: ['job0'], apartFrom: ['job0'] } }),
  ).rejects.toMatchObject({
    kind: 'bad-arguments',
    message: expect.stringContaining('leave out one of the two'),
  })
  expect(tiny.orders.all.map(({ type }) => type)).toEqual(['registered'])
  expect((await client.ask({ op: 'history', workload: 'job0' })).moves).toEqual([])
  expect((await client.ask({ op: 'workload', workload: 'job0' })).workload.migration).toBeUndefined()
})
