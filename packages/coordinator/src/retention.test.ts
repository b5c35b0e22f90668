/**
 * Goal: what is over is kept for a bounded time, in a bounded number, and nothing that is under way is ever forgotten. Method: the
 * decision as a law over random lists; a registry on a clock that the test moves, whose store is read.
 */
import { encodeValue, LIMITS, migrationOptions } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KEYS, type MigrationRecord, readAll } from './records.ts'
import { hostsToForget, workloadsToForget } from './retention.ts'
import { outputOf } from './support/fakes.ts'
import { nobody, onClock } from './support/registry-on-clock.ts'

const limits = { keepEndedMs: 100, maxEndedWorkloads: 3, maxEndedSteps: 10, keepHostMs: 100, maxHosts: 3 }

test('whatever is over, the youngest are kept, up to each limit', () => {
  const times = fc.array(fc.record({ agoMs: fc.nat(200), keptSteps: fc.nat(8) }), { maxLength: 8 })
  fc.assert(
    fc.property(times, (each) => {
      const ended = each.map(({ agoMs, keptSteps }, index) => ({
        id: String(index),
        endedAtMs: 1000 - agoMs,
        keptSteps,
      }))
      const gone = workloadsToForget(ended, 1000, limits)
      const kept = ended.filter(({ id }) => !gone.includes(id))
      expect(kept.every(({ endedAtMs }) => 1000 - endedAtMs < 100)).toBe(true)
      expect(kept.length).toBeLessThanOrEqual(3)
      expect(kept.reduce((sum, { keptSteps }) => sum + keptSteps, 0)).toBeLessThanOrEqual(10)
      // None went without need: with the last of those that did, a limit would be passed.
      const next = ended.find(({ id }) => id === gone.at(-1))
      if (next === undefined) return
      const steps = [...kept, next].reduce((sum, { keptSteps }) => sum + keptSteps, 0)
      expect(1000 - next.endedAtMs >= 100 || kept.length === 3 || steps > 10).toBe(true)
      for (const { endedAtMs } of kept) expect(endedAtMs).toBeGreaterThanOrEqual(next.endedAtMs)
    }),
  )
})

test('a host goes when it was away for long, or for longest where room is needed; never one in use', () => {
  const host = (name: string, awaySinceMs: number | undefined, isInUse = false) => ({
    name,
    awaySinceMs,
    isInUse,
  })
  const now = (hosts: Parameters<typeof hostsToForget>[0]) => hostsToForget(hosts, 1000, limits)
  expect(now([host('old', 900), host('young', 901)])).toEqual(['old'])
  expect(now([host('here', undefined), host('used', 0, true)])).toEqual([])
  expect(now([host('b', 950), host('a', 940), host('here', undefined)])).toEqual(['a'])
  expect(now([host('here', undefined), host('too', undefined), host('used', 0, true)])).toEqual([])
})

test('a job that is over is forgotten after its time, with all that was stored of it; a running one is not', async () => {
  const { job, join, pass, ids, store, orders, settled } = await onClock()
  join('a')
  const over = await job('over')
  await job('runs')
  await over.finish()
  await pass(LIMITS.keepEndedMs - LIMITS.forgetEveryMs)
  expect(await ids()).toEqual(['over', 'runs'])
  orders.length = 0
  await pass(2 * LIMITS.forgetEveryMs)
  expect(await ids()).toEqual(['runs'])
  for (const kind of ['workload', 'ownership', 'outputs']) {
    const kept = await store.list(`${kind}/`)
    expect(kept.map(({ key }) => key.split('/')[1])).toEqual(['runs'])
  }
  expect(orders).toContainEqual({ type: 'deleteCheckpoint', workloadId: 'over' })
  // What is said of it late reaches nobody, and its name can be had again.
  over.says({ type: 'outputs', outputs: [outputOf(3, 1)] })
  await settled()
  await job('over')
  expect(await ids()).toEqual(['over', 'runs'])
})

test('one that is asked for goes at once, unless it is under way', async () => {
  const { registry, job, join, ids } = await onClock()
  join('a')
  const { finish } = await job('job')
  const forget = () => registry.requests.forget({ op: 'forget', workload: 'job' }, nobody)
  await expect(forget()).rejects.toMatchObject({
    kind: 'bad-arguments',
    message: expect.stringContaining('running'),
  })
  await finish()
  await forget()
  expect(await ids()).toEqual([])
  await expect(forget()).rejects.toMatchObject({ kind: 'unknown-workload' })
})

test('how long it has been over is known to the next coordinator', async () => {
  const first = await onClock()
  first.join('a')
  await (await first.job('job')).finish()
  first.registry.close()
  const next = await onClock(first.store)
  expect(await next.ids()).toEqual(['job'])
  await next.pass(LIMITS.keepEndedMs + LIMITS.forgetEveryMs)
  expect(await next.ids()).toEqual([])
  expect(await first.store.list('outputs/')).toEqual([])
})

