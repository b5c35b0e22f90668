/**
 * Goal: a host is emptied, and filled again, by looking at how things are and nothing else. Method: random clusters in which a small
 * world carries out what is planned, with moves that fail now and then, until nothing is planned any more; and the rules one by one.
 */
import { LIMITS } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type MaintenanceMove,
  type MaintenanceRecord,
  type MovableJob,
  planMaintenance,
  settled,
  toWithdraw,
} from './maintenance-plan.ts'
import type { HostFacts } from './placement.ts'
import { hostFacts as host, MiB } from './support/host-facts.ts'

const job = (id: string, at: string, more: Partial<MovableJob> = {}): MovableJob => ({
  id,
  host: at,
  memoryBytes: 100 * MiB,
  rules: {},
  busy: undefined,
  ...more,
})

/** A cluster that does what it is told: moves take a turn each, and end as `fails` says. */
class World {
  record: MaintenanceRecord = { id: 'mt', host: 'a', phase: 'evacuating', force: true, stayed: [] }
  readonly moves: MaintenanceMove[] = []
  jobs: MovableJob[]
  readonly hosts: HostFacts[]

  constructor(hosts: HostFacts[], jobs: MovableJob[]) {
    this.hosts = hosts
    this.jobs = jobs
  }

  get plan() {
    const isInMaintenance = this.record.phase === 'evacuating'
    const hosts = this.hosts.map((each) => (each.name === 'a' ? { ...each, isInMaintenance } : each))
    const { record, jobs, moves } = this
    return planMaintenance({ record, hosts, jobs, moves, hasWorkers: false })
  }

  /** Looks, begins, and ends the move that was begun first. False when there was nothing to do. */
  turn(fails: boolean): boolean {
    const { plan } = this
    for (const { workload, to } of plan.begin) {
      const from = this.#job(workload).host
      const move = { id: `m${this.moves.length}`, workload, from, to, status: 'active' } as const
      this.moves.push(move)
      this.#set({ ...this.#job(workload), move: { ...move, maintenance: 'mt' } })
    }
    const open = this.moves.filter(({ status }) => status === 'active')
    const next = settled(this.record, plan)
    if (next !== undefined) this.record = next
    const [first] = open
    if (first === undefined) return false
    this.moves[this.moves.indexOf(first)] = fails
      ? { ...first, status: 'failed', error: { message: 'it failed' } }
      : { ...first, status: 'completed' }
    this.#set({ ...this.#job(first.workload), move: undefined, host: fails ? first.from : first.to })
    return true
  }

  on(name: string): string[] {
    return this.jobs.filter((each) => each.host === name).map(({ id }) => id)
  }

  #job(id: string): MovableJob {
    return this.jobs.find((each) => each.id === id) as MovableJob
  }

  #set(changed: MovableJob): void {
    this.jobs = this.jobs.map((each) => (each.id === changed.id ? changed : each))
  }
}

function untilAtRest(turn: () => boolean): void {
  for (let turns = 0; turn(); turns++) expect(turns).toBeLessThan(40)
}

const IDS = ['j1', 'j2', 'j3', 'j4', 'j5']
const named = fc.uniqueArray(fc.constantFrom(...IDS), { maxLength: 2 })
const cluster = fc.record({
  memory: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 }),
  jobs: fc.tuple(
    ...IDS.map((id) =>
      fc.record({
        id: fc.constant(id),
        rules: fc.record({ with: named, apartFrom: named }, { requiredKeys: [] }),
      }),
    ),
  ),
  fails: fc.array(fc.boolean(), { maxLength: 12 }),
})

test('whatever fails, it comes to rest: who left is elsewhere, who stays is said, and they come back', () => {
  fc.assert(
    fc.property(cluster, ({ memory, jobs, fails }) => {
      const hosts = [
        host('a'),
        ...memory.map((each, index) => host(`b${index}`, { memoryBytes: each * 100 * MiB })),
      ]
      const world = new World(
        hosts,
        jobs.map(({ id, rules }) => job(id, 'a', { rules })),
      )
      const outcomes = [...fails]
      untilAtRest(() => world.turn(outcomes.shift() ?? false))
      const { view } = world.plan
      expect(view.moving + view.waiting).toBe(0)
      expect(
        view.jobs
          .filter(({ state }) => state === 'stuck')
          .map(({ workload }) => workload)
          .sort(),
      ).toEqual(world.on('a'))
      expect(view.phase).toBe(world.on('a').length === 0 ? 'evacuated' : 'evacuating')
      for (const { name, memoryBytes } of hosts.slice(1))
        expect(world.on(name).length * 100 * MiB).toBeLessThanOrEqual(memoryBytes)
      for (const id of IDS) {
        const failed = world.moves.filter(({ workload, status }) => workload === id && status === 'failed')
        expect(failed.length).toBeLessThanOrEqual(LIMITS.maintenanceTries)
      }
      const left = IDS.filter((id) => !world.on('a').includes(id))
      world.record = { ...world.record, phase: 'returning' }
      untilAtRest(() => world.turn(false))
      expect(world.record.phase).toBe('over')
      expect(world.record.stayed.map(({ workload }) => workload).sort()).toEqual(
        left.filter((id) => !world.on('a').includes(id)),
      )
    }),
  )
})

