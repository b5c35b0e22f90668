/** Goal: the picture is that of the pages, at any size, and costs what has changed. Method: grids of many sizes against pages counted one by one; colours as people see them who do not see all. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  cellAt,
  cellByKey,
  cellText,
  DIRTY,
  gridOf,
  LEFT,
  legendOf,
  PageCells,
  pagesSummary,
  sentIn,
  stateName,
  ZERO,
} from './page-cells.ts'
import { colourOf, pixelsOf } from './page-colours.ts'

test('all pages have room, in whole cells, and no cell is larger than it may be', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1 << 20 }),
      fc.integer({ min: 60, max: 2000 }),
      (pageCount, width) => {
        const grid = gridOf(pageCount, { width, height: 300, minCell: 2, maxCell: 12 })
        expect(grid.columns * grid.rows * grid.pagesPerCell).toBeGreaterThanOrEqual(pageCount)
        expect((grid.rows - 1) * grid.columns * grid.pagesPerCell).toBeLessThan(pageCount)
        expect(grid.columns * grid.cellPixels).toBeLessThanOrEqual(width)
        expect(grid.rows * grid.cellPixels).toBeLessThanOrEqual(300)
        expect(grid.cellPixels).toBeLessThanOrEqual(12)
      },
    ),
  )
  expect(gridOf(65_536, { width: 900, height: 320, minCell: 2, maxCell: 12 }).pagesPerCell).toBe(1)
  expect(gridOf(1 << 20, { width: 900, height: 320, minCell: 2, maxCell: 12 }).pagesPerCell).toBe(16)
})

test('counts add up, whatever is set, and what lies outside is ignored', () => {
  const run = fc.record({ first: fc.integer({ min: -50, max: 700 }), pages: fc.nat(300), state: fc.nat(255) })
  fc.assert(
    fc.property(fc.array(run), (runs) => {
      const cells = new PageCells(500)
      for (const { first, pages, state } of runs) cells.set(first, pages, state)
      const counted = new Uint32Array(256)
      for (const state of cells.states) counted[state] = (counted[state] as number) + 1
      expect(cells.counts).toEqual(counted)
    }),
  )
})

test('rows with something new, once', () => {
  const cells = new PageCells(6400)
  const grid = { pagesPerCell: 1, columns: 64, rows: 100, cellPixels: 4 }
  expect(cells.takeChangedRows(grid)).toEqual([{ first: 0, end: 100 }])
  expect(cells.takeChangedRows(grid)).toEqual([])
  cells.set(640, 1, DIRTY)
  cells.set(700, 100, DIRTY)
  cells.set(6399, 1, ZERO)
  cells.set(0, 64, LEFT)
  expect(cells.takeChangedRows(grid)).toEqual([
    { first: 10, end: 13 },
    { first: 99, end: 100 },
  ])
})

test('a cell shows the least settled of its pages', () => {
  const cells = new PageCells(10)
  cells.set(0, 8, sentIn(1))
  cells.set(2, 1, ZERO)
  cells.set(5, 1, DIRTY)
  expect([cells.stateOf(0, 4), cells.stateOf(1, 4), cells.stateOf(2, 4), cells.stateOf(3, 1)]).toEqual([
    sentIn(1),
    DIRTY,
    LEFT,
    sentIn(1),
  ])
})

test('a cell says which pages it is, and what they are', () => {
  const cells = new PageCells(4100)
  cells.set(2048, 3, sentIn(2))
  const grid = gridOf(4100, { width: 100, height: 100, minCell: 2, maxCell: 12 })
  expect(grid.pagesPerCell).toBe(2)
  expect(cellText(cells, grid, 1024)).toBe('pages 2\u202f048 to 2\u202f049, at 8.0 MiB: sent in round 2')
  expect(cellText(cells, grid, 1025)).toBe(
    'pages 2\u202f050 to 2\u202f051, at 8.0 MiB: 1 sent in round 2, 1 not sent yet',
  )
  expect(cellText(cells, { ...grid, pagesPerCell: 1 }, 5)).toBe('page 5, at 20 KiB: not sent yet')
})

test('pages of which some are known as one', () => {
  const cells = new PageCells(10, 4)
  cells.show(Uint8Array.of(sentIn(0), DIRTY, ZERO))
  expect([...cells.states]).toEqual([...Array(4).fill(sentIn(0)), ...Array(4).fill(DIRTY), ZERO, ZERO])
  const grid = gridOf(10, { resolution: 4, width: 100, height: 100, minCell: 2, maxCell: 12 })
  expect(grid.pagesPerCell).toBe(4)
  expect(cellText(cells, grid, 2)).toBe('pages 8 to 9, at 32 KiB: zero')
  expect(cellText(cells, grid, 1)).toBe('pages 4 to 7, at 16 KiB: some or all dirtied again')
  expect(pagesSummary(cells)).toContain(': about 2 zero, 4 dirtied again,')
  cells.takeChangedRows(grid)
  cells.show(Uint8Array.of(sentIn(0), DIRTY, ZERO))
  expect(cells.takeChangedRows(grid)).toEqual([])
})

test('pointing and keys stay within the pages', () => {
  const grid = { pagesPerCell: 1, columns: 10, rows: 3, cellPixels: 4 }
  expect([
    cellAt(grid, 25, 4, 2),
    cellAt(grid, 25, 5, 2),
    cellAt(grid, 25, 10, 0),
    cellAt(grid, 25, 0, -1),
  ]).toEqual([24, undefined, undefined, undefined])
  const press = (key: string, cell: number): number | undefined => cellByKey(key, cell, grid, 25)
  expect([press('ArrowRight', -1), press('ArrowUp', 3), press('ArrowDown', 20), press('End', 0)]).toEqual([
    0, 0, 24, 24,
  ])
  expect(press('a', 0)).toBeUndefined()
})

test('the legend counts everything, earlier rounds together', () => {
  const cells = new PageCells(1000)
  cells.set(0, 100, ZERO)
  for (let round = 0; round < 8; round++) cells.set(100 + 100 * round, 100, sentIn(round))
  cells.set(150, 10, DIRTY)
  expect(legendOf(cells).map(({ name, count }) => `${name}: ${count}`)).toEqual([
    'not sent yet: 100',
    'zero: 100',
    'dirtied again: 10',
    'sent in rounds 0 to 5: 590',
    'sent in round 6: 100',
    'sent in round 7: 100',
  ])
  expect(pagesSummary(new PageCells(1))).toBe('1 page of memory, 4 KiB: 1 not sent yet.')
  expect([sentIn(5000), stateName(255)]).toEqual([255, 'sent in round 252 or later'])
})

/** Severity 1.0 of Machado, Oliveira and Fernandes (IEEE TVCG 2009), on linear light. */
const SEEN = {
  all: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  'no red': [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
  'no green': [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
  'no blue': [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
}

/** OKLab (Ottosson 2020), of a colour as it is seen. */
function seen(colour: readonly number[], by: readonly number[]): number[] {
  const light = colour.map((byte) =>
    byte <= 10 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4,
  )
  const times = (matrix: readonly number[], vector: readonly number[]): number[] =>
    [0, 3, 6].map((row) =>
      vector.reduce((sum, value, index) => sum + value * (matrix[row + index] as number), 0),
    )
  const [red = 0, green = 0, blue = 0] = times(by, light).map((value) => Math.min(1, Math.max(0, value)))
  const cones = times(
    [
      ...[0.4122214708, 0.5363325363, 0.0514459929],
      ...[0.2119034982, 0.6806995451, 0.1073969566],
      ...[0.0883024619, 0.2817188376, 0.6299787005],
    ],
    [red, green, blue],
  ).map(Math.cbrt)
  return times(
    [
      ...[0.2104542553, 0.793617785, -0.0040720468],
      ...[1.9779984951, -2.428592205, 0.4505937099],
      ...[0.0259040371, 0.7827717662, -0.808675766],
    ],
    cones,
  )
}

test.each([
  ['light', 3],
  ['dark', 3],
  ['light', 194],
  ['dark', 194],
] as const)('%s, round %i: what the legend names is told apart, whoever looks', (theme, latestRound) => {
  const cells = new PageCells(1000)
  for (let round = 0; round <= latestRound; round++) cells.set(round, 1, sentIn(round))
  const states = legendOf(cells).map(({ state }) => state)
  for (const [who, by] of Object.entries(SEEN)) {
    const colours = states.map((state) => seen(colourOf(state, latestRound, theme), by))
    for (const [index, colour] of colours.entries())
      for (const other of colours.slice(index + 1)) {
        const distance = Math.hypot(...colour.map((value, axis) => value - (other[axis] as number)))
        expect(distance, `${who}: ${states[index]} and another`).toBeGreaterThan(0.09)
      }
  }
})

test('later rounds are stronger, and the latest is the strongest', () => {
  const lightness = (state: number): number =>
    colourOf(state, 40, 'light').reduce((sum, value) => sum + value, 0)
  for (let round = 1; round <= 40; round++)
    expect(lightness(sentIn(round))).toBeLessThan(lightness(sentIn(round - 1)))
  expect(colourOf(sentIn(40), 40, 'light')).toEqual([0x08, 0x30, 0x5f])
  const bytes = new Uint8Array(pixelsOf(0, 'light').buffer)
  expect([...bytes.subarray(4 * DIRTY, 4 * DIRTY + 4)]).toEqual([0xe8, 0x59, 0x0c, 0xff])
})