test('a calendar that jumps, while a coordinator runs or between two, makes nothing older', async () => {
  const farMs = 10 * 365 * 24 * 3_600_000
  const first = await onClock()
  first.join('a')
  first.join('b')
  await (await first.job('job')).finish()
  first.leave('b')
  first.setCalendarAhead(farMs)
  await first.pass(3 * LIMITS.forgetEveryMs)
  // Ended by a calendar that is right again later, and that must not keep it for ever either.
  await (await first.job('meanwhile')).finish()
  first.setCalendarAhead(-farMs)
  await first.pass(LIMITS.forgetEveryMs)
  expect(await first.ids()).toEqual(['job', 'meanwhile'])
  first.registry.close()
  const next = await onClock(first.store, farMs)
  await next.pass(3 * LIMITS.forgetEveryMs)
  expect(await next.ids()).toEqual(['job', 'meanwhile'])
  expect((await next.store.list('host/')).map(({ key }) => key)).toEqual(['host/a', 'host/b'])
  await next.pass(LIMITS.keepEndedMs)
  expect(await next.ids()).toEqual([])
})

test('time in which earlier coordinators ran counts', async () => {
  const first = await onClock()
  first.join('a')
  await (await first.job('job')).finish()
  await first.pass(LIMITS.keepEndedMs - 5 * LIMITS.forgetEveryMs)
  first.registry.close()
  const next = await onClock(first.store)
  await next.pass(3 * LIMITS.forgetEveryMs)
  expect(await next.ids()).toEqual(['job'])
  await next.pass(4 * LIMITS.forgetEveryMs)
  expect(await next.ids()).toEqual([])
})

test('a host that stays away is forgotten, and one with a job is not', async () => {
  const { registry, job, join, leave, pass, store } = await onClock()
  join('a')
  join('b')
  await job('job')
  leave('a')
  leave('b')
  await pass(LIMITS.keepHostMs + LIMITS.forgetEveryMs)
  const { hosts } = (await registry.requests.hosts({ op: 'hosts' }, nobody)) as { hosts: { name: string }[] }
  expect(hosts.map(({ name }) => name)).toEqual(['a'])
  expect((await store.list('host/')).map(({ key }) => key)).toEqual(['host/a'])
})

test('a move that is queued to a host that is forgotten meanwhile is refused in a sentence', async () => {
  const { registry, job, join, leave, settled } = await onClock()
  for (const host of ['a', 'b', 'c']) join(host)
  const options = migrationOptions.parse({})
  const ids: string[] = []
  for (const [workload, to] of [
    ['one', 'b'],
    ['two', 'b'],
    ['three', 'c'],
  ] as const) {
    await job(workload)
    const asked = { op: 'migrate', workload, to, options } as const
    const { migration } = (await registry.requests.migrate(asked, nobody)) as { migration: { id: string } }
    ids.push(migration.id)
  }
  const migration = (nth: number) =>
    registry.requests.migration({ op: 'migration', migration: ids[nth] as string }, nobody) as unknown
  expect(migration(2)).toMatchObject({ migration: { status: 'queued' } })
  leave('c')
  await settled()
  // There is no room for so many, and c is the one that is away.
  for (let host = 0; host < LIMITS.maxHosts - 2; host++) join(`h${host}`)
  for (const workload of ['one', 'two']) await registry.requests.cancel({ op: 'cancel', workload }, nobody)
  await settled()
  expect(migration(2)).toMatchObject({
    migration: {
      status: 'failed',
      error: {
        kind: 'unknown-host',
        phase: 'queued',
        message: expect.stringContaining('there is no host c'),
      },
    },
  })
})

test('what happens to hosts while a coordinator ends is not written any more, and fails no migration', async () => {
  const { registry, job, join, leave, store, settled } = await onClock()
  join('a')
  join('b')
  await job('job')
  const options = migrationOptions.parse({})
  await registry.requests.migrate({ op: 'migrate', workload: 'job', to: 'b', options }, nobody)
  await settled()
  const before = await store.list('')
  registry.close()
  leave('b')
  leave('a')
  await settled()
  expect(await store.list('')).toEqual(before)
})

test('of too many migrations the oldest that is over goes: one that is under way can be asked about, however old', async () => {
  const first = await onClock()
  first.join('a')
  first.join('b')
  await first.job('job')
  const options = migrationOptions.parse({})
  const migrate = ({ registry }: typeof first, workload: string) =>
    registry.requests.migrate({ op: 'migrate', workload, to: 'b', options }, nobody)
  await migrate(first, 'job')
  first.registry.close()
  const { store } = first
  const [open] = await readAll<MigrationRecord>(store, KEYS.migration(''))
  if (open === undefined) throw new Error('no migration was written down')
  const outcome = { status: 'failed', error: { kind: 'internal', message: 'over' } } as const
  for (let index = 1; index < LIMITS.maxMigrations; index++) {
    const plan = { ...open.state.plan, id: `m${index}`, workload: 'another' }
    const over: MigrationRecord = { ...open, order: 10 + index, state: { plan, name: 'ended', outcome } }
    await store.put(KEYS.migration(plan.id), encodeValue(over))
  }
  const next = await onClock(store)
  next.join('a')
  next.join('b')
  await next.job('young')
  const ask = (migration: string) =>
    next.registry.requests.migration({ op: 'migration', migration }, nobody) as unknown
  expect(ask('m1')).toBeDefined()
  await migrate(next, 'young')
  expect(ask(open.state.plan.id)).toMatchObject({ migration: { workload: 'job', status: 'setup' } })
  expect(() => ask('m1')).toThrow('there is no migration m1')
  expect(ask('m2')).toBeDefined()
  expect(await store.get(KEYS.migration(open.state.plan.id))).toBeDefined()
  expect(await store.get(KEYS.migration('m1'))).toBeUndefined()
})
