/**
 * Goal: a host that is to be empty refuses jobs at once and says how far it is, whatever a person or another coordinator does meanwhile.
 * Method: a real coordinator, its store on disk, and agents and workers that do what the test says; what is decided is in
 * maintenance-plan.test.ts.
 */
import type { MaintenanceView } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { FakeAgent, type FakeWorker, reportOf } from './support/fakes.ts'
import { client, port, RUN, restarted, training, useCoordinator } from './support/scene.suite.ts'

useCoordinator({ onDisk: true })

async function maintenanceOf(host: string, is: (view: MaintenanceView) => boolean): Promise<MaintenanceView> {
  for (;;) {
    const { maintenance } = await client.ask({ op: 'maintenance', host })
    if (maintenance !== undefined && is(maintenance)) return maintenance
  }
}

/** The move of `job` to `agent` that has just begun goes through. */
async function moves(
  source: FakeWorker,
  agent: FakeAgent,
  at: { epoch: number; step: number },
): Promise<FakeWorker> {
  const target = await agent.launched()
  target.prepared()
  const { migrationId } = await source.told('openOutgoing')
  source.say({ type: 'outgoingOpened', migrationId, port: 4711 })
  await target.told('dial')
  target.say({ type: 'claim', migrationId, fromStep: at.step })
  expect(await target.told('claimResult')).toMatchObject({ granted: true })
  const plan = { id: migrationId, workload: 'job', from: 'x', to: agent.name }
  source.say({
    type: 'migrationEnded',
    migrationId,
    status: 'completed',
    report: reportOf(plan, at.step, at.epoch),
  })
  target.steps(at.epoch, at.step, at.step + 1)
  await source.told('release')
  source.exited()
  return target
}

test('a host is emptied, refuses jobs, and gets its job back, through two coordinators', async () => {
  const { a, b, source } = await training()
  const entered = await client.ask({ op: 'enterMaintenance', host: 'a' })
  expect(entered).toMatchObject({ already: false, maintenance: { phase: 'evacuating', waiting: 1 } })
  await expect(client.ask({ ...RUN, host: 'a' })).rejects.toMatchObject({ kind: 'in-maintenance' })
  const target = await moves(source, b, { epoch: 2, step: 3 })
  const empty = await maintenanceOf('a', ({ phase }) => phase === 'evacuated')
  expect(empty).toMatchObject({ moved: 1, jobs: [{ workload: 'job', state: 'moved', to: 'b' }] })
  expect(await client.ask({ op: 'enterMaintenance', host: 'a' })).toMatchObject({ already: true })
  await expect(client.ask({ op: 'migrate', workload: 'job', to: 'a', options: {} })).rejects.toMatchObject({
    kind: 'in-maintenance',
  })

  await restarted()
  await Promise.all([a.closed, b.closed])
  const again = await FakeAgent.registered(port, 'a')
  const behind = await FakeAgent.registered(port, 'b', { workers: [target.id] })
  const { hosts } = await client.ask({ op: 'hosts' })
  expect(hosts.map(({ name, state }) => [name, state])).toEqual([
    ['a', 'maintenance'],
    ['b', 'connected'],
  ])
  await client.ask({ op: 'exitMaintenance', host: 'a', return: true })
  await moves(target.behind(behind), again, { epoch: 3, step: 4 })
  const over = await maintenanceOf('a', ({ phase }) => phase === 'over')
  expect(over).toMatchObject({ moved: 1, stuck: 0, jobs: [{ workload: 'job', state: 'moved', to: 'a' }] })
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload.host).toBe('a')
  const { moves: history } = await client.ask({ op: 'history', workload: 'job' })
  expect(history).toMatchObject([
    { from: 'a', to: 'b', status: 'completed', step: 3 },
    { from: 'b', to: 'a', status: 'completed', step: 4 },
  ])
  expect(history[0]?.maintenance).toBe(history[1]?.maintenance)
})

