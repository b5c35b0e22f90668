/**
 * Goal: the edge does what the protocol promises to agents and clients. Method: a real coordinator on a loopback
 * socket, with agents, workers and clients that the tests play message by message; every wait is for an event.
 */
import { type HostView, OUR_VERSIONS, RELEASE } from '@godwit/protocol'
import { reportLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { FakeAgent, FakeClient, reportOf } from './support/fakes.ts'
import { claimed, client, moving, port, RUN, training, useCoordinator } from './support/scene.suite.ts'

useCoordinator()

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

test('whoever watches hears what a machine does each time that its agent says it, and nothing of it once that is gone', async () => {
  const a = await FakeAgent.registered(port, 'a')
  await client.ask({ op: 'watch', kinds: ['host'] })
  const told = async (wanted: (host: HostView) => boolean): Promise<HostView> => {
    for (;;) {
      const { changes } = await client.changes.next(() => true)
      for (const change of changes) if (change.kind === 'host' && wanted(change.host)) return change.host
    }
  }
  for (const cpu of [0.25, 0.75]) {
    const utilisation = {
      cpu,
      usedMemoryBytes: 3,
      totalMemoryBytes: 8,
      receivedBytesPerSecond: 1e6,
      sentBytesPerSecond: 2e6,
    }
    a.send({ type: 'utilisation', utilisation })
    expect((await told((host) => host.utilisation?.cpu === cpu)).utilisation).toEqual(utilisation)
  }
  await a.close()
  expect((await told(({ state }) => state === 'disconnected')).utilisation).toBeUndefined()
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
  expect(final.report?.lostTimeMs).toBe(reportLike().downtimeMs)
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
  await expect(client.ask({ ...RUN, id: 'one', steps: 7 })).rejects.toMatchObject({ kind: 'bad-arguments' })
  // The very same request again, by somebody who didn't get the answer.
  expect((await client.ask({ ...RUN, id: 'one' })).workload).toMatchObject({ id: 'one', status: 'running' })
  await expect(client.ask({ ...RUN, id: 'x'.repeat(199) })).rejects.toMatchObject({ kind: 'bad-arguments' })
  // Nothing of the second ever counted: its name is free.
  const again = client.ask({ ...RUN, id: 'two', host: 'small' })
  const retried = await small.launched()
  retried.prepared()
  expect((await again).workload).toMatchObject({ id: 'two', status: 'running' })
  const { hosts } = await client.ask({ op: 'hosts' })
  expect(hosts.map(({ name, workloads }) => [name, workloads])).toEqual([
    ['large', ['one']],
    ['small', ['two']],
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
    [{ op: 'checkpoint', workload: 'none' }, 'unknown-workload'],
  ] as const
  for (const [request, kind] of asks) {
    await expect(client.ask<never>(request as never), JSON.stringify(request)).rejects.toMatchObject({ kind })
  }
  await FakeAgent.registered(port, 'c')
  const { migration } = await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  await expect(client.ask({ op: 'migrate', workload: 'job', to: 'c', options: {} })).rejects.toMatchObject({
    kind: 'already-migrating',
  })
  const again = await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  expect(again.migration.id).toBe(migration.id)
  await a.close()
  await client.disconnected('a')
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
  const tooNew = await modern.order('refused')
  expect(tooNew.error).toMatchObject({
    kind: 'protocol-version',
    message: expect.stringMatching(/speaks versions 90 to 99.*upgrade the coordinator first/),
  })
  const ancient = await FakeAgent.connect(port, 'ancient')
  ancient.register({ versions: { min: 0, max: 0 } })
  expect((await ancient.order('refused')).error.message).toMatch(/versions 0 to 0 .*upgrade the agent first/)
  const rude = await FakeAgent.connect(port, 'rude')
  rude.send({ type: 'workerExited', workerId: 'w' })
  expect(await rude.closed).toMatchObject({ kind: 'connection-lost' })
  const { hosts } = await client.ask({ op: 'hosts' })
  expect(hosts.map(({ name }) => name)).toEqual(['a'])
})

test('each agent is spoken to in the highest version that it knows, and hosts say which release they are', async () => {
  const versions = { old: { min: 1, max: 1 }, new: OUR_VERSIONS, newer: { min: 2, max: 9 } }
  for (const [name, range] of Object.entries(versions)) {
    const agent = await FakeAgent.connect(port, name)
    agent.register({ versions: range })
    const spoken = Math.min(range.max, OUR_VERSIONS.max)
    expect(await agent.order('registered')).toMatchObject({ version: spoken })
    if (name === 'new') agent.send({ type: 'about', release: RELEASE })
    if (name === 'newer') agent.send({ type: 'about', release: '0.1.9' })
  }
  const agesOf = async () => {
    const { hosts } = await client.ask({ op: 'hosts' })
    return hosts.map(({ name, release, protocol, isBehind }) => [name, release, protocol, isBehind])
  }
  await expect.poll(agesOf).toEqual([
    ['new', RELEASE, 2, undefined],
    ['newer', '0.1.9', 2, true],
    ['old', '0.1.0', 1, true],
  ])
})

test('while a host fetches a bundle, its job and its move say how far it is, and no longer', async () => {
  const { a, b, source } = await training()
  const progress = { bytes: 5, ofBytes: 20 }
  // Nobody waits for one that trains.
  source.fetching(progress)
  const { migration } = await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  const target = await b.launched()
  target.fetching(progress)
  const told = (): Promise<unknown> =>
    client.ask({ op: 'migration', migration: migration.id }).then((reply) => reply.migration.fetching)
  await expect.poll(told).toEqual(progress)
  target.fetching({ bytes: 20, ofBytes: 20 })
  await expect.poll(told).toEqual({ bytes: 20, ofBytes: 20 })
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload).not.toHaveProperty('fetching')
  const { tasks } = await client.ask({ op: 'tasks' })
  expect(tasks[0]?.detail).toBe('b fetches: 20 B of 20 B')
  target.prepared()
  await expect.poll(told).toBeUndefined()

  void client.ask({ ...RUN, id: 'second', host: 'a' }).catch(() => {})
  const second = await a.launched()
  second.fetching(progress)
  const its = () =>
    client.ask({ op: 'workload', workload: 'second' }).then(({ workload }) => workload.fetching)
  await expect.poll(its).toEqual(progress)
  second.prepared()
  await expect.poll(its).toBeUndefined()
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
  const cancelled = client.ask({ op: 'cancel', workload: 'job' })
  await target.killed()
  await source.told('cancelMigration')
  source.say({ type: 'migrationEnded', migrationId: migration.id, status: 'cancelled' })
  expect((await cancelled).migration).toMatchObject({ id: migration.id, status: 'cancelled' })
  expect(await client.migration(({ status }) => status === 'cancelled')).toMatchObject({
    id: migration.id,
    error: { kind: 'cancelled' },
  })
})

test('after final a cancel becomes an abort: the source goes on under a newer epoch, its claim comes too late', async () => {
  const { source, target, migration } = await moving()
  source.steps(1, 3, 5)
  await client.steps(2)
  const cancelled = client.ask({ op: 'cancel', workload: 'job' })
  await source.told('cancelMigration')
  target.say({ type: 'claim', migrationId: migration.id, fromStep: 5 })
  source.say({
    type: 'recover',
    migrationId: migration.id,
    error: { kind: 'cancelled', message: 'cancelled by request' },
  })
  expect(await source.told('recoverResult')).toMatchObject({ granted: true, epoch: 2 })
  source.say({ type: 'migrationEnded', migrationId: migration.id, status: 'cancelled' })
  expect((await cancelled).migration.status).toBe('cancelled')
  source.steps(2, 5, 7)
  expect((await client.steps(2)).map(({ epoch }) => epoch)).toEqual([2, 2])
})
