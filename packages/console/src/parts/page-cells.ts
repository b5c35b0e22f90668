/**
 * The pages of an arena as a picture: what became of each, the grid that they are shown in, and what a cell says.
 *
 * A page is one byte: left, zero, dirtied again, or sent in a round. Where there are more pages than cells fit, a cell stands for a power of two of them
 * and shows what the least settled of them is. What changed is remembered in blocks, so that only the rows with something new are painted again.
 *
 * Invariants: `counts` add up to `pageCount`; a page past the last one is in no count and is painted clear.
 */
import {
  PAGE_DIRTY as DIRTY,
  PAGE_LEFT as LEFT,
  leastSettled,
  PAGE_SENT as SENT,
  PAGE_ZERO as ZERO,
} from '@godwit/protocol/light'
import { formatBytes, grouped, plural } from '../format/units.ts'

export { DIRTY, LEFT, SENT, ZERO }

const MAX_ROUND = 255 - SENT

export type PageState = number

export function sentIn(round: number): PageState {
  return SENT + Math.min(round, MAX_ROUND)
}

const BLOCK_PAGES = 64
const PAGE_BYTES = 4096

export class PageCells {
  readonly pageCount: number
  /** How many neighbouring pages are known as one: of each what the least settled of them is. A power of two. */
  readonly resolution: number
  readonly states: Uint8Array
  /** Pages in each state. */
  readonly counts = new Uint32Array(256)
  readonly #changed: Uint8Array

  constructor(pageCount: number, resolution = 1) {
    this.pageCount = pageCount
    this.resolution = resolution
    this.states = new Uint8Array(pageCount)
    this.counts[LEFT] = pageCount
    this.#changed = new Uint8Array(Math.ceil(pageCount / BLOCK_PAGES)).fill(1)
  }

  /** The latest round of which something was sent; 0 before. */
  get latestRound(): number {
    for (let state = 255; state > SENT; state--) if ((this.counts[state] as number) > 0) return state - SENT
    return 0
  }

  /** What lies outside the arena is ignored. */
  set(firstPage: number, pages: number, state: PageState): void {
    const end = Math.min(this.pageCount, firstPage + pages)
    for (let page = Math.max(0, firstPage); page < end; page++) {
      const before = this.states[page] as number
      if (before === state) continue
      this.counts[before] = (this.counts[before] as number) - 1
      this.counts[state] = (this.counts[state] as number) + 1
      this.states[page] = state
      this.#changed[Math.floor(page / BLOCK_PAGES)] = 1
    }
  }

  /** All of them: a state for each `resolution` pages. */
  show(states: Uint8Array): void {
    for (const [index, state] of states.entries()) {
      const first = index * this.resolution
      if (this.states[first] !== state) this.set(first, this.resolution, state)
    }
  }

