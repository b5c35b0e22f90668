/** Goal: bits and bytes are told apart, and what is neither is refused with what to write. */
import { expect, test } from 'vitest'
import { parseBandwidth, parseBytes, sayBytes } from './bandwidth.ts'

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

test('sizes', () => {
  expect(parseBytes('--memory', '1.5 KiB')).toBe(1536)
  expect(parseBytes('--memory', '4096')).toBe(4096)
  for (const text of ['', '0', '-1', '0.5', '8 pounds', '1e9', '9999999TiB'])
    expect(() => parseBytes('--memory', text), text).toThrow(`--memory ${text}: write bytes like`)
  expect([1023, 1536, 12 * 2 ** 20, 1.5 * 2 ** 30].map(sayBytes)).toEqual([
    '1023 B',
    '1.5 KiB',
    '12.0 MiB',
    '1.50 GiB',
  ])
})