test('where a job can go nowhere nothing is moved and nothing is closed, unless it is forced', async () => {
  const a = await FakeAgent.registered(port, 'a')
  const b = await FakeAgent.registered(port, 'b')
  const running = [
    client.ask({ ...RUN, id: 'bound', host: 'b' }),
    client.ask({ ...RUN, id: 'job', host: 'a', rules: { apartFrom: ['bound'] } }),
  ]
  for (const agent of [a, b]) (await agent.launched()).prepared()
  await Promise.all(running)
  await (await FakeAgent.registered(port, 'c')).close()
  await client.disconnected('c')
  await expect(client.ask({ op: 'enterMaintenance', host: 'a' })).rejects.toMatchObject({
    kind: 'cannot-evacuate',
    message: expect.stringMatching(
      /1 of 1 jobs can't leave a, and none was moved: job can go nowhere \(b: the job must be apart from bound, which is there; c: its agent is not connected\)/,
    ),
  })
  expect((await client.ask({ op: 'hosts' })).hosts[0]?.state).toBe('connected')
  const forced = await client.ask({ op: 'enterMaintenance', host: 'a', force: true })
  expect(forced.maintenance).toMatchObject({ phase: 'evacuating', stuck: 1 })
  const ended = await client.ask({ op: 'exitMaintenance', host: 'a' })
  expect(ended.maintenance).toMatchObject({ phase: 'over' })
  await expect(client.ask({ op: 'exitMaintenance', host: 'a' })).rejects.toMatchObject({
    kind: 'bad-arguments',
  })
  await expect(client.ask({ op: 'enterMaintenance', host: 'z' })).rejects.toMatchObject({
    kind: 'unknown-host',
  })
})

test('ended half way, moves that are under way go on to their end, and nothing else begins', async () => {
  const { b, source } = await training()
  await client.ask({ op: 'enterMaintenance', host: 'a' })
  await maintenanceOf('a', ({ jobs }) => jobs[0]?.migration !== undefined)
  const { maintenance } = await client.ask({ op: 'exitMaintenance', host: 'a' })
  expect(maintenance).toMatchObject({ phase: 'over', moving: 1, jobs: [{ workload: 'job', to: 'b' }] })
  await moves(source, b, { epoch: 2, step: 3 })
  await client.workload(({ host, migration }) => host === 'b' && migration === undefined)
  expect((await client.ask({ op: 'hosts' })).hosts[0]?.state).toBe('connected')
})

test('run and migrate choose a host, keep to rules, and explain', async () => {
  const a = await FakeAgent.registered(port, 'a')
  const b = await FakeAgent.registered(port, 'b')
  const first = client.ask({ ...RUN, id: 'one', host: 'a' })
  ;(await a.launched()).prepared()
  await first
  const second = client.ask({ ...RUN, id: 'two', rules: { with: ['one'] }, explain: true })
  const two = await a.launched()
  two.prepared()
  expect((await second).placement).toMatchObject([
    { host: 'a', verdict: 'taken' },
    { host: 'b', verdict: 'refused', reason: 'the job must be with one, which is on a' },
  ])
  await expect(client.ask({ op: 'migrate', workload: 'two', options: {} })).rejects.toMatchObject({
    kind: 'no-host-fits',
  })
  await expect(client.ask({ op: 'migrate', workload: 'two', to: 'b', options: {} })).rejects.toMatchObject({
    kind: 'no-host-fits',
    message: 'b may not take two: the job must be with one, which is on a',
  })
  await expect(client.ask({ ...RUN, rules: { with: ['nobody'] } })).rejects.toMatchObject({
    kind: 'unknown-workload',
  })
  const moved = await client.ask({ op: 'migrate', workload: 'one', options: {}, explain: true })
  expect(moved).toMatchObject({
    migration: { from: 'a', to: 'b' },
    placement: [{ host: 'b', verdict: 'taken' }, { host: 'a' }],
  })
  expect((await b.launched()).launch.mode).toBe('incoming')
})