test('a job that could go nowhere but where its move failed is tried there again, so often and no more', () => {
  const world = new World([host('a'), host('b'), host('c')], [job('j1', 'a')])
  const tried: string[] = []
  while (world.plan.begin.length > 0) {
    tried.push(world.plan.begin[0]?.to ?? '')
    world.turn(true)
  }
  expect(tried).toEqual(['b', 'c', 'b'])
  expect(world.plan.view.jobs).toMatchObject([
    { workload: 'j1', state: 'stuck', reason: '3 moves of it ended early, the last one to b: it failed' },
  ])
})

test('jobs that must be together leave one after the other, to the same host; even if each must be with the other', () => {
  const together = (id: string, partner: string): MovableJob => job(id, 'a', { rules: { with: [partner] } })
  for (const jobs of [
    [job('j2', 'a'), together('j1', 'j2')],
    [together('j1', 'j2'), together('j2', 'j1')],
  ]) {
    const world = new World([host('a'), host('b'), host('c')], jobs)
    expect(world.plan.begin).toHaveLength(1)
    expect(world.plan.view.jobs.find(({ reason }) => reason !== undefined)?.reason).toMatch(/^it follows j/)
    untilAtRest(() => world.turn(false))
    expect([world.on('b').length, world.on('c').length].sort()).toEqual([0, 2])
  }
})

test('what cannot go now waits: one that starts, one that moves already, one that is on its way here', () => {
  const jobs = [
    job('starts', 'a', { busy: 'it is starting' }),
    job('moves', 'a', { move: { id: 'm1', from: 'a', to: 'b' } }),
    job('comes', 'b', { move: { id: 'm2', from: 'b', to: 'a' } }),
    job('elsewhere', 'b'),
  ]
  const { begin, view } = new World([host('a'), host('b')], jobs).plan
  expect(begin).toEqual([])
  expect(view).toMatchObject({ phase: 'evacuating', waiting: 2, moving: 1, stuck: 0 })
  expect(view.jobs.find(({ workload }) => workload === 'starts')).toMatchObject({
    reason: 'it is starting',
    to: 'b',
  })
})

test('jobs come back to a host that is there again, and not while it is away', () => {
  const world = new World([host('a'), host('b')], [job('j1', 'a')])
  untilAtRest(() => world.turn(false))
  world.record = { ...world.record, phase: 'returning' }
  world.hosts[0] = host('a', { isConnected: false })
  expect(world.plan.view.jobs).toMatchObject([
    { state: 'waiting', reason: 'the agent of a is not connected' },
  ])
  expect(settled(world.record, world.plan)).toBeUndefined()
  world.hosts[0] = host('a')
  untilAtRest(() => world.turn(false))
  expect([world.on('a'), world.record.phase]).toEqual([['j1'], 'over'])
})

test('a job whose move is queued waits and says why; one that was withdrawn from the queue was never tried', () => {
  const queued = { id: 'm0', workload: 'j1', from: 'a', to: 'b', status: 'queued' } as const
  const waiting = job('j1', 'a', {
    move: { ...queued, maintenance: 'mt' },
    queued: '2 moves leave a, its limit',
  })
  const world = new World([host('a'), host('b')], [waiting])
  world.moves.push(queued)
  expect(world.plan).toMatchObject({
    begin: [],
    view: {
      phase: 'evacuating',
      jobs: [
        { workload: 'j1', state: 'waiting', to: 'b', migration: 'm0', reason: '2 moves leave a, its limit' },
      ],
    },
  })
  expect(toWithdraw(world)).toEqual([])
  for (const phase of ['over', 'returning'] as const)
    expect(toWithdraw({ ...world, record: { ...world.record, phase } })).toEqual([queued])
  const error = { message: 'the maintenance that asked for it is over', phase: 'queued' }
  world.moves.splice(0, 1, { ...queued, status: 'cancelled', error })
  world.moves.push(
    { ...queued, id: 'm1', status: 'cancelled', error },
    { ...queued, id: 'm2', status: 'cancelled', error },
  )
  world.jobs = [job('j1', 'a')]
  expect(world.plan.begin).toEqual([{ workload: 'j1', to: 'b' }])
})
