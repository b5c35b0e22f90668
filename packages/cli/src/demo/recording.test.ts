/** Goal: the demo's judge notices every way in which two runs can differ. Method: each violation is fed to it once. */
import type { WorkloadView } from '@godwit/protocol'
import { workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { defaultSteps, migrationSteps, nextStart } from './plan.ts'
import { bitsOf, compareRuns, isContinuous, Recorder } from './recording.ts'

const finished: WorkloadView = workloadLike({ status: 'finished', stateDigest: 'a'.repeat(64) })

function record(losses: readonly (readonly [number, number])[], workload = finished): Recorder {
  const recorder = new Recorder()
  for (const [step, loss] of losses) recorder.add({ step, loss, epoch: 1, stepMs: 1 })
  recorder.workload = workload
  return recorder
}

const good: readonly (readonly [number, number])[] = [
  [0, 1],
  [1, 0.5],
  [2, -0],
  [3, Number.NaN],
]

test('equal runs are equal, -0 and NaN included', () => {
  const comparison = compareRuns(record(good), record(good), 4)
  expect(comparison).toMatchObject({
    steps: 4,
    lossBitsEqual: true,
    stateDigestEqual: true,
    missing: 0,
    repeated: 0,
  })
  expect(isContinuous(comparison)).toBe(true)
})

test.each([
  ['one bit of one loss', record([...good.slice(0, 1), [1, 0.5 + 2 ** -53], ...good.slice(2)])],
  ['the sign of a zero', record([...good.slice(0, 2), [2, 0], ...good.slice(3)])],
  ['a missing step', record(good.slice(0, 3))],
  ['a repeated step', record([...good, [3, Number.NaN]])],
  ['steps out of order', record([good[1], good[0], good[2], good[3]] as typeof good)],
  ['the final memory', record(good, { ...finished, stateDigest: 'b'.repeat(64) })],
  ['no final memory', record(good, workloadLike({ status: 'finished' }))],
])('notices %s', (_, violation) => {
  expect(isContinuous(compareRuns(violation, record(good), 4))).toBe(false)
  expect(isContinuous(compareRuns(record(good), violation, 4))).toBe(false)
})

test('two runs without a digest prove nothing', () => {
  const without = () => record(good, workloadLike({ status: 'finished' }))
  expect(compareRuns(without(), without(), 4).stateDigestEqual).toBe(false)
})

test('bits are those of IEEE 754', () => {
  expect(bitsOf(1)).toBe(0x3ff0000000000000n)
  expect(bitsOf(-0)).toBe(0x8000000000000000n)
})

test('moves are spread over the run, with room before, between and after', () => {
  expect(migrationSteps(1000, 0)).toEqual([])
  expect(migrationSteps(1000, 2)).toEqual([115, 500])
  const many = migrationSteps(defaultSteps('mnist-mlp'), 10)
  expect(new Set(many).size).toBe(10)
  expect(nextStart(500, undefined)).toBe(500)
  expect(nextStart(500, 300)).toBe(500)
  expect(nextStart(500, 600)).toBeGreaterThan(610)
})
