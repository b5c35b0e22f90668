/**
 * Goal: no move begins beside a switchover, and no job switches over beside a move that begins; neither waits for ever. Method: a registry on a
 * clock that the test moves, whose agents and workers say what the test does; who goes first is decided in turns.test.ts.
 */
import {
  type FromWorker,
  LIMITS,
  type MigrationStatus,
  type MigrationView,
  migrationOptions,
} from '@godwit/protocol'
import { identityLike, reportLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { nobody, onClock } from './support/registry-on-clock.ts'

/** A job on a that moves to b, one on b, and a third host. */
async function scene() {
  const { registry, orders, settled, pass, join, job } = await onClock()
  for (const host of ['a', 'b', 'c']) join(host)
  const { says } = await job('job')
  await job('other', 'b')
  const migrate = async (workload: string, to: string): Promise<string> => {
    const asked = { op: 'migrate', workload, to, options: migrationOptions.parse({}) } as const
    const { migration } = (await registry.requests.migrate(asked, nobody)) as { migration: MigrationView }
    await settled()
    return migration.id
  }
  const view = (id: string): MigrationView =>
    (registry.requests.migration({ op: 'migration', migration: id }, nobody) as { migration: MigrationView })
      .migration
  const id = await migrate('job', 'b')
  const begun = orders.at(-1)
  if (begun?.type !== 'launch') throw new Error('the move has not begun')
  const fromTarget = (message: FromWorker) =>
    registry.agents.fromWorker('b', { type: 'fromWorker', workerId: begun.launch.workerId, message })
  fromTarget({ type: 'prepared', identity: identityLike() })
  await settled()
  says({ type: 'outgoingOpened', migrationId: id, port: 4000 })
  await settled()
  return {
    ...{ registry, orders, settled, pass, migrate, view, id, says, fromTarget },
    /** Of those of the job that moves. */
    timesLetGo: () =>
      orders.filter((order) => order.type === 'toWorker' && order.message.type === 'switchover').length,
    async progress(status: MigrationStatus, round = 1) {
      const sent = { roundPagesSent: 1, roundPages: 2, remainingBytes: 1, sentBytes: 1, bytesPerSecond: 1 }
      says({ type: 'migrationProgress', migrationId: id, status, progress: { round, ...sent, step: 0 } })
      await settled()
    },
  }
}

test('a move is queued while another one switches over on its host, and begins after that', async () => {
  const { progress, timesLetGo, migrate, view, id } = await scene()
  await progress('preSwitchover')
  expect(timesLetGo()).toBe(1)
  const other = await migrate('other', 'c')
  expect(view(other)).toMatchObject({
    status: 'queued',
    place: 1,
    waitingFor: `${id} switches over on a host or link that it needs`,
  })
  await progress('switchover')
  expect(view(other).status).toBe('queued')
  // It does not park after all.
  await progress('active')
  expect(view(other).status).toBe('setup')
})

test('a turn is over when the job goes on at its target, not when that has claimed it', async () => {
  const { progress, migrate, view, id, says, fromTarget, settled, pass } = await scene()
  await progress('switchover')
  const other = await migrate('other', 'c')
  fromTarget({ type: 'claim', migrationId: id, fromStep: 3 })
  await pass(LIMITS.queueLookMs)
  expect(view(other).status).toBe('queued')
  const report = reportLike({ id, workload: 'job' })
  says({ type: 'migrationEnded', migrationId: id, status: 'completed', report })
  await settled()
  await pass(LIMITS.queueLookMs)
  expect(view(other).status).toBe('setup')
})

test('it begins all the same where switchovers take too long', async () => {
  const { progress, migrate, view, pass } = await scene()
  await progress('preSwitchover')
  const other = await migrate('other', 'c')
  for (let keptMs = 0; keptMs < LIMITS.turnPatienceMs; keptMs += 1000) {
    await progress('switchover')
    expect(view(other).status).toBe('queued')
    await pass(1000)
  }
  await progress('switchover')
  await pass(2 * LIMITS.queueLookMs)
  expect(view(other).status).toBe('setup')
})

test('who is ready waits for a move that begins on its host, until that has begun or ended', async () => {
  const { registry, orders, settled, progress, timesLetGo, migrate, view, id } = await scene()
  await progress('active', 0)
  const other = await migrate('other', 'c')
  expect(view(other).status).toBe('setup')
  const launched = orders.at(-1)
  if (launched?.type !== 'launch') throw new Error('the other move has not begun')
  await progress('preSwitchover')
  expect([timesLetGo(), view(id).waitingFor]).toEqual([
    0,
    `its turn: ${other} begins on a host or link that both need`,
  ])
  registry.agents.workerExited('c', { type: 'workerExited', workerId: launched.launch.workerId })
  await settled()
  await progress('preSwitchover')
  expect([view(other).status, timesLetGo()]).toEqual(['failed', 1])
})

test('it switches over all the same where that takes too long', async () => {
  const { progress, timesLetGo, migrate, pass } = await scene()
  await migrate('other', 'c')
  await progress('preSwitchover')
  for (let waitedMs = 0; waitedMs <= LIMITS.turnPatienceMs; waitedMs += 1000) {
    expect(timesLetGo()).toBe(0)
    await pass(1000)
    await progress('preSwitchover')
  }
  expect(timesLetGo()).toBe(1)
})
