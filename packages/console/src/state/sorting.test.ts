/** Goal: a column's head does what one expects of it. Method: numbers, names with numbers in them, and what is not known. */
import { expect, test } from 'vitest'
import { resorted, sorted } from './sorting.ts'

test('numbers by size, names as people count, the unknown last', () => {
  expect(sorted([10, undefined, 2, 33], (value) => value, false)).toEqual([2, 10, 33, undefined])
  expect(sorted([10, undefined, 2, 33], (value) => value, true)).toEqual([33, 10, 2, undefined])
  expect(sorted(['host-10', 'host-9'], (value) => value, false)).toEqual(['host-9', 'host-10'])
})

test('equals stay in their order', () => {
  const items = [{ id: 1 }, { id: 2 }, { id: 3 }]
  expect(sorted(items, () => 'same', true)).toEqual(items)
})

test('the same head turns it round', () => {
  expect(resorted({ column: 'Loss', isDown: true }, 'Loss', true)).toEqual({ column: 'Loss', isDown: false })
  expect(resorted({ column: 'Loss', isDown: true }, 'Job', false)).toEqual({ column: 'Job', isDown: false })
})
