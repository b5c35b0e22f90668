/**
 * Goal: what could not be written down did not happen, and is said again: a full disk costs time, never a step. Method: a store in
 * memory that refuses for a while, under a real coordinator; agents that connect anew, as real ones do.
 */
import { GodwitError } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Coordinator, startCoordinator } from './coordinator.ts'
import type { Write } from './key-value.ts'
import { MemoryStore } from './memory-store.ts'
import { FakeAgent, FakeClient, type FakeWorker } from './support/fakes.ts'
import { RUN } from './support/scene.suite.ts'

class FullStore extends MemoryStore {
  error: GodwitError | undefined
  /** Of commits that hold a key which begins so, while others are refused. */
  spared = 'none'
  /** Commits wait for it; `asked` says that one does. */
  held: { asked: () => void; until: Promise<void> } | undefined
  override async commit(writes: readonly Write[]): Promise<number | undefined> {
    this.held?.asked()
    await this.held?.until
    const isSpared = writes.some(({ key }) => key.startsWith(this.spared))
    if (this.error !== undefined && !isSpared) throw this.error
    return super.commit(writes)
  }
}

const FULL = new GodwitError('disk-full', 'no room')
let coordinator: Coordinator
let store: FullStore
let client: FakeClient
const fatal: GodwitError[] = []

beforeEach(async () => {
  store = new FullStore()
  fatal.length = 0
  coordinator = await startCoordinator({ port: 0, store, fatal: (error) => fatal.push(error) })
  client = await FakeClient.connect(coordinator.port)
})
afterEach(() => coordinator.close())

async function training(): Promise<{ a: FakeAgent; worker: FakeWorker }> {
  const a = await FakeAgent.registered(coordinator.port, 'a')
  const running = client.ask({ ...RUN, id: 'job' })
  const worker = await a.launched()
  worker.prepared()
  await running
  await client.ask({ op: 'follow', workload: 'job' })
  worker.steps(1, 0, 3)
  await client.steps(3)
  return { a, worker }
}

test('outputs that could not be written down are accepted when they are said again', async () => {
  const { a, worker } = await training()
  store.error = FULL
  worker.steps(1, 3, 6)
  expect(await a.closed).toMatchObject({ kind: 'connection-lost' })
  await expect(client.ask({ ...RUN, id: 'other', steps: 5 })).rejects.toMatchObject({
    kind: 'host-disconnected',
  })
  store.error = undefined
  const again = worker.behind(await FakeAgent.registered(coordinator.port, 'a', { workers: [worker.id] }))
  expect(await again.told('acknowledge')).toEqual({ type: 'acknowledge', step: 2 })
  again.steps(1, 3, 6)
  expect((await client.steps(3)).map(({ step }) => step)).toEqual([3, 4, 5])
  expect(fatal).toEqual([])
})

test('an exit that could not be written down is missed when the agent is back', async () => {
  const { a, worker } = await training()
  store.error = FULL
  worker.exited()
  await a.closed
  store.error = undefined
  const again = await FakeAgent.registered(coordinator.port, 'a')
  expect((await again.launched()).launch).toMatchObject({ mode: 'restored' })
})

test('a migration that ended with its job is told to have, though the end of the job could not be written down', async () => {
  const a = await FakeAgent.registered(coordinator.port, 'a')
  const b = await FakeAgent.registered(coordinator.port, 'b')
  const running = client.ask({ ...RUN, id: 'job', host: 'a', restartPolicy: 'never' })
  const source = await a.launched()
  source.prepared()
  await running
  await client.ask({ op: 'follow', workload: 'job' })
  const { migration } = await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  await b.launched()
  store.spared = 'migration/'
  store.error = FULL
  source.exited()
  expect(await client.migration(({ status }) => status === 'failed')).toMatchObject({ id: migration.id })
  store.error = undefined
  expect(await client.workload(({ status }) => status === 'failed')).toMatchObject({
    error: { kind: 'worker-crashed' },
  })
})

test('a request that needs the disk is answered with what is wrong', async () => {
  await training()
  await FakeAgent.registered(coordinator.port, 'b')
  store.error = FULL
  await expect(client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })).rejects.toMatchObject({
    kind: 'disk-full',
  })
  await FakeAgent.registered(coordinator.port, 'c')
  await expect(client.ask({ ...RUN, id: 'other', host: 'c' })).rejects.toMatchObject({ kind: 'disk-full' })
  store.error = undefined
  // Nothing is left of either.
  const c = await FakeAgent.registered(coordinator.port, 'd')
  const again = client.ask({ ...RUN, id: 'other', host: 'd' })
  const other = await c.launched()
  other.prepared()
  expect((await again).workload.status).toBe('running')
  const { migration } = await client.ask({ op: 'migrate', workload: 'job', to: 'd', options: {} })
  expect(migration).toMatchObject({ to: 'd', status: 'setup' })
  expect((await c.launched()).launch).toMatchObject({ workloadId: 'job', mode: 'incoming' })
})

test('a store that is unusable ends the coordinator', async () => {
  const { a, worker } = await training()
  store.error = new GodwitError('store-unusable', 'an input/output error')
  worker.steps(1, 3, 4)
  await a.closed
  expect(fatal).toEqual([store.error])
})

test('what was under way while a coordinator was ended in order, and found its store closed, is no error', async () => {
  const { worker } = await training()
  let release = (): void => {}
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  const asked = new Promise<void>((resolve) => {
    store.held = { asked: resolve, until }
  })
  worker.steps(1, 3, 6)
  await asked
  await coordinator.close()
  store.error = new GodwitError('store-unusable', 'the store is closed')
  release()
  await new Promise((resolve) => setImmediate(resolve))
  expect(fatal).toEqual([])
})
