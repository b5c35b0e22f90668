/** Goal: what tests make up is what could be said. Method: each example by the schema of what it stands for. */
import { expect, test } from 'vitest'
import { checkpointView, hostView, migrationView, workloadView } from './client-messages.ts'
import { identity } from './identity.ts'
import { migrationReport } from './migration.ts'
import {
  checkpointLike,
  hostLike,
  identityLike,
  migrationLike,
  reportLike,
  workloadLike,
} from './support/examples.ts'

test.each([
  ['an identity', identity, identityLike()],
  ['a host', hostView, hostLike()],
  ['a workload', workloadView, workloadLike()],
  ['a checkpoint', checkpointView, checkpointLike()],
  ['a migration', migrationView, migrationLike({ report: reportLike() })],
  ['a report', migrationReport, reportLike()],
])('%s is one by its schema', (_, schema, example) => {
  expect(schema.parse(example)).toEqual(example)
})

test('a report adds up', () => {
  const { rounds, pageBytes, wireBytes, downtime, downtimeMs } = reportLike()
  const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0)
  expect(sum(rounds.map((round) => round.pageBytes))).toBe(pageBytes)
  expect(sum(rounds.map((round) => round.wireBytes))).toBe(wireBytes)
  expect(sum(Object.values(downtime))).toBeCloseTo(downtimeMs, 9)
})
