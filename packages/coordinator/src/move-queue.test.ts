/**
 * Goal: no limit is ever passed, whoever waits is told why, and nobody waits for nothing. Method: one by one; then random moves against an
 * account of what is under way, which is shown a violation too.
 */
import { LIMITS as LIMITS_OF_TIME, PRIORITIES } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type MoveLimits, type MovePath, planQueue, type QueuedMove } from './move-queue.ts'

const LIMITS: MoveLimits = { out: 2, in: 1, link: 2, cluster: 3 }
const move = (id: string, from: string, to: string, more: Partial<QueuedMove> = {}): QueuedMove => ({
  id,
  from,
  to,
  link: undefined,
  priority: 'normal',
  order: Number(id),
  waitedMs: 0,
  ...more,
})

test('each limit has its sentence, and one that waits does not keep others from beginning', () => {
  const queued = [
    move('1', 'a', 'b'),
    move('2', 'a', 'b'),
    move('3', 'a', 'c'),
    move('4', 'a', 'd'),
    move('5', 'e', 'd', { busy: 'job is restarting' }),
    move('6', 'e', 'd'),
    move('7', 'f', 'g'),
  ]
  expect(planQueue(queued, [], LIMITS)).toEqual({
    begin: ['1', '3', '6'],
    kept: [],
    waiting: [
      { id: '2', place: 1, reason: '1 moves come to b, its limit' },
      { id: '4', place: 2, reason: '2 moves leave a, its limit' },
      { id: '5', place: 3, reason: 'job is restarting' },
      { id: '7', place: 4, reason: 'the cluster has 3 moves under way, its limit' },
    ],
  })
  const zones = 'zones east and west'
  const across = ['1', '2', '3'].map((id) => move(id, `a${id}`, `b${id}`, { link: zones }))
  expect(planQueue(across, [], LIMITS).waiting).toEqual([
    { id: '3', place: 1, reason: `2 moves are under way between ${zones}, their limit` },
  ])
})

test('by priority, then by who asked first', () => {
  const queued = [
    move('1', 'a', 'b', { priority: 'low' }),
    move('2', 'a', 'b'),
    move('3', 'a', 'b', { priority: 'high' }),
    move('4', 'a', 'b'),
  ]
  const { begin, waiting } = planQueue(queued, [], LIMITS)
  expect([begin, waiting.map(({ id }) => id)]).toEqual([['3'], ['2', '4', '1']])
})

test('where somebody switches over nothing begins, for so long at most; its place is kept', () => {
  const occupant = 'm1'
  const queued = [move('2', 'a', 'b', { occupant }), move('3', 'c', 'b'), move('4', 'c', 'd')]
  expect(planQueue(queued, [], LIMITS)).toEqual({
    begin: ['4'],
    kept: ['2'],
    waiting: [
      { id: '2', place: 1, reason: 'm1 switches over on a host or link that it needs' },
      { id: '3', place: 2, reason: '1 moves come to b, its limit' },
    ],
  })
  const kept = move('2', 'a', 'b', { occupant, keptMs: LIMITS_OF_TIME.turnPatienceMs })
  expect(planQueue([kept], [], LIMITS).kept).toEqual(['2'])
  const long = move('2', 'a', 'b', { occupant, keptMs: LIMITS_OF_TIME.turnPatienceMs + 1 })
  expect(planQueue([long], [], LIMITS)).toEqual({ begin: ['2'], kept: [], waiting: [] })
  // One that would have to wait anyway is kept by nothing else.
  expect(planQueue([move('2', 'a', 'b', { occupant, busy: 'restarting' })], [], LIMITS).kept).toEqual([])
})

