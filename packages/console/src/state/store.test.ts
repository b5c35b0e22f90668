/** Goal: the page knows what there is now, and no more than that. Method: changes as they come, and who hears of them. */
import { hostLike, migrationLike, workloadLike } from '@godwit/protocol/testing'
import { effect } from '@preact/signals'
import { beforeEach, expect, test } from 'vitest'
import {
  apply,
  events,
  forgetAll,
  hosts,
  isLoaded,
  jobs,
  MAX_ENDED_MOVES,
  MAX_EVENTS,
  moves,
} from './store.ts'

beforeEach(forgetAll)

test('the latest view counts, and what is gone is gone', () => {
  apply([
    { kind: 'host', host: hostLike() },
    { kind: 'workload', workload: workloadLike({ acceptedSteps: 1 }) },
    { kind: 'workload', workload: workloadLike({ acceptedSteps: 2 }) },
  ])
  expect(jobs.get('job')?.acceptedSteps).toBe(2)
  apply([{ kind: 'gone', what: 'workload', id: 'job' }])
  expect(jobs.get('job')).toBeUndefined()
  expect(hosts.size).toBe(1)
})

test('a step more redraws its job and nothing beside it', () => {
  apply([
    { kind: 'workload', workload: workloadLike() },
    { kind: 'workload', workload: workloadLike({ id: 'other' }) },
  ])
  const drawn: Record<string, number> = { job: 0, other: 0, tree: 0 }
  const count = (what: string): void => {
    drawn[what] = (drawn[what] ?? 0) + 1
  }
  const ends = [
    effect(() => {
      jobs.get('job')
      count('job')
    }),
    effect(() => {
      jobs.get('other')
      count('other')
    }),
    effect(() => {
      jobs.all()
      count('tree')
    }),
  ]
  apply([{ kind: 'workload', workload: workloadLike({ acceptedSteps: 11 }) }])
  expect(drawn).toEqual({ job: 2, other: 1, tree: 1 })
  apply([{ kind: 'workload', workload: workloadLike({ host: 'b' }) }])
  expect(drawn.tree).toBe(2)
  for (const end of ends) end()
})

test('of moves that are over the latest are kept, and all that go on', () => {
  const many = Array.from({ length: MAX_ENDED_MOVES + 5 }, (_, index) => index)
  apply([{ kind: 'migration', migration: migrationLike({ id: 'going' }) }])
  apply(
    many.map((index) => ({
      kind: 'migration',
      migration: migrationLike({ id: `m-${index}`, status: 'completed' }),
    })),
  )
  expect(moves.size).toBe(MAX_ENDED_MOVES + 1)
  expect(moves.get('m-4')).toBeUndefined()
  expect(moves.get('m-5')).toBeDefined()
  expect(moves.get('going')).toBeDefined()
})

test('events are there the newest first, and not for ever', () => {
  const event = (index: number) =>
    ({
      kind: 'event',
      event: { cursor: `c.${index}`, atMs: index, about: 'host', id: 'a', status: 'connected' },
    }) as const
  apply([event(1), event(2)])
  apply([event(3)])
  expect(events.value.map(({ atMs }) => atMs)).toEqual([3, 2, 1])
  apply(Array.from({ length: MAX_EVENTS }, (_, index) => event(index + 10)))
  expect(events.value).toHaveLength(MAX_EVENTS)
  expect(events.value[0]?.atMs).toBe(MAX_EVENTS + 9)
})

test('when something was missed nothing counts any more', () => {
  apply([{ kind: 'host', host: hostLike() }])
  isLoaded.value = true
  forgetAll()
  expect([hosts.size, isLoaded.value]).toEqual([0, false])
})
