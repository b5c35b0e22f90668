/** Goal: bytes arrive whole at any alignment, in shared memory and out of it. Method: random stretches against `set`. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copyBytes } from './copy-bytes.ts'

const bytes = 20_000

test('copies what set would, wherever it lies, and nothing beside it', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes)).map((_, at) => at % 251)
  fc.assert(
    fc.property(
      fc.nat(bytes - 1),
      fc.nat(bytes - 1),
      fc.nat(bytes),
      fc.boolean(),
      (from, to, length, intoShared) => {
        const size = Math.min(length, bytes - from, bytes - to)
        const source = intoShared ? Uint8Array.from(shared) : shared
        const target = intoShared ? new Uint8Array(new SharedArrayBuffer(bytes)) : new Uint8Array(bytes)
        const expected = new Uint8Array(bytes)
        expected.set(shared.subarray(from, from + size), to)
        copyBytes(target.subarray(to), source.subarray(from, from + size))
        expect(Buffer.from(target).equals(expected)).toBe(true)
      },
    ),
  )
})

test('more than there is room for is refused', () => {
  expect(() => copyBytes(new Uint8Array(3), new Uint8Array(4))).toThrow(RangeError)
})
