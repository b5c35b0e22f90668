/**
 * Goal: stretches follow the text with frequent words thinned, drawn words follow the frequencies to the power 3/4.
 * Method: a corpus made up so that both can be counted.
 */
import { expect, test } from 'vitest'
import { negatives, neighbourMask, stretches } from './word-batches.ts'

const key = { seed: 5, stream: 1 }

test('a stretch follows the text, from another place each step, and is the same when asked again', () => {
  const words = Int32Array.from({ length: 1000 }, (_, i) => i)
  const stretchOf = stretches({ words, counts: new Uint32Array(1000).fill(1) }, 20)
  const first = stretchOf(key, 1)
  expect(stretchOf(key, 1)).toEqual(first)
  expect(stretchOf(key, 2)).not.toEqual(first)
  const start = first[0] as number
  expect([...first]).toEqual(Array.from({ length: 20 }, (_, i) => (start + i) % 1000))
})

test('frequent words are thinned, rare ones all kept', () => {
  // Every other word is the same one; the others are all different.
  const words = Int32Array.from({ length: 4000 }, (_, i) => (i % 2 === 0 ? 0 : (i + 1) / 2))
  const counts = new Uint32Array(2001).fill(1)
  counts[0] = 2000
  const stretchOf = stretches({ words, counts }, 200)
  const taken = Array.from({ length: 20 }, (_, step) => [...stretchOf(key, step)]).flat()
  const frequent = taken.filter((word) => word === 0).length
  expect(frequent).toBeGreaterThan(0)
  expect(frequent).toBeLessThan(0.1 * taken.length)
  const rare = [...stretchOf(key, 0)].filter((word) => word !== 0)
  for (const [i, word] of rare.entries()) if (i > 0) expect(word - (rare[i - 1] as number)).toBe(1)
})

test('drawn words follow their frequency to the power 3/4', () => {
  const counts = Uint32Array.of(10_000, 625, 16)
  const drawn = negatives({ words: new Int32Array(), counts }, 50_000)(key, 3)
  const shares = [0, 1, 2].map((word) => drawn.filter((other) => other === word).length / drawn.length)
  const total = 1000 + 125 + 8
  for (const [word, root] of [1000, 125, 8].entries()) expect(shares[word]).toBeCloseTo(root / total, 2)
})

test('neighbours are near, on both sides, and not the word itself', () => {
  const mask = neighbourMask(4, 1)
  expect([...mask]).toEqual([0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0])
})
