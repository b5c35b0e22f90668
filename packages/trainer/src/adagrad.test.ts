/**
 * Goal: the row-wise update is Adagrad with one accumulator a row, and touches its rows only. Method: a table small
 * enough to compute by hand.
 */
import { expect, test } from 'vitest'
import { adagradRows, gatherRows } from './adagrad.ts'

const makeTable = () => ({ width: 2, values: Float32Array.of(1, 2, 3, 4, 5, 6), sums: new Float32Array(3) })

test('a row moves by its gradient over the root of the mean squares seen so far', () => {
  const table = makeTable()
  adagradRows(table, Int32Array.of(2), Float32Array.of(3, 1), 0.1)
  expect(table.sums).toEqual(Float32Array.of(0, 0, 5))
  expect(table.values[4]).toBeCloseTo(5 - (0.1 * 3) / Math.sqrt(5), 6)
  expect(table.values[5]).toBeCloseTo(6 - (0.1 * 1) / Math.sqrt(5), 6)
  expect(table.values.subarray(0, 4)).toEqual(Float32Array.of(1, 2, 3, 4))
})

test('a row that comes twice is updated twice, and a gradient of zeros writes nothing', () => {
  const [twice, oneByOne] = [makeTable(), makeTable()]
  adagradRows(twice, Int32Array.of(1, 1, 0), Float32Array.of(1, 2, 3, 4, 0, 0), 0.1)
  adagradRows(oneByOne, Int32Array.of(1), Float32Array.of(1, 2), 0.1)
  adagradRows(oneByOne, Int32Array.of(1), Float32Array.of(3, 4), 0.1)
  expect(twice).toEqual(oneByOne)
  expect(twice.values.subarray(0, 2)).toEqual(Float32Array.of(1, 2))
})

test('rows are copied out in the order asked for', () => {
  expect(gatherRows(makeTable(), Int32Array.of(2, 0, 2))).toEqual(Float32Array.of(5, 6, 1, 2, 5, 6))
})

test('refuses rows outside the table and gradients of another length', () => {
  expect(() => adagradRows(makeTable(), Int32Array.of(3), Float32Array.of(1, 1), 0.1)).toThrow('No row 3')
  expect(() => adagradRows(makeTable(), Int32Array.of(1), Float32Array.of(1), 0.1)).toThrow(RangeError)
})
