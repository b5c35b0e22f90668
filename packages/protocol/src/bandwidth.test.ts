/** Goal: bits and bytes are told apart, and what is neither is refused with what to write. */
import { expect, test } from 'vitest'
import { parseBandwidth } from './bandwidth.ts'

test.each([
  ['125000000', 125_000_000],
  ['100MiB', 100 * 2 ** 20],
  ['100 MB/s', 100_000_000],
  ['1gbit', 125_000_000],
  ['100Mbit', 12_500_000],
  ['1.5 Gbit/s', 187_500_000],
])('%s', (text, bytesPerSecond) => {
  expect(parseBandwidth(text)).toBe(bytesPerSecond)
})

test.each(['', 'fast', '-1', '1 furlong', '1e9', '100', '1kbit', '99999999gib'])('%s is none', (text) => {
  expect(() => parseBandwidth(text)).toThrow(
    expect.objectContaining({ kind: 'bad-arguments', message: expect.stringContaining('1gbit') }),
  )
})
