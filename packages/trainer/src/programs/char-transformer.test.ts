/**
 * Goal: char-transformer keeps the contract and learns. Method: the contract suite on a smaller
 * model and batch (the arithmetic is the same, the steps are shorter); thresholds well below what knowing the
 * frequencies of characters alone would give at the start.
 */
import { expect, test } from 'vitest'
import { startBench } from '../support/bench-harness.ts'
import { describeContract } from '../support/program.suite.ts'
import charTransformer from './char-transformer.ts'

describeContract(charTransformer, {
  overrides: { batchSize: 2, layers: 2, validateEvery: 2 },
  steps: 6,
  cutSeed: 21,
})

test('forty steps of a small batch bring both losses from chance to below 3.2 nats', async () => {
  const bench = await startBench(charTransformer, { batchSize: 4, layers: 2, validateEvery: 40 })
  const reports = Array.from({ length: 41 }, () => bench.step())
  const tail = reports.slice(-10).map(({ loss }) => loss)
  expect(reports[0]?.loss).toBeGreaterThan(4)
  expect(tail.reduce((sum, loss) => sum + loss, 0) / tail.length).toBeLessThan(3.2)
  expect(reports[0]?.metrics?.validationLoss).toBeGreaterThan(4)
  expect(reports[40]?.metrics?.validationLoss).toBeLessThan(3.2)
})

test('refuses parameters that make no sense, by name', async () => {
  await expect(startBench(charTransformer, { batchSize: 0 })).rejects.toThrow('Parameter batchSize is 0')
  await expect(startBench(charTransformer, { layers: 1.5 })).rejects.toThrow('an integer from 1 to 16')
  await expect(startBench(charTransformer, { seed: 2 ** 32 })).rejects.toThrow('Parameter seed')
})
