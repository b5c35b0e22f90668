/** Goal: the tree is walked by keys as WAI-ARIA's pattern for trees says. Method: each key at each kind of row. */
import { hostLike, workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { queryOf } from './search.ts'
import { treeRows } from './tree.ts'
import { treeMove } from './tree-keys.ts'

const ROWS = treeRows(
  [hostLike({ name: 'a', faultDomain: 'east' }), hostLike({ name: 'b', faultDomain: 'west' })],
  [workloadLike({ id: 'digits', host: 'a' })],
  { folded: new Set(['zone west']), query: queryOf(''), withOver: false },
)

test.each<[string, string | undefined, string, ReturnType<typeof treeMove>]>([
  ['from nowhere to the first', undefined, 'ArrowDown', { kind: 'to', key: 'zone east' }],
  ['down', 'host a', 'ArrowDown', { kind: 'to', key: 'job digits' }],
  ['up', 'host a', 'ArrowUp', { kind: 'to', key: 'zone east' }],
  ['not beyond the first', 'zone east', 'ArrowUp', { kind: 'to', key: 'zone east' }],
  ['not beyond the last', 'zone west', 'ArrowDown', { kind: 'to', key: 'zone west' }],
  ['to the first', 'zone west', 'Home', { kind: 'to', key: 'zone east' }],
  ['to the last', 'zone east', 'End', { kind: 'to', key: 'zone west' }],
  ['right unfolds', 'zone west', 'ArrowRight', { kind: 'unfold', key: 'zone west' }],
  ['right goes in', 'host a', 'ArrowRight', { kind: 'to', key: 'job digits' }],
  ['right at the end does nothing', 'job digits', 'ArrowRight', undefined],
  ['left folds', 'host a', 'ArrowLeft', { kind: 'fold', key: 'host a' }],
  ['left goes out', 'job digits', 'ArrowLeft', { kind: 'to', key: 'host a' }],
  ['left at the root does nothing', 'zone west', 'ArrowLeft', undefined],
  ['Enter opens', 'job digits', 'Enter', { kind: 'open', key: 'job digits' }],
  ['space picks a job', 'job digits', ' ', { kind: 'pick', key: 'job digits' }],
  ['space opens what is none', 'host a', ' ', { kind: 'open', key: 'host a' }],
  ['a letter finds a name', 'zone east', 'd', { kind: 'to', key: 'job digits' }],
  ['a letter goes round', 'zone west', 'A', { kind: 'to', key: 'host a' }],
  ['a letter that none begins with', 'zone west', 'x', undefined],
  ['other keys', 'zone west', 'Tab', undefined],
])('%s', (_, at, key, expected) => {
  expect(treeMove(ROWS, at, key)).toEqual(expected)
})

test('in an empty tree no key does anything', () => {
  expect(treeMove([], undefined, 'ArrowDown')).toBeUndefined()
})
