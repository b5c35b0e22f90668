/** Goal: parameters arrive as the type they look like, and as text where one insists. */
import { expect, test } from 'vitest'
import { collectParameter, positiveMs, wholeNumber } from './options.ts'

test('parameters', () => {
  const all = ['a=1', 'b=-1e-3', 'c=true', 'd=adam', 'e="1"', 'f=', 'g=1 2', 'h=.5', 'i=0x10'].reduce(
    (before, text) => collectParameter(text, before),
    {},
  )
  expect(all).toEqual({ a: 1, b: -0.001, c: true, d: 'adam', e: '1', f: '', g: '1 2', h: 0.5, i: '0x10' })
  for (const text of ['=1', 'a', '']) expect(() => collectParameter(text)).toThrow('key=value')
})

test('numbers', () => {
  expect(wholeNumber(1)('12')).toBe(12)
  for (const text of ['0', '-1', '1.5', '', 'x', '1e3', '99999999999999999999']) {
    expect(() => wholeNumber(1)(text), text).toThrow('whole number')
  }
  expect(positiveMs('0.5')).toBe(0.5)
  for (const text of ['0', '-1', '', ' ', 'x', 'Infinity'])
    expect(() => positiveMs(text), text).toThrow('positive')
})
