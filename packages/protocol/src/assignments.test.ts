/** Goal: what is typed has the type that it looks like, or is text where one insists; what is none is refused with what to write. */
import { expect, test } from 'vitest'
import { parseLabel, parseParameter, sayParameter } from './assignments.ts'

test.each([
  ['a=1', 1],
  ['b=-1e-3', -0.001],
  ['c=true', true],
  ['d=adam', 'adam'],
  ['e="1"', '1'],
  ['f=', ''],
  ['g=1 2', '1 2'],
  ['h=.5', 0.5],
  ['i=0x10', '0x10'],
  ['j=""x""', '"x"'],
  ['k=a=b', 'a=b'],
])('%s', (text, value) => {
  expect(parseParameter(text)).toEqual([text[0], value])
  expect(parseParameter(sayParameter(text[0] as string, value))).toEqual([text[0], value])
})

test.each([
  ['=1', 'key=value'],
  ['a', 'key=value'],
  ['', 'key=value'],
  [`a=${'x'.repeat(201)}`, '200 characters'],
  [`${'x'.repeat(201)}=a`, '200 characters'],
  ['a=1e999', 'a number'],
])('%s is no parameter', (text, what) => {
  expect(() => parseParameter(text)).toThrow(
    expect.objectContaining({ kind: 'bad-arguments', message: expect.stringContaining(what) }),
  )
})

test('labels are names on both sides', () => {
  expect(parseLabel('disk=fast')).toEqual(['disk', 'fast'])
  for (const text of ['', 'disk', 'disk=', '=fast', 'disk=very fast', 'a=b=c', `a=${'x'.repeat(201)}`])
    expect(() => parseLabel(text), text).toThrow('like disk=fast')
})
