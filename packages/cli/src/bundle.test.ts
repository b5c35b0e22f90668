/** Goal: what comes along is called as its author will look for it, and what makes no sense is said. Method: names as typed. */
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { dataByName } from './commands/bundle.ts'

const PROGRAM = join(process.cwd(), 'jobs', 'train.ts')
const here = (path: string): string => join(process.cwd(), path)

test('data beside or below the program keeps its place, other data has its own name, or the one it is given', () => {
  expect(
    dataByName(PROGRAM, ['jobs/x.csv', 'jobs/sets/faces/', 'elsewhere/set', '/data/b.bin', 'c=/data/d.bin']),
  ).toEqual({
    'x.csv': here('jobs/x.csv'),
    'sets/faces': here('jobs/sets/faces'),
    set: here('elsewhere/set'),
    'b.bin': '/data/b.bin',
    c: '/data/d.bin',
  })
  expect(dataByName(PROGRAM, ['/data/a=b.csv', '../jobs'])).toEqual({
    'a=b.csv': '/data/a=b.csv',
    jobs: join(dirname(process.cwd()), 'jobs'),
  })
  expect(dataByName(PROGRAM, ['/a/x', '/a/x'])).toEqual({ x: '/a/x' })
  expect(() => dataByName(PROGRAM, ['/a/x', '/b/x'])).toThrow(/x is \/a\/x already.*NAME=PATH/)
})
