/** Goal: the picture says what was sent when and what waits, while somebody looks and not otherwise. Method: rounds played by hand, by a clock that the test turns. */
import {
  cellsInRuns,
  LIMITS,
  PAGE_DIRTY,
  PAGE_LEFT,
  PAGE_ZERO,
  type PagePicture,
  pageSentIn,
} from '@godwit/protocol'
import { expect, test } from 'vitest'
import { PagePictures } from './page-pictures.ts'

const raw = (firstPage: number, pageCount: number) => ({ firstPage, pageCount, encoding: 'raw' }) as const

function cells(picture: PagePicture | undefined): number[] {
  return picture === undefined ? [] : [...cellsInRuns(picture)]
}

test('left, zero, dirtied again, and the round in which each was sent last', () => {
  const pictures = new PagePictures(6)
  pictures.wanted(0)
  expect(cells(pictures.make(0, [raw(0, 6)]))).toEqual(Array(6).fill(PAGE_LEFT))
  pictures.sent(0, raw(0, 2))
  pictures.sent(0, { firstPage: 2, pageCount: 1, encoding: 'zero' })
  // In the middle of the round: what has not been sent at all is left, not dirty.
  const [sent, left] = [pageSentIn(0), PAGE_LEFT]
  expect(cells(pictures.make(300, [raw(3, 3)]))).toEqual([sent, sent, PAGE_ZERO, left, left, left])
  pictures.sent(0, raw(3, 3))
  expect(cells(pictures.make(600, [raw(1, 2)]))).toEqual([sent, PAGE_DIRTY, PAGE_DIRTY, sent, sent, sent])
  pictures.sent(1, raw(1, 2))
  const last = pictures.make(900, [])
  expect(last?.round).toBe(1)
  expect(cells(last)).toEqual([sent, pageSentIn(1), pageSentIn(1), sent, sent, sent])
})

test('one is due a few times a second, for as long as somebody looks', () => {
  const pictures = new PagePictures(4)
  expect(pictures.isDue(1000)).toBe(false)
  pictures.wanted(1000)
  expect(pictures.isDue(1000)).toBe(true)
  pictures.make(1000, [])
  expect([
    pictures.isDue(1000 + LIMITS.pictureEveryMs - 1),
    pictures.isDue(1000 + LIMITS.pictureEveryMs),
  ]).toEqual([false, true])
  const overMs = 1000 + LIMITS.picturesMs
  expect([pictures.isDue(overMs - 1), pictures.isDue(overMs)]).toEqual([true, false])
  pictures.wanted(overMs)
  expect(pictures.isDue(overMs)).toBe(true)
})

test('one that says nothing new is told seldom, and to those who have just begun to look', () => {
  const pictures = new PagePictures(4)
  pictures.wanted(0)
  expect(pictures.make(0, [])).toBeDefined()
  expect(pictures.make(300, [])).toBeUndefined()
  expect(pictures.make(1000, [])).toBeDefined()
  pictures.sent(0, raw(0, 1))
  expect(pictures.make(1300, [])).toBeDefined()
  pictures.wanted(10_000)
  expect(pictures.make(10_000, [])).toBeDefined()
})

test('of the largest arena, every other page written again, it is no larger than it may be', () => {
  const pageCount = LIMITS.maxArenaBytes / 4096
  const pictures = new PagePictures(pageCount)
  pictures.wanted(0)
  pictures.sent(0, raw(0, pageCount))
  const waiting = Array.from({ length: pageCount / 128 }, (_, index) => raw(128 * index, 64))
  const picture = pictures.make(0, waiting)
  expect(picture?.runs.length).toBe(2 * LIMITS.maxPictureCells)
  expect(cells(picture).slice(0, 4)).toEqual([PAGE_DIRTY, pageSentIn(0), PAGE_DIRTY, pageSentIn(0)])
})