  /** Rows of a grid in which something changed since this was asked last, as stretches. */
  takeChangedRows({ columns, pagesPerCell, rows }: Grid): { readonly first: number; readonly end: number }[] {
    const pagesPerRow = columns * pagesPerCell
    const stretches: { first: number; end: number }[] = []
    for (let block = 0; block < this.#changed.length; block++) {
      if (this.#changed[block] === 0) continue
      this.#changed[block] = 0
      const first = Math.floor((block * BLOCK_PAGES) / pagesPerRow)
      const end = Math.min(rows, Math.floor(((block + 1) * BLOCK_PAGES - 1) / pagesPerRow) + 1)
      const last = stretches.at(-1)
      if (last !== undefined && first <= last.end) last.end = Math.max(last.end, end)
      else stretches.push({ first, end })
    }
    return stretches
  }

  stateOf(cell: number, pagesPerCell: number): PageState {
    return leastSettled(this.states, cell, pagesPerCell)
  }
}

export interface Grid {
  readonly pagesPerCell: number
  readonly columns: number
  readonly rows: number
  /** Sides of a cell, in the screen's own pixels. */
  readonly cellPixels: number
}

export interface GridLimits {
  /** Fewer pages than these are not known apart. */
  readonly resolution?: number
  readonly width: number
  readonly height: number
  readonly minCell: number
  readonly maxCell: number
}

/** All in the screen's own pixels: the largest cells with which all pages have room, each for as few pages as can be. */
export function gridOf(
  pageCount: number,
  { resolution = 1, width, height, minCell, maxCell }: GridLimits,
): Grid {
  const fits = (cellPixels: number): number =>
    Math.max(1, Math.floor(width / cellPixels)) * Math.max(1, Math.floor(height / cellPixels))
  let pagesPerCell = resolution
  while (Math.ceil(pageCount / pagesPerCell) > fits(minCell)) pagesPerCell *= 2
  const cells = Math.max(1, Math.ceil(pageCount / pagesPerCell))
  let cellPixels = minCell
  while (cellPixels < maxCell && fits(cellPixels + 1) >= cells) cellPixels++
  const columns = Math.max(1, Math.floor(width / cellPixels))
  return { pagesPerCell, columns, rows: Math.ceil(cells / columns), cellPixels }
}

/** Undefined outside of the pages. */
export function cellAt(
  { columns, rows, pagesPerCell }: Grid,
  pageCount: number,
  column: number,
  row: number,
): number | undefined {
  if (column < 0 || column >= columns || row < 0 || row >= rows) return undefined
  const cell = row * columns + column
  return cell * pagesPerCell < pageCount ? cell : undefined
}

/** Which cell a key leads to from one; undefined where it means nothing here. */
export function cellByKey(key: string, cell: number, grid: Grid, pageCount: number): number | undefined {
  const last = Math.max(0, Math.ceil(pageCount / grid.pagesPerCell) - 1)
  const moves: Record<string, number> = {
    ArrowLeft: cell - 1,
    ArrowRight: cell + 1,
    ArrowUp: cell - grid.columns,
    ArrowDown: cell + grid.columns,
    PageUp: cell - 10 * grid.columns,
    PageDown: cell + 10 * grid.columns,
    Home: 0,
    End: last,
  }
  const to = moves[key]
  return to === undefined ? undefined : Math.min(last, Math.max(0, to))
}

export function stateName(state: PageState): string {
  if (state === LEFT) return 'not sent yet'
  if (state === ZERO) return 'zero'
  if (state === DIRTY) return 'dirtied again'
  const round = state - SENT
  return round === MAX_ROUND ? `sent in round ${round} or later` : `sent in round ${round}`
}

/** Of a cell: which pages, where in memory, and what they are, the most first. */
export function cellText(cells: PageCells, { pagesPerCell }: Grid, cell: number): string {
  const first = cell * pagesPerCell
  const end = Math.min(cells.pageCount, first + pagesPerCell)
  const which =
    end - first === 1 ? `page ${grouped(first)}` : `pages ${grouped(first)} to ${grouped(end - 1)}`
  const counts = new Map<PageState, number>()
  for (let page = first; page < end; page++) {
    const state = cells.states[page] as number
    counts.set(state, (counts.get(state) ?? 0) + 1)
  }
  const parts = [...counts].sort(([, a], [, b]) => b - a)
  // Known as one, by the least settled of them.
  const some = cells.resolution > 1 && !counts.has(ZERO) ? 'some or all ' : ''
  const what = parts.map(([state, count]) =>
    parts.length === 1 ? stateName(state) : `${grouped(count)} ${stateName(state)}`,
  )
  return `${which}, at ${formatBytes(first * PAGE_BYTES)}: ${some}${what.join(', ')}`
}

export interface LegendEntry {
  readonly name: string
  /** Whose colour it has. */
  readonly state: PageState
  readonly count: number
}

/** As many rounds have a line of their own: of more, the latest two, whose colours are told apart, and those before share one. */
const FEW_ROUNDS = 4
const LATEST_ROUNDS = 2

/** What there is; what is left, zero and dirtied always, so that the lines keep their places. */
export function legendOf(cells: PageCells): LegendEntry[] {
  const fixed = [LEFT, ZERO, DIRTY].map((state) => entryOf(cells, state))
  const latest = cells.latestRound
  const first = latest < FEW_ROUNDS ? 0 : latest - LATEST_ROUNDS + 1
  let earlier = 0
  for (let round = 0; round < first; round++) earlier += cells.counts[SENT + round] as number
  const before =
    first === 0
      ? []
      : [
          {
            name: `sent in rounds 0 to ${first - 1}`,
            state: sentIn(Math.floor((first - 1) / 2)),
            count: earlier,
          },
        ]
  const rounds = Array.from({ length: latest - first + 1 }, (_, index) =>
    entryOf(cells, sentIn(first + index)),
  )
  return [...fixed, ...before, ...rounds]
}

function entryOf(cells: PageCells, state: PageState): LegendEntry {
  return { name: stateName(state), state, count: cells.counts[state] as number }
}

/** All of it in a sentence. */
export function pagesSummary(cells: PageCells): string {
  const parts = legendOf(cells)
    .filter(({ count }) => count > 0)
    .map(({ name, count }) => `${grouped(count)} ${name}`)
  const about = cells.resolution > 1 ? 'about ' : ''
  return `${plural(cells.pageCount, 'page')} of memory, ${formatBytes(cells.pageCount * PAGE_BYTES)}: ${about}${parts.join(', ')}.`
}
