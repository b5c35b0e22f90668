/** Goal: colours where they are wanted and nowhere else, and no column out of line for them. Method: streams and environments by hand. */
import { afterEach, expect, test } from 'vitest'
import { allowColours, cut, status, title, visibleLength, wantsColours } from './colour.ts'
import { renderTable } from './table.ts'

afterEach(() => allowColours(false))

test.each([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ NO_COLOR: '' }, true, true],
  [{ FORCE_COLOR: '1' }, false, true],
  [{ FORCE_COLOR: '0' }, true, false],
  [{ FORCE_COLOR: '1', NO_COLOR: '1' }, true, true],
  [{ TERM: 'dumb' }, true, false],
])('with %j and a terminal %s: %s', (env, isTTY, wanted) => {
  expect(wantsColours({ isTTY }, env)).toBe(wanted)
})

test('until they are allowed text stays as it is', () => {
  expect([title('HOST'), status('failed')]).toEqual(['HOST', 'failed'])
})

test('a status is coloured by what it means, and an unknown one not at all', () => {
  allowColours(true)
  const colours = ['running', 'failed', 'maintenance: 2 of 5 moved', 'unheard-of', ''].map(status)
  expect(colours).toEqual([
    '\u001b[32mrunning\u001b[39m',
    '\u001b[31mfailed\u001b[39m',
    '\u001b[33mmaintenance: 2 of 5 moved\u001b[39m',
    'unheard-of',
    '',
  ])
})

test('a table is as wide with colours as without', () => {
  const render = (): string[] =>
    renderTable(
      [
        { title: 'A', style: status },
        { title: 'BB', align: 'right' },
      ],
      [
        ['running', '1'],
        ['x', '22'],
      ],
    )
  const plain = render()
  allowColours(true)
  const coloured = render()
  expect(coloured).not.toEqual(plain)
  expect(coloured.map(visibleLength)).toEqual(plain.map(visibleLength))
})

test('a line is cut at what is seen, and a colour always ends', () => {
  allowColours(true)
  const line = `ab ${status('failed')} é cd`
  for (let columns = 0; columns < 20; columns++) {
    const short = cut(line, columns)
    expect(visibleLength(short)).toBe(Math.min(columns, visibleLength(line)))
    expect(
      short.endsWith('\u001b[39m') || short.includes('\u001b[31m') === short.includes('\u001b[39m'),
    ).toBe(true)
  }
})
