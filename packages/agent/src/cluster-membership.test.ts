/** Goal: a host serves another cluster only with nothing of the first left. Method: the decision as a function; a real folder. */
import { readdirSync, rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CLUSTER_NAME, joinOrStay, readCluster, writeCluster } from './cluster-membership.ts'
import { temporaryFolder } from './support/host.ts'

const nothing = { workers: 0, checkpoints: 0 }

test('the first one is joined, the own one is stayed with, and another one only with empty hands', () => {
  expect(joinOrStay(undefined, 'one', { workers: 2, checkpoints: 1 })).toBe('join')
  expect(joinOrStay('one', 'one', { workers: 2, checkpoints: 1 })).toBe('stay')
  expect(joinOrStay('one', 'two', nothing)).toBe('join')
})

test.each([
  [{ workers: 1, checkpoints: 0 }, '1 worker and 0 checkpoints'],
  [{ workers: 0, checkpoints: 2 }, '0 workers and 2 checkpoints'],
])('with %j another one is refused, with both ids and what to do', (held, what) => {
  expect(() => joinOrStay('one', 'two', held)).toThrow(
    expect.objectContaining({
      kind: 'other-cluster',
      message: expect.stringMatching(new RegExp(`two.*${what}.*one.*--data-dir`)),
    }),
  )
})

test('it is remembered', () => {
  const folder = temporaryFolder()
  expect(readCluster(folder)).toBeUndefined()
  writeCluster(folder, 'one')
  writeCluster(folder, 'two')
  expect(readCluster(folder)).toBe('two')
  expect(readdirSync(folder)).toEqual([CLUSTER_NAME])
  rmSync(folder, { recursive: true })
})
