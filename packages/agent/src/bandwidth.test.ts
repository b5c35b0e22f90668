/** Goal: the shares of all migrations under way add up to the limit, at any time. Method: what workers are told and say, as it comes. */
import type { FromWorker, Priority, ToWorker } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { SharedBandwidth } from './bandwidth.ts'

const opensAt = (priority: Priority): ToWorker =>
  ({ type: 'openOutgoing', options: { priority } }) as ToWorker
const opens = opensAt('normal')
const progress = { type: 'migrationProgress' } as FromWorker
const ends = { type: 'migrationEnded' } as FromWorker

function sharing(bytesPerSecond: number | undefined) {
  const shares = new Map<string, number | undefined>()
  const tell = (workerId: string, share: number | undefined): unknown => shares.set(workerId, share)
  return { shares, bandwidth: new SharedBandwidth(bytesPerSecond, tell) }
}

test('two migrations share what one has alone', () => {
  const { shares, bandwidth } = sharing(900)
  bandwidth.toldWorker('a', opens)
  expect([...shares]).toEqual([['a', 900]])
  bandwidth.toldWorker('b', opens)
  bandwidth.toldWorker('c', { type: 'stop' })
  expect([...shares]).toEqual([
    ['a', 450],
    ['b', 450],
  ])
  bandwidth.heardWorker('a', progress)
  bandwidth.heardWorker('a', ends)
  bandwidth.heardWorker('a', ends)
  expect(shares.get('b')).toBe(900)
  bandwidth.gone('b')
  shares.clear()
  bandwidth.gone('a')
  expect(shares.size).toBe(0)
})

test('who is in a hurry gets twice what is usual, and who is not half of it', () => {
  const { shares, bandwidth } = sharing(700)
  bandwidth.toldWorker('high', opensAt('high'))
  bandwidth.toldWorker('normal', opens)
  bandwidth.toldWorker('low', opensAt('low'))
  bandwidth.heardWorker('low', progress)
  expect(Object.fromEntries(shares)).toEqual({ high: 400, normal: 200, low: 100 })
  bandwidth.gone('normal')
  expect(Object.fromEntries(shares)).toMatchObject({ high: 560, low: 140 })
})

test('a migration that an earlier agent began is counted once it is heard of', () => {
  const { shares, bandwidth } = sharing(900)
  bandwidth.heardWorker('a', progress)
  bandwidth.toldWorker('b', opens)
  expect(shares.get('a')).toBe(450)
})

test('a source is told that there is no limit: an earlier agent may have set one', () => {
  const { shares, bandwidth } = sharing(undefined)
  bandwidth.toldWorker('a', opens)
  expect([...shares]).toEqual([['a', undefined]])
})

test('a probe of the link takes a share as long as it lasts', () => {
  const { shares, bandwidth } = sharing(900)
  bandwidth.toldWorker('a', opens)
  expect(bandwidth.lend('probe')).toBe(450)
  expect(shares.get('a')).toBe(450)
  bandwidth.gone('probe')
  expect(shares.get('a')).toBe(900)
  expect(sharing(undefined).bandwidth.lend('probe')).toBeUndefined()
})
