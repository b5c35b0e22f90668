/**
 * Goal: both readings of the text are whole, reversible and split once. Method: the package's own file.
 */
import { expect, test } from 'vitest'
import { makeContext } from '../support/bench-harness.ts'
import { loadCharacters, loadWords } from './moby-dick.ts'

const { context } = makeContext({})

test('characters read back as the text, whose end is held out', () => {
  const { vocabulary, train, heldOut } = loadCharacters(context)
  const read = (numbers: Int32Array) => Array.from(numbers, (number) => vocabulary[number]).join('')
  expect(vocabulary).toHaveLength(83)
  expect(read(train.subarray(0, 42))).toBe('CHAPTER 1. Loomings.\n\nCall me Ishmael. Som')
  expect(read(heldOut)).toContain('great\nshroud of the sea rolled on as it rolled five thousand years ago.')
  expect(heldOut.length / (train.length + heldOut.length)).toBeCloseTo(0.05, 3)
})

test('words are numbered by falling frequency', () => {
  const { vocabulary, counts, train, heldOut } = loadWords(context)
  expect(vocabulary.slice(0, 3)).toEqual(['the', 'of', 'and'])
  expect(vocabulary).toContain("whale's")
  expect(counts).toEqual(counts.toSorted((a, b) => b - a))
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(train.length + heldOut.length)
  expect(Array.from(train.subarray(0, 5), (word) => vocabulary[word])).toEqual([
    'chapter',
    'loomings',
    'call',
    'me',
    'ishmael',
  ])
})
