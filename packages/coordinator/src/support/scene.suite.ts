/**
 * A real coordinator on a loopback socket and the scenes that its tests begin with, played message by message by agents, workers and a client.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MigrationView } from '@godwit/protocol'
import { afterEach, beforeEach, expect } from 'vitest'
import { type Coordinator, startCoordinator } from '../coordinator.ts'
import type { KeyValueStore } from '../key-value.ts'
import { LmdbStore } from '../lmdb-store.ts'
import { FakeAgent, FakeClient, type FakeWorker } from './fakes.ts'

/** Of the test that runs. */
export let coordinator: Coordinator
export let port: number
export let client: FakeClient

let folder: string | undefined
let store: KeyValueStore | undefined

/** Gives each test of a file a coordinator of its own; `onDisk` with a store that outlives it. */
export function useCoordinator({ onDisk = false } = {}): void {
  beforeEach(async () => {
    folder = onDisk ? mkdtempSync(join(tmpdir(), 'godwit-coordinator-')) : undefined
    await start()
  })
  afterEach(async () => {
    await coordinator.close()
    await store?.close()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })
}

async function start(): Promise<void> {
  store = folder === undefined ? undefined : await LmdbStore.open(folder)
  coordinator = await startCoordinator({ port: 0, ...(store === undefined ? {} : { store }) })
  port = coordinator.port
  client = await FakeClient.connect(port)
}

/** Another coordinator on the same folder, at a new port and with a new client. What was not written down is gone. */
export async function restarted(): Promise<void> {
  await coordinator.close()
  await store?.close()
  await start()
}

export const RUN = {
  op: 'run',
  program: '/programs/mlp.ts',
  parameters: {},
  steps: 100,
  tracker: 'compare',
} as const

export interface Scene {
  a: FakeAgent
  b: FakeAgent
  source: FakeWorker
}

/** Workload `job` trains on host a under epoch 1 with three steps accepted; b is connected, the client follows. */
export async function training(): Promise<Scene> {
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

export interface Moving extends Scene {
  target: FakeWorker
  migration: MigrationView
}

/** The same, with source and target talking to each other. */
export async function moving(): Promise<Moving> {
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
export async function claimed(): Promise<Moving> {
  const scene = await moving()
  const { source, target, migration } = scene
  source.steps(1, 3, 5)
  source.progress(migration.id, 'switchover', 5)
  await client.migration(({ status }) => status === 'switchover')
  target.say({ type: 'claim', migrationId: migration.id, fromStep: 5 })
  expect(await target.told('claimResult')).toMatchObject({ granted: true, epoch: 2 })
  return scene
}
