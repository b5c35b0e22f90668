/**
 * Goal: no two switchovers share a link, nobody who asks waits for ever, and no silence keeps a turn. Method: one by one; then random
 * askers over random links against an account of who was let go, which is shown a violation too.
 */
import { LIMITS, PRIORITIES, type Priority } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { linksOf, Turns } from './turns.ts'

const asker = (id: string, links: string[], priority: Priority = 'normal') => ({ id, links, priority })

function clocked(): { turns: Turns; pass(ms: number): void } {
  let nowMs = 1000
  return {
    turns: new Turns(() => nowMs),
    pass: (ms) => {
      nowMs += ms
    },
  }
}

test('a link is what hosts have, and what two zones are joined by, in either direction', () => {
  const [a, b] = [
    { name: 'a', faultDomain: 'east/rack-1' },
    { name: 'b', faultDomain: 'west' },
  ]
  expect(linksOf(a, b)).toEqual(['host a', 'host b', 'zones east and west'])
  expect(linksOf(b, a).sort()).toEqual(linksOf(a, b).sort())
  expect(linksOf(a, { name: 'c', faultDomain: 'east' })).toEqual(['host a', 'host c'])
})

test('who shares a link waits, who shares none does not, and asking again changes nothing', () => {
  const { turns } = clocked()
  expect(turns.ask(asker('one', ['a', 'b']))).toBe(true)
  expect(turns.ask(asker('one', ['a', 'b']))).toBe(true)
  expect(turns.ask(asker('two', ['a', 'c']))).toBe(false)
  expect(turns.behind('two')).toEqual({ id: 'one', does: 'switches over' })
  expect(turns.ask(asker('three', ['d', 'e']))).toBe(true)
  turns.switching(asker('one', ['a', 'b']))
  expect(turns.ask(asker('two', ['a', 'c']))).toBe(false)
  turns.over('one')
  expect(turns.ask(asker('two', ['a', 'c']))).toBe(true)
})

test('high priority goes first, then who asked first', () => {
  const { turns, pass } = clocked()
  turns.ask(asker('now', ['a']))
  for (const [id, priority] of [
    ['low', 'low'],
    ['first', 'normal'],
    ['second', 'normal'],
    ['high', 'high'],
  ] as const) {
    pass(1)
    expect(turns.ask(asker(id, ['a'], priority))).toBe(false)
  }
  turns.over('now')
  const order: string[] = []
  while (order.length < 4) {
    for (const [id, priority] of [
      ['second', 'normal'],
      ['low', 'low'],
      ['first', 'normal'],
      ['high', 'high'],
    ] as const) {
      if (order.includes(id) || !turns.ask(asker(id, ['a'], priority))) continue
      order.push(id)
      turns.over(id)
    }
  }
  expect(order).toEqual(['high', 'first', 'second', 'low'])
})

test('who makes nothing of his turn loses it to others and asks anew behind them; so does who is silent', () => {
  const { turns, pass } = clocked()
  expect(turns.ask(asker('one', ['a']))).toBe(true)
  pass(LIMITS.turnUnusedMs / 2)
  expect(turns.ask(asker('two', ['a']))).toBe(false)
  pass(LIMITS.turnUnusedMs / 2 + 1)
  expect(turns.ask(asker('one', ['a']))).toBe(false)
  expect(turns.ask(asker('two', ['a']))).toBe(true)
  turns.switching(asker('two', ['a']))
  for (let heard = 0; heard < 10; heard++) {
    pass(LIMITS.turnUnusedMs)
    turns.switching(asker('two', ['a']))
    expect(turns.ask(asker('one', ['a']))).toBe(false)
  }
  pass(LIMITS.turnSilenceMs + 1)
  expect(turns.ask(asker('one', ['a']))).toBe(true)
})

test('a switchover waits for moves that begin on its links', () => {
  const { turns } = clocked()
  turns.begins({ id: 'one', links: ['a'] })
  expect(turns.ask(asker('two', ['a', 'b']))).toBe(false)
  expect(turns.behind('two')).toEqual({ id: 'one', does: 'begins' })
  expect(turns.ask(asker('three', ['c']))).toBe(true)
  turns.hasBegun('one')
  expect(turns.ask(asker('two', ['a', 'b']))).toBe(true)
  turns.over('two')
  // It has begun when it asks.
  turns.begins({ id: 'four', links: ['a'] })
  expect(turns.ask(asker('four', ['a']))).toBe(true)
})

