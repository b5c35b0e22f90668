/**
 * Goal: only whole IDX files are taken. Method: a small file written by hand, then damaged in each way.
 */
import { expect, test } from 'vitest'
import { parseIdx } from './idx.ts'

const file = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6)

test('reads shape and elements, also from a view into a larger buffer', () => {
  const larger = new Uint8Array(40)
  larger.set(file, 5)
  const { shape, data } = parseIdx(larger.subarray(5, 5 + file.length), 3, 'images')
  expect(shape).toEqual([1, 2, 3])
  expect([...data]).toEqual([1, 2, 3, 4, 5, 6])
})

test.each([
  ['another rank', file, 1, '0x803'],
  ['another element type', file.with(2, 9), 3, '0x903'],
  ['no header', file.subarray(0, 10), 3, 'header'],
  ['too few elements', file.subarray(0, 21), 3, 'need 22 bytes and it has 21'],
  ['elements left over', Uint8Array.of(...file, 0), 3, 'has 23'],
] as const)('refuses %s', (_, bytes, rank, message) => {
  expect(() => parseIdx(bytes, rank, 'images')).toThrow(message)
})
