/** Goal: values of options arrive as what they are, or are refused with what to write. */
import { expect, test } from 'vitest'
import { bandwidth, collectParameter, positiveMs, share, wholeNumber } from './options.ts'

test('parameters', () => {
  const all = ['a=1', 'b=x', 'b="2"'].reduce((before, text) => collectParameter(text, before), {})
  expect(all).toEqual({ a: 1, b: '2' })
  expect(() => collectParameter('a')).toThrow('key=value')
})

test('numbers', () => {
  expect(wholeNumber(1)('12')).toBe(12)
  for (const text of ['0', '-1', '1.5', '', 'x', '1e3', '99999999999999999999']) {
    expect(() => wholeNumber(1)(text), text).toThrow('whole number')
  }
  expect(wholeNumber(1, 16)('16')).toBe(16)
  expect(() => wholeNumber(1, 16)('17')).toThrow('from 1 to 16')
  expect(positiveMs('0.5')).toBe(0.5)
  expect(() => positiveMs('86400001')).toThrow('a day')
  for (const text of ['0', '-1', '', ' ', 'x', 'Infinity'])
    expect(() => positiveMs(text), text).toThrow('positive')
})

test('shares and rates', () => {
  expect(['0.1', '10%', '.5', '100'].map(share(0.01, 100))).toEqual([0.1, 0.1, 0.5, 100])
  for (const text of ['', '0', '0.5%', '-10%', '10 %', 'ten', '101'])
    expect(() => share(0.01, 100)(text), text).toThrow('from 1% to 10000%')
  expect(bandwidth('100mbit')).toBe(12_500_000)
  expect(() => bandwidth('fast')).toThrow('1gbit')
})
