/** Goal: each number reads the same wherever it stands. Method: values at the edges of each unit. */
import { expect, test } from 'vitest'
import {
  asSentence,
  formatBytes,
  formatDuration,
  formatLoss,
  formatMs,
  formatNumber,
  formatPercent,
  grouped,
  plural,
} from './units.ts'

test('numbers have three digits that matter', () => {
  expect([0, 0.0123, 1.234, 12.34, 123.4, 1234.5, 1e-5, 2e9].map(formatNumber)).toEqual([
    '0',
    '0.012',
    '1.23',
    '12.3',
    '123',
    '1\u202f235',
    '1.00e-5',
    '2.00e+9',
  ])
  expect([Number.NaN, undefined].map(formatNumber)).toEqual(['NaN', '–'])
})

test('a loss keeps four digits behind the point', () => {
  expect([2.41258, 0.00001, undefined].map(formatLoss)).toEqual(['2.4126', '1.000e-5', '–'])
})

test('thousands stand apart', () => {
  expect([0, 999, 1000, 1_234_567].map(grouped)).toEqual(['0', '999', '1\u202f000', '1\u202f234\u202f567'])
})

test('times have the unit in which they are short', () => {
  expect([0.4, 54.8, 999, 1500, 45_500, null].map(formatMs)).toEqual([
    '0.400 ms',
    '54.8 ms',
    '999 ms',
    '1.50 s',
    '45.5 s',
    '–',
  ])
  expect([0, 4000, 60_000, 200_000, 7_500_000, 273_600_000].map(formatDuration)).toEqual([
    '0 s',
    '4 s',
    '1 min',
    '3 min 20 s',
    '2 h 5 min',
    '3 d 4 h',
  ])
})

test('bytes and shares', () => {
  expect([512, 2048, 6.2 * 2 ** 20, 300 * 2 ** 20, 4 * 2 ** 30].map(formatBytes)).toEqual([
    '512 B',
    '2 KiB',
    '6.2 MiB',
    '300 MiB',
    '4.0 GiB',
  ])
  expect([0, 0.126, Number.NaN].map(formatPercent)).toEqual(['0 %', '13 %', '–'])
  expect([plural(1, 'job'), plural(1000, 'job')]).toEqual(['1 job', '1\u202f000 jobs'])
})

test('sentences begin with a capital, names stay as they are', () => {
  const said = ['no host fits', 'alder is gone', 'host-a is gone', 'Already so', 'alderman: gone', '']
  expect(said.map((text) => asSentence(text, (word) => word === 'alder'))).toEqual([
    'No host fits',
    'alder is gone',
    'host-a is gone',
    'Already so',
    'Alderman: gone',
    '',
  ])
})
