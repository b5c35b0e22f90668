/** Goal: a number that JSON can carry is the same to the bit when it is read. Method: any value, written and parsed. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toJson } from './json.ts'

test('what is written is read as it was, -0 too', () => {
  const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(-0))
  const value = fc.letrec((tie) => ({
    tree: fc.oneof(number, fc.string(), fc.array(tie('tree')), fc.dictionary(fc.string(), tie('tree'))),
  })).tree
  fc.assert(
    fc.property(value, (each) => {
      const text = toJson(each)
      expect(toJson(JSON.parse(text))).toBe(text)
      if (typeof each === 'number') expect(Object.is(JSON.parse(text), each)).toBe(true)
    }),
  )
  expect(Object.is(JSON.parse(toJson({ loss: -0 })).loss, -0)).toBe(true)
  expect(toJson({ said: '-0' })).toBe('{"said":"-0"}')
})