function passed(going: readonly MovePath[], limits: MoveLimits): string | undefined {
  const most = (keyOf: (path: MovePath) => string | undefined): number => {
    const counts = new Map<string | undefined, number>()
    for (const path of going) counts.set(keyOf(path), (counts.get(keyOf(path)) ?? 0) + 1)
    counts.delete(undefined)
    return Math.max(0, ...counts.values())
  }
  if (going.length > limits.cluster) return 'cluster'
  if (most(({ from }) => from) > limits.out) return 'out'
  if (most(({ to }) => to) > limits.in) return 'in'
  return most(({ link }) => link) > limits.link ? 'link' : undefined
}

const host = fc.constantFrom('a', 'b', 'c', 'd')
const path = fc.record({ from: host, to: host, link: fc.constantFrom(undefined, 'x', 'y') })
const asked = fc
  .array(fc.record({ path, priority: fc.constantFrom(...PRIORITIES), isBusy: fc.boolean() }), {
    maxLength: 20,
  })
  .map((all) =>
    all.map(({ path, priority, isBusy }, order): QueuedMove => {
      return { ...path, id: String(order), order, waitedMs: 0, priority, busy: isBusy ? 'busy' : undefined }
    }),
  )
const most = fc.integer({ min: 1, max: 4 })
const limits = fc.record({ out: most, in: most, link: most, cluster: most })

test('whatever is asked for: limits hold, everybody is told something, and all that can be moved is', () => {
  fc.assert(
    fc.property(asked, limits, (queued, allowed) => {
      let left = queued
      let looks = 0
      while (left.some(({ busy }) => busy === undefined)) {
        const { begin, waiting } = planQueue(left, [], allowed)
        expect([...begin, ...waiting.map(({ id }) => id)].sort()).toEqual(left.map(({ id }) => id).sort())
        expect(waiting.map(({ place }) => place)).toEqual(waiting.map((_, index) => index + 1))
        const going = left.filter(({ id }) => begin.includes(id))
        expect(passed(going, allowed)).toBeUndefined()
        expect(going.length).toBeGreaterThan(0)
        // What begins later does not begin at once beside it: nothing more would have.
        const again = planQueue(
          left.filter(({ id }) => !begin.includes(id)),
          going,
          allowed,
        )
        expect(again.begin).toEqual([])
        left = left.filter(({ id }) => !begin.includes(id))
        looks += 1
      }
      expect(looks).toBeLessThanOrEqual(queued.length)
    }),
  )
  expect(passed([move('1', 'a', 'b'), move('2', 'c', 'b')], LIMITS)).toBe('in')
})

test('a stream of urgent moves does not keep one back that nobody is in a hurry for', () => {
  const one = { ...LIMITS, out: 1 }
  const urgentEveryMs = LIMITS_OF_TIME.agedByMs / 10
  const low = move('0', 'a', 'b', { priority: 'low', order: 0 })
  const waiting: { readonly move: QueuedMove; readonly sinceMs: number }[] = [{ move: low, sinceMs: 0 }]
  let begun = 0
  for (let nowMs = 0; waiting.some(({ move }) => move === low); nowMs += urgentEveryMs) {
    begun += 1
    const urgent = move(String(begun), 'a', 'b', { priority: 'high' })
    waiting.push({ move: urgent, sinceMs: nowMs })
    const queued = waiting.map(({ move, sinceMs }) => ({ ...move, waitedMs: nowMs - sinceMs }))
    const { begin } = planQueue(queued, [], one)
    expect(begin).toHaveLength(1)
    const at = waiting.findIndex(({ move }) => move.id === begin[0])
    waiting.splice(at, 1)
    expect(begun).toBeLessThan(30)
  }
  // It has become as urgent as they are, and is the oldest of them.
  expect(begun).toBe(21)
})

test('among those that have waited for as long, priority decides as before', () => {
  const waitedMs = LIMITS_OF_TIME.agedByMs - 1
  const queued = PRIORITIES.toReversed().map((priority, order) =>
    move(String(order), 'a', 'b', { priority, order, waitedMs }),
  )
  expect(planQueue(queued, [], { ...LIMITS, out: 1 }).begin).toEqual(['2'])
})
