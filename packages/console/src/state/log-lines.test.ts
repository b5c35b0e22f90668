/** Goal: each line is shown once and harmlessly, and not more of them than fit. Method: lines told twice, too many, and with escapes. */
import { expect, test } from 'vitest'
import { MAX_LINES, plainText, withLines } from './log-lines.ts'

function lines(from: number, count: number) {
  return Array.from({ length: count }, (_, index) => ({ line: from + index, host: 'a', atMs: 0, text: '' }))
}

test('what is told again is there once', () => {
  const known = withLines([], lines(0, 5))
  expect(withLines(known, lines(3, 4)).map(({ line }) => line)).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect(withLines(known, lines(0, 5))).toBe(known)
})

test('the latest are kept', () => {
  const known = withLines(lines(0, MAX_LINES), lines(MAX_LINES, 10))
  expect(known).toHaveLength(MAX_LINES)
  expect(known[0]?.line).toBe(10)
})

test('what steers a terminal is left out, tabs stay', () => {
  expect(plainText('\u001b[31mred\u001b[0m\tand\u0007 \u009b2Jplain\u001b]0;title')).toBe(
    'red\tand 2Jplain]0;title',
  )
})
