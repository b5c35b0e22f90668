/**
 * Goal: whoever says a command again, or late, or of a migration that nobody knows, is answered and changes nothing. Method: real listening on a
 * real port, for a job of which nothing else is needed; nobody dials.
 */
import { RecentSteps } from '@godwit/engine'
import { CompareTracker, DirtyPages } from '@godwit/memory'
import {
  type FromWorker,
  GodwitError,
  LIMITS,
  migrationOptions,
  PAGE_BYTES,
  type ToWorker,
} from '@godwit/protocol'
import { afterEach, expect, test } from 'vitest'
import type { Job } from './job.ts'
import { Migrations } from './migrations.ts'
import { Outputs } from './outputs.ts'
import { Parks } from './parks.ts'
import { identity } from './support/checkpointed-job.ts'
import { ControlWords } from './thread-messages.ts'

const cleanUps: (() => void)[] = []
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp()
})

const error = { kind: 'cancelled', message: 'changed my mind' } as const

function openOutgoing(migrationId: string): Extract<ToWorker, { type: 'openOutgoing' }> {
  const options = migrationOptions.parse({})
  return {
    type: 'openOutgoing',
    migrationId,
    from: 'a',
    to: 'b',
    secret: 'a'.repeat(64),
    options,
    elapsedMs: 0,
  }
}

function rig(): { migrations: Migrations; job: Job; said: FromWorker[] } {
  const said: FromWorker[] = []
  const tell = (message: FromWorker): void => {
    said.push(message)
  }
  const control = new ControlWords()
  const paged = new Uint8Array(PAGE_BYTES)
  const job = {
    launch: { workloadId: 'job', listenHost: '127.0.0.1', portRange: [0, 0] },
    identity,
    paged,
    dirtyPages: new DirtyPages(new CompareTracker(paged)),
    maxDeltaBytes: undefined,
    spareBytes: 0,
    control,
    parks: new Parks(control),
    outputs: new Outputs(() => {}),
    rehearsePark: () => {},
    recentSteps: new RecentSteps(),
    epoch: 1,
    tell,
  } as unknown as Job
  const migrations = new Migrations(tell)
  cleanUps.push(() => migrations.cancel({ type: 'cancelMigration', migrationId: 'm1', error }))
  return { migrations, job, said }
}

test('an open migration that is opened again says its port again, one that ended how it ended', async () => {
  const { migrations, job, said } = rig()
  await migrations.openOutgoing(openOutgoing('m1'), job, undefined)
  await migrations.openOutgoing(openOutgoing('m1'), job, undefined)
  expect(said).toEqual([
    { type: 'outgoingOpened', migrationId: 'm1', port: expect.any(Number) },
    { type: 'outgoingOpened', migrationId: 'm1', port: (said[0] as { port?: number }).port },
  ])
  await migrations.openOutgoing(openOutgoing('m2'), job, undefined)
  expect(said.at(-1)).toMatchObject({
    migrationId: 'm2',
    status: 'failed',
    error: { kind: 'already-migrating' },
  })
  migrations.cancel({ type: 'cancelMigration', migrationId: 'm1', error })
  const ended = said.at(-1)
  expect(ended).toMatchObject({ type: 'migrationEnded', migrationId: 'm1', status: 'cancelled' })
  migrations.cancel({ type: 'cancelMigration', migrationId: 'm1', error })
  await migrations.openOutgoing(openOutgoing('m1'), job, undefined)
  expect(said.slice(-2)).toEqual([ended, ended])
})

test('nobody waits in vain for the end of a migration that was never heard of, or could not begin', async () => {
  const { migrations, said } = rig()
  migrations.cancel({ type: 'cancelMigration', migrationId: 'm7', error })
  expect(said).toMatchObject([{ type: 'migrationEnded', migrationId: 'm7', status: 'cancelled', error }])
  const notYet = new GodwitError('not-running', 'try again')
  await migrations.openOutgoing(openOutgoing('m8'), notYet, undefined)
  await migrations.openOutgoing(openOutgoing('m8'), notYet, undefined)
  expect(said.slice(1)).toMatchObject([
    { migrationId: 'm8', status: 'failed', error: { kind: 'not-running', phase: 'setup' } },
    { migrationId: 'm8', status: 'failed' },
  ])
})

test('what ended stays ended when orders about several come again, and few of them are remembered', async () => {
  const { migrations, job, said } = rig()
  cleanUps.push(() => migrations.cancel({ type: 'cancelMigration', migrationId: 'm2', error }))
  await migrations.openOutgoing(openOutgoing('m1'), job, undefined)
  migrations.cancel({ type: 'cancelMigration', migrationId: 'm1', error })
  await migrations.openOutgoing(openOutgoing('m2'), job, undefined)
  migrations.cancel({ type: 'cancelMigration', migrationId: 'm2', error })
  // The agent had lost the worker, and sends the newest order of each kind again: here of two migrations.
  migrations.cancel({ type: 'cancelMigration', migrationId: 'm1', error })
  await migrations.openOutgoing(openOutgoing('m2'), job, undefined)
  expect(said.slice(-2)).toMatchObject([
    { type: 'migrationEnded', migrationId: 'm1', status: 'cancelled' },
    { type: 'migrationEnded', migrationId: 'm2', status: 'cancelled' },
  ])
  const others = Array.from({ length: LIMITS.maxKeptEndings - 1 }, (_, index) => `x${index}`)
  for (const migrationId of others) migrations.cancel({ type: 'cancelMigration', migrationId, error })
  await migrations.openOutgoing(openOutgoing('m2'), job, undefined)
  expect(said.at(-1)).toMatchObject({ type: 'migrationEnded', migrationId: 'm2' })
  migrations.cancel({ type: 'cancelMigration', migrationId: 'one too many', error })
  await migrations.openOutgoing(openOutgoing('m2'), job, undefined)
  expect(said.at(-1)).toMatchObject({ type: 'outgoingOpened', migrationId: 'm2' })
})

test('words about a migration that is not under way are not about the one that is', async () => {
  const { migrations, job, said } = rig()
  await migrations.openOutgoing(openOutgoing('m1'), job, undefined)
  migrations.recoverResult({ type: 'recoverResult', migrationId: 'm0', granted: true, epoch: 9 })
  migrations.release({ type: 'release', migrationId: 'm0' })
  migrations.claimResult({ type: 'claimResult', migrationId: 'm0', granted: true, epoch: 9 })
  // Before final they say nothing to the one that is, either.
  migrations.recoverResult({ type: 'recoverResult', migrationId: 'm1', granted: true, epoch: 9 })
  migrations.release({ type: 'release', migrationId: 'm1' })
  expect(said).toHaveLength(1)
  expect(job.epoch).toBe(1)
})
