/**
 * Goal: whoever watches knows, once it is told that it is current, what there is and nothing else; across breaks, however slowly it reads,
 * and what happened is told once each, or it is told that it missed some. Method: random histories of things, read by watchers that keep
 * what they are told and break off at random, against the things themselves; and a few histories by hand.
 */
import {
  type Change,
  type ChangeKind,
  changeKind,
  type HostView,
  LIMITS,
  type ToClient,
} from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Changes, type Look } from './changes.ts'
import type { Clock } from './clock.ts'
import type { Watcher } from './watcher.ts'

type Told = Extract<ToClient, { type: 'changes' }>

/** Things of one kind are enough: hosts, whose state is all that there is of them. */
class World {
  readonly states = new Map<string, HostView['state']>()
  readonly changes: Changes
  #timers: (() => void)[] = []
  nowMs = 0

  constructor() {
    const clock: Clock = {
      nowMs: () => this.nowMs,
      calendarMs: () => this.nowMs,
      after: (_, action) => {
        this.#timers.push(action)
        return () => {
          this.#timers = this.#timers.filter((each) => each !== action)
        }
      },
    }
    const look: Look = {
      hosts: () => [...this.states.keys()],
      workloads: () => [],
      migrations: () => [],
      hostState: (name) => this.states.get(name),
      workloadState: () => undefined,
      isInMaintenance: () => false,
      host: (name) => this.#view(name),
      workload: () => undefined,
      migration: () => undefined,
    }
    this.changes = new Changes(() => look, clock, { stepsAccepted: () => {}, migrationEnded: () => {} })
  }

  #view(name: string): HostView | undefined {
    const state = this.states.get(name)
    if (state === undefined) return undefined
    const none = { memoryBytes: 0, usedMemoryBytes: 0, cores: 1, stepsPerSecond: 0, workloads: [] }
    return { name, address: name, faultDomain: 'z', state, ...none }
  }

  set(name: string, state: HostView['state'] | undefined): void {
    if (state === undefined) this.states.delete(name)
    else this.states.set(name, state)
    this.changes.changed({ kind: 'host', id: name })
  }

  /** All that waits for its time. */
  tick(): void {
    this.nowMs += LIMITS.changesEveryMs
    for (const action of this.#timers.splice(0)) action()
  }
}

/** One that keeps what it is told. */
class Reader {
  readonly known = new Map<string, string>()
  readonly events: string[] = []
  cursor: string | undefined
  isCurrent = false
  ended = false
  /** It reads nothing while this is so. */
  isStuck = false
  #watcher: Watcher | undefined
  readonly #world: World
  readonly #kinds: readonly ChangeKind[]

  constructor(world: World, kinds: readonly ChangeKind[] = changeKind.options) {
    this.#world = world
    this.#kinds = kinds
  }

  begin(): { isReset: boolean } {
    const sink = {
      send: (message: Told) => this.#told(message),
      bufferedBytes: () => (this.isStuck ? 2 * LIMITS.maxWaitingChangeBytes : 0),
      end: () => {
        this.ended = true
        this.breakOff()
      },
    }
    const { watcher, isReset } = this.#world.changes.watch(sink, this.#kinds, this.cursor)
    if (isReset) this.known.clear()
    this.#watcher = watcher
    this.isCurrent = false
    watcher.start()
    return { isReset }
  }

  breakOff(): void {
    this.#watcher?.stop()
    this.#watcher = undefined
  }

  #told({ cursor, changes, isCurrent }: Told): void {
    this.cursor = cursor
    this.isCurrent = isCurrent
    for (const change of changes) this.#take(change)
  }

  #take(change: Change): void {
    if (change.kind === 'host') this.known.set(change.host.name, change.host.state)
    if (change.kind === 'gone') this.known.delete(change.id)
    if (change.kind === 'event') this.events.push(`${change.event.id} ${change.event.status}`)
  }
}

const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      state: fc.constantFrom<HostView['state'] | undefined>(
        'connected',
        'maintenance',
        'disconnected',
        undefined,
      ),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ do: 'tick' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'break' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'stick' as const }) },
)

