/** Goal: no address holds every place on `/join`, and none is lost. Method: places taken and given back, by address. */
import { LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { Joiners } from './joiners.ts'

test('one address has so few places that others still have some', () => {
  const joiners = new Joiners()
  const leave = Array.from({ length: LIMITS.maxJoinersPerAddress }, () => joiners.came('10.0.0.1'))
  expect(joiners.refusal('10.0.0.1')).toMatchObject({ kind: 'too-busy' })
  expect(joiners.refusal('10.0.0.2')).toBeUndefined()
  leave.pop()?.()
  expect(joiners.refusal('10.0.0.1')).toBeUndefined()
  for (const each of leave) each()
  for (let count = 0; count < LIMITS.maxJoinersPerAddress; count++) {
    expect(joiners.refusal('10.0.0.1')).toBeUndefined()
    joiners.came('10.0.0.1')
  }
  expect(joiners.refusal('10.0.0.1')).toMatchObject({ kind: 'too-busy' })
})

test('so many places there are in all, wherever they come from', () => {
  const joiners = new Joiners()
  const leave = Array.from({ length: LIMITS.maxStrangers }, (_, at) => joiners.came(`10.0.1.${at}`))
  expect(joiners.refusal('10.0.0.2')).toMatchObject({ kind: 'too-busy' })
  leave[0]?.()
  expect(joiners.refusal('10.0.0.2')).toBeUndefined()
})
