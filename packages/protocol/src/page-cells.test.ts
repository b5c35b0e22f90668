/**
 * Goal: a cell says what the least settled of its pages is, and cells come back from their runs as they were, or not at all. Method: laws, with an oracle that
 * counts.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LIMITS } from './limits.ts'
import {
  cellCountOf,
  cellsInRuns,
  cellsOf,
  PAGE_DIRTY,
  PAGE_LEFT,
  pageSentIn,
  pagesPerCellOf,
  runsOfCells,
} from './page-cells.ts'

const states = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 400, max: 5 }),
  // Long stretches of one.
  fc
    .array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 700 })), {
      minLength: 1,
      maxLength: 8,
    })
    .map((runs) => Uint8Array.from(runs.flatMap(([state, length]) => Array<number>(length).fill(state)))),
)

/** Left, else dirtied, else sent in the latest round that any was, else zero. */
function leastSettledOf(pages: Uint8Array): number {
  for (const state of [PAGE_LEFT, PAGE_DIRTY]) if (pages.includes(state)) return state
  return Math.max(...pages)
}

test('a cell is what the least settled of its pages is', () => {
  fc.assert(
    fc.property(states, fc.constantFrom(1, 2, 4, 32), (pages, pagesPerCell) => {
      const cells = cellsOf(pages, pagesPerCell)
      expect(cells).toHaveLength(cellCountOf(pages.length, pagesPerCell))
      for (const [cell, state] of cells.entries())
        expect(state).toBe(leastSettledOf(pages.slice(cell * pagesPerCell, (cell + 1) * pagesPerCell)))
    }),
  )
})

test('cells come back from their runs', () => {
  fc.assert(
    fc.property(states, (cells) => {
      const runs = runsOfCells(cells)
      expect(runs.length).toBeLessThanOrEqual(2 * cells.length)
      expect(cellsInRuns({ pageCount: cells.length, pagesPerCell: 1, runs })).toEqual(cells)
    }),
  )
})

test('what is no picture of so many pages is refused, whatever it is', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.integer({ min: 1, max: 1_048_576 }),
      fc.integer({ min: 1, max: 1_048_576 }),
      (runs, pageCount, pagesPerCell) => {
        const cells = runs.reduce((sum, byte, index) => sum + (index % 2 === 1 ? byte + 1 : 0), 0)
        const isPicture = runs.length % 2 === 0 && cells === Math.ceil(pageCount / pagesPerCell)
        const read = (): Uint8Array => cellsInRuns({ pageCount, pagesPerCell, runs })
        if (isPicture) expect(read()).toHaveLength(cells)
        else expect(read).toThrow('runs of cells')
      },
    ),
  )
  // As many as there may be, and one more.
  const runs = new Uint8Array(2 * LIMITS.maxPictureCells)
  expect(cellsInRuns({ pageCount: LIMITS.maxPictureCells, pagesPerCell: 1, runs })).toHaveLength(
    LIMITS.maxPictureCells,
  )
  expect(() => cellsInRuns({ pageCount: LIMITS.maxPictureCells + 1, pagesPerCell: 1, runs })).toThrow(
    'runs of cells',
  )
})

test('however large an arena is, there are no more cells than there may be', () => {
  expect([1, 16_384, 16_385, 65_536, 1_048_576].map(pagesPerCellOf)).toEqual([1, 1, 2, 4, 64])
  expect([0, 1, 252, 253, 1e6].map(pageSentIn)).toEqual([3, 4, 255, 255, 255])
})
