/** Goal: a link leads back to what it was made of, whatever the names. Method: there and back, and addresses that lead nowhere. */
import { expect, test } from 'vitest'
import { type Place, pathOf, placeAt } from './places.ts'

test.each<[string, Place]>([
  ['/', { page: 'cluster' }],
  ['/tasks', { page: 'tasks' }],
  ['/hosts/host-a', { page: 'host', host: 'host-a' }],
  ['/jobs/digits', { page: 'job', job: 'digits' }],
  ['/jobs/a%2Fb', { page: 'job', job: 'a/b' }],
  ['/jobs/digits/moves/m-1', { page: 'move', job: 'digits', move: 'm-1' }],
])('%s', (path, place) => {
  expect(placeAt(path)).toEqual(place)
  expect(pathOf(place)).toBe(path)
})

test.each([
  '/elsewhere',
  '/hosts',
  '/jobs/digits/moves',
  '/jobs/digits/moves/m-1/more',
  '/jobs/digits/other/m-1',
  '/hosts/a/moves/m-1',
])('%s leads nowhere', (path) => {
  expect(placeAt(path)).toEqual({ page: 'missing', path })
})

test('what can not be decoded is taken as it is', () => {
  expect(placeAt('/jobs/%zz')).toEqual({ page: 'job', job: '%zz' })
})
