/**
 * Goal: what is refused costs little and says little, however much was sent.
 * Method: messages of the largest size that are wrong in as many places as they can be.
 */
import { expect, test } from 'vitest'
import { z } from 'zod'
import { clientRequest } from './client-messages.ts'
import { recordOf } from './common.ts'
import { LIMITS } from './limits.ts'
import { checkMessage } from './message.ts'

const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`k${index}`, null]))
const run = { op: 'run', program: 'p', steps: 1, tracker: 'auto' }

test.each([
  ['unknown fields', { op: 'hosts', ...many }],
  ['a key of a megabyte', { ...run, parameters: { ['x'.repeat(2 ** 20)]: 1 } }],
  ['a value of a megabyte', { op: 'x'.repeat(2 ** 20) }],
])('%s: said in few words', (_, value) => {
  let said = ''
  try {
    checkMessage(clientRequest, value)
  } catch (error) {
    said = (error as Error).message
  }
  expect(said.length).toBeGreaterThan(10)
  expect(said.length).toBeLessThan(500)
})

test('a record of too many entries is refused before one of them is looked at', () => {
  let looked = 0
  const value = z.number().refine(() => ++looked > 0)
  const record = recordOf(z.string(), value, 3)
  expect(record.safeParse({ a: 1, b: 2, c: 3, d: 4 }).success).toBe(false)
  expect(looked).toBe(0)
  expect(record.parse({ a: 1, b: 2, c: 3 })).toEqual({ a: 1, b: 2, c: 3 })
  expect(looked).toBe(3)
  for (const wrong of [undefined, null, 'text', [1], { a: 'b' }])
    expect(record.safeParse(wrong).success).toBe(false)
  const parameters = Object.fromEntries(
    Array.from({ length: LIMITS.maxParameters + 1 }, (_, at) => [`p${at}`, 1]),
  )
  expect(() => checkMessage(clientRequest, { ...run, parameters })).toThrow(
    `more than ${LIMITS.maxParameters} entries`,
  )
})
