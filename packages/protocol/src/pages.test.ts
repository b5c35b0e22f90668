/**
 * Goal: a PageSet behaves like a set of integers. Method: random runs against a plain Set as the model.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PageSet } from './pages.ts'

const pageCount = 200
const runs = fc.array(
  fc
    .tuple(fc.nat(pageCount - 1), fc.integer({ min: 1, max: 90 }))
    .map(([firstPage, count]) => ({ firstPage, pageCount: Math.min(count, pageCount - firstPage) })),
)

test('holds the pages that were added and gives them back as maximal ascending runs', () => {
  fc.assert(
    fc.property(runs, runs, (first, second) => {
      const model = new Set<number>()
      const [a, b] = [new PageSet(pageCount), new PageSet(pageCount)]
      for (const run of first) a.addRun(run)
      for (const run of second) b.addRun(run)
      for (const { firstPage, pageCount } of [...first, ...second]) {
        for (let page = firstPage; page < firstPage + pageCount; page++) model.add(page)
      }
      a.addAll(b)
      expect(a.size).toBe(model.size)
      for (let page = -1; page <= pageCount; page++) expect(a.has(page)).toBe(model.has(page))
      let previousEnd = -1
      const listed: number[] = []
      for (const run of a.runs()) {
        expect(run.firstPage).toBeGreaterThan(previousEnd)
        previousEnd = run.firstPage + run.pageCount
        for (let page = run.firstPage; page < previousEnd; page++) listed.push(page)
      }
      expect(listed).toEqual([...model].sort((x, y) => x - y))
    }),
  )
})

test('refuses runs outside its range and stays as it was', () => {
  const set = new PageSet(33)
  for (const [firstPage, count] of [
    [-1, 1],
    [33, 1],
    [0, 34],
    [32, 2],
    [0, 0],
    [Number.NaN, 1],
  ] as const) {
    expect(() => set.addRun({ firstPage, pageCount: count })).toThrow(
      expect.objectContaining({ kind: 'out-of-range' }),
    )
  }
  expect(set.size).toBe(0)
})

test('full covers the last, partly used word', () => {
  for (const count of [0, 1, 31, 32, 33, 64, 65]) {
    expect(PageSet.full(count).isFull).toBe(true)
    expect([...PageSet.full(count).runs()]).toEqual(count === 0 ? [] : [{ firstPage: 0, pageCount: count }])
  }
})
