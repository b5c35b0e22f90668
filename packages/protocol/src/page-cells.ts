/**
 * A picture of an arena's pages while it moves: a grid of cells, each for a run of neighbouring pages, with what the least settled of them is: a few
 * pages that are written again and again, scattered, are what keeps a move from its end, and would not be seen among many that are at rest.
 *
 * A cell is one byte, and cells travel as runs of equal ones: a picture is whole, so that one that is lost does no harm, and 32 KiB at most, however many
 * pages there are. No schema is needed to read it: the console takes it along.
 */
import { GodwitError } from './errors.ts'
import { LIMITS } from './limits.ts'

/** What a page is: not sent yet, ... */
export const PAGE_LEFT = 0
/** ... zeros, when it was sent last: it travels without its bytes, ... */
export const PAGE_ZERO = 1
/** ... written again since it was sent, ... */
export const PAGE_DIRTY = 2
/** ... or sent last in round 0; in round n it is n more. */
export const PAGE_SENT = 3
const MAX_STATE = 255

/** Later rounds than a byte can say count as the last one that it can. */
export function pageSentIn(round: number): number {
  return Math.min(MAX_STATE, PAGE_SENT + round)
}

/** The fewest with which all pages have a cell, as a power of two. */
export function pagesPerCellOf(pageCount: number): number {
  let pagesPerCell = 1
  while (cellCountOf(pageCount, pagesPerCell) > LIMITS.maxPictureCells) pagesPerCell *= 2
  return pagesPerCell
}

export function cellCountOf(pageCount: number, pagesPerCell: number): number {
  return Math.ceil(pageCount / pagesPerCell)
}

/** What the least settled page of each cell is. `states`: a byte for each page. */
export function cellsOf(states: Uint8Array, pagesPerCell: number): Uint8Array {
  const cells = new Uint8Array(cellCountOf(states.length, pagesPerCell))
  for (let cell = 0; cell < cells.length; cell++) cells[cell] = leastSettled(states, cell, pagesPerCell)
  return cells
}

/** Of a cell's pages: one not sent yet is the least settled, then one written again, then those sent, the latest first, and last zeros. */
export function leastSettled(states: Uint8Array, cell: number, pagesPerCell: number): number {
  const begin = cell * pagesPerCell
  const end = Math.min(states.length, begin + pagesPerCell)
  let least = states[begin] as number
  for (let page = begin + 1; page < end; page++) {
    const state = states[page] as number
    if (state !== least && settledness(state) < settledness(least)) least = state
  }
  return least
}

function settledness(state: number): number {
  if (state === PAGE_LEFT) return 0
  if (state === PAGE_DIRTY) return 1
  return state === PAGE_ZERO ? MAX_STATE : MAX_STATE + 1 - state
}

/** Pairs of bytes: a state, and how many cells more than one have it. */
export function runsOfCells(cells: Uint8Array): Uint8Array {
  const runs = new Uint8Array(2 * cells.length)
  let length = 0
  for (let cell = 0; cell < cells.length; ) {
    const state = cells[cell] as number
    const begin = cell
    while (cell < cells.length && cells[cell] === state && cell - begin <= 255) cell++
    runs[length++] = state
    runs[length++] = cell - begin - 1
  }
  return runs.slice(0, length)
}

export interface Cells {
  readonly pageCount: number
  readonly pagesPerCell: number
  /** As `runsOfCells` makes them. */
  readonly runs: Uint8Array
}

/** Back again. Errors: `bad-message` for what is no picture of so many pages. */
export function cellsInRuns({ pageCount, pagesPerCell, runs }: Cells): Uint8Array {
  const cells = new Uint8Array(Math.min(LIMITS.maxPictureCells, cellCountOf(pageCount, pagesPerCell)))
  let at = 0
  for (let index = 0; index < runs.length; index += 2) {
    const count = (runs[index + 1] ?? Number.NaN) + 1
    if (!(at + count <= cells.length)) throw notAPicture()
    cells.fill(runs[index] as number, at, at + count)
    at += count
  }
  if (at !== cellCountOf(pageCount, pagesPerCell)) throw notAPicture()
  return cells
}

function notAPicture(): GodwitError {
  return new GodwitError('bad-message', 'runs of cells that are not as many as the pages need')
}
