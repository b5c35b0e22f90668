/**
 * Goal: the random function is the published one, and the shuffle a permutation. Method: the known answers of the
 * authors' Random123 library; properties over random ranges.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fillUniform, randomIndex, randomWord, shuffle, threefry2x32 } from './random.ts'

test.each([
  { key: [0, 0], counter: [0, 0], expected: [0x6b200159, 0x99ba4efe] },
  { key: [0xffffffff, 0xffffffff], counter: [0xffffffff, 0xffffffff], expected: [0x1cb996fc, 0xbb002be7] },
  { key: [0x13198a2e, 0x03707344], counter: [0x243f6a88, 0x85a308d3], expected: [0xc4923a9c, 0x483df7a0] },
] as const)('threefry2x32 agrees with Random123 for key $key', ({ key, counter, expected }) => {
  const out = new Uint32Array(2)
  threefry2x32(key, counter, out)
  expect([...out]).toEqual(expected)
})

test('counters beyond 32 bits are told apart', () => {
  const key = { seed: 1, stream: 2 }
  expect(randomWord(key, 5)).not.toBe(randomWord(key, 5 + 2 ** 32))
  expect(randomWord(key, 2 ** 31)).not.toBe(randomWord(key, 2 ** 33 + 2 ** 31))
})

test('a shuffle is a permutation of its range, and the key chooses it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(), (count, stream) => {
      const deck = shuffle({ seed: 3, stream }, count)
      const seen = new Set(Array.from({ length: count }, (_, i) => deck.at(i)))
      expect(seen.size).toBe(count)
      for (const item of seen) expect(item).toBeLessThan(count)
    }),
    { numRuns: 50 },
  )
  const orders = [1, 2].map((stream) => {
    const deck = shuffle({ seed: 3, stream }, 50)
    return Array.from({ length: 50 }, (_, i) => deck.at(i))
  })
  expect(orders[0]).not.toEqual(orders[1])
  expect(() => shuffle({ seed: 1, stream: 1 }, 10).at(10)).toThrow(RangeError)
})

test('uniform numbers stay in range and are centred, indices reach both ends', () => {
  const values = new Float32Array(20_000)
  fillUniform(values, { seed: 1, stream: 1 }, 0.5)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  expect(mean).toBeGreaterThan(-0.01)
  expect(mean).toBeLessThan(0.01)
  for (const value of values) expect(value >= -0.5 && value <= 0.5).toBe(true)
  const indices = new Set(Array.from({ length: 500 }, (_, i) => randomIndex({ seed: 1, stream: 9 }, i, 7)))
  expect([...indices].sort()).toEqual([0, 1, 2, 3, 4, 5, 6])
})