test('a watcher that is current knows what there is, and each thing that happened once', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const world = new World()
      world.states.set('a', 'connected')
      world.changes.begin()
      const reader = new Reader(world)
      reader.begin()
      const happened: string[] = []
      for (const each of commands) {
        if (each.do === 'tick') world.tick()
        else if (each.do === 'stick') reader.isStuck = !reader.isStuck
        else if (each.do === 'break') {
          reader.breakOff()
          expect(reader.begin().isReset).toBe(false)
        } else {
          if (world.states.get(each.name) !== each.state)
            happened.push(`${each.name} ${each.state ?? 'gone'}`)
          world.set(each.name, each.state)
        }
      }
      reader.isStuck = false
      do world.tick()
      while (!reader.isCurrent)
      expect(reader.known).toEqual(world.states)
      expect(reader.events).toEqual(happened)
    }),
    { numRuns: 300 },
  )
})

test('a cursor of another coordinator, or older than what is kept, is told so, and all comes anew', () => {
  const world = new World()
  const reader = new Reader(world)
  world.set('a', 'connected')
  world.set('b', 'connected')
  reader.begin()
  world.tick()
  expect([...reader.known.keys()]).toEqual(['a', 'b'])
  reader.breakOff()
  world.set('b', undefined)
  for (let count = 0; count < 2 * LIMITS.maxHappenings; count++)
    world.set('a', count % 2 === 0 ? 'disconnected' : 'connected')
  expect(reader.begin().isReset).toBe(true)
  do world.tick()
  while (!reader.isCurrent)
  // That b is gone is forgotten; that all was reset is not.
  expect([...reader.known]).toEqual([['a', 'connected']])
  expect(world.changes.size).toBeLessThan(3 * LIMITS.maxHappenings)
  const { cursor } = reader
  const other = new World()
  expect(other.changes.sequenceOf(cursor as string)).toBeUndefined()
  for (const text of [
    '',
    'x',
    `${cursor?.split('.')[0]}.-1`,
    `${cursor?.split('.')[0]}.1e3`,
    `${cursor}9999999`,
  ])
    expect(world.changes.sequenceOf(text)).toBeUndefined()
})

test('one that reads too slowly to be told everything goes, and costs no more meanwhile', () => {
  const world = new World()
  const reader = new Reader(world)
  reader.begin()
  world.tick()
  reader.isStuck = true
  for (let count = 0; count < 2 * LIMITS.maxHappenings; count++)
    world.set('a', count % 2 === 0 ? 'disconnected' : 'connected')
  world.tick()
  expect(reader.ended).toBe(true)
  expect(reader.events).toEqual([])
  expect(world.changes.streams).toBe(0)
})

test('a thing that changes all the time is one line of the log, and one change to who reads slowly', () => {
  const world = new World()
  world.set('a', 'connected')
  for (let count = 0; count < 100_000; count++) world.changes.changed({ kind: 'host', id: 'a' })
  expect(world.changes.size).toBeLessThan(2000)
  const { changes, isCurrent } = world.changes.read(0, new Set(['host']))
  expect([changes.length, isCurrent]).toEqual([1, true])
})

test('what happened comes a page at a time, and from a cursor on', () => {
  const world = new World()
  for (const name of ['a', 'b', 'c', 'd']) world.set(name, 'connected')
  const latest = world.changes.events({ op: 'events', limit: 2 })
  expect(latest).toMatchObject({ events: [{ id: 'c' }, { id: 'd' }], isGap: false })
  const first = world.changes.events({ op: 'events', limit: 100 }).events[0]?.cursor as string
  const page = world.changes.events({ op: 'events', after: first, limit: 2 })
  expect(page.events.map(({ id }) => id)).toEqual(['b', 'c'])
  const rest = world.changes.events({ op: 'events', after: page.next as string, limit: 2 })
  expect([rest.events.map(({ id }) => id), rest.next]).toEqual([['d'], undefined])
  expect(world.changes.events({ op: 'events', after: 'other.7', limit: 2 }).isGap).toBe(true)
})