test('not for one that takes long, and not for ever where one begins after the other', () => {
  const { turns, pass } = clocked()
  turns.begins({ id: 'slow', links: ['a'] })
  pass(LIMITS.turnPatienceMs)
  turns.begins({ id: 'slow', links: ['a'] })
  expect(turns.ask(asker('one', ['a']))).toBe(false)
  pass(1)
  expect(turns.ask(asker('one', ['a']))).toBe(true)
  let waitedMs = 0
  turns.begins({ id: 'beginning', links: ['b'] })
  for (; !turns.ask(asker('two', ['b'])); waitedMs += 100) {
    pass(100)
    turns.begins({ id: `after ${waitedMs}`, links: ['b'] })
  }
  expect(waitedMs).toBe(LIMITS.turnPatienceMs + 100)
})

test('nothing begins where somebody switches over, or has not waited for too long to', () => {
  const { turns, pass } = clocked()
  expect(turns.occupant(['a'])).toBeUndefined()
  turns.begins({ id: 'beginning', links: ['a'] })
  expect(turns.occupant(['a'])).toBeUndefined()
  turns.ask(asker('one', ['a', 'b']))
  expect([['a', 'c'], ['b'], ['c']].map((links) => turns.occupant(links))).toEqual(['one', 'one', undefined])
  turns.hasBegun('beginning')
  turns.ask(asker('two', ['b']))
  for (let waitedMs = 0; waitedMs <= LIMITS.turnPatienceMs; waitedMs += 1000) {
    pass(1000)
    turns.switching(asker('two', ['b']))
    expect(turns.ask(asker('one', ['a', 'b']))).toBe(false)
  }
  expect(['a', 'b'].map((link) => turns.occupant([link]))).toEqual([undefined, 'two'])
  pass(LIMITS.turnSilenceMs + 1)
  expect(turns.occupant(['b'])).toBeUndefined()
})

test('a stream of urgent moves does not keep one back that nobody is in a hurry for', () => {
  const { turns, pass } = clocked()
  const low = asker('low', ['a'], 'low')
  const urgent = (nth: number) => asker(`urgent ${nth}`, ['a'], 'high')
  const turnMs = 1000
  expect(turns.ask(urgent(0))).toBe(true)
  // While one switches over the next one asks.
  for (let nth = 0; ; nth++) {
    expect(nth * turnMs).toBeLessThanOrEqual(3 * LIMITS.turnPatienceMs)
    turns.switching(urgent(nth))
    expect([turns.ask(urgent(nth + 1)), turns.ask(low)]).toEqual([false, false])
    pass(turnMs)
    turns.over(urgent(nth).id)
    if (turns.ask(low)) break
    expect(turns.ask(urgent(nth + 1))).toBe(true)
  }
})

/** Who has a link while another does. */
function clash(switching: ReadonlyMap<string, readonly string[]>): string | undefined {
  const seen = new Set<string>()
  for (const link of [...switching.values()].flat()) {
    if (seen.has(link)) return link
    seen.add(link)
  }
  return undefined
}

test('whoever asks and in whatever order: no link is used twice, and everybody gets his turn', () => {
  const link = fc.constantFrom('a', 'b', 'c', 'd')
  const links = fc.uniqueArray(link, { minLength: 1, maxLength: 3 })
  const askers = fc.array(fc.record({ links, priority: fc.constantFrom(...PRIORITIES) }), { maxLength: 8 })
  fc.assert(
    fc.property(askers, fc.infiniteStream(fc.nat(7)), (asking, choices) => {
      const { turns, pass } = clocked()
      const left = new Map(asking.map((each, index) => [String(index), each]))
      const switching = new Map<string, readonly string[]>()
      for (let look = 0; left.size > 0; look++) {
        expect(look).toBeLessThan(2000)
        pass(10)
        for (const [id, { links, priority }] of left) {
          if (switching.has(id)) turns.switching(asker(id, links, priority))
          else if (turns.ask(asker(id, links, priority))) switching.set(id, links)
        }
        expect(clash(switching)).toBeUndefined()
        const [done] = [...switching.keys()].slice((choices.next().value as number) % 3)
        if (done === undefined) continue
        turns.over(done)
        switching.delete(done)
        left.delete(done)
      }
    }),
  )
  expect(
    clash(
      new Map([
        ['one', ['a']],
        ['two', ['b', 'a']],
      ]),
    ),
  ).toBe('a')
})
