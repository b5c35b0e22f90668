/**
 * Goal: mnist-mlp keeps the contract and learns. Method: the contract suite; then a hundred steps, whose losses and
 * accuracies must pass thresholds that chance does not; and the law of its batches.
 */
import { expect, test } from 'vitest'
import { PAGE_BYTES, startBench } from '../support/bench-harness.ts'
import { describeContract } from '../support/program.suite.ts'
import mnistMlp, { batchOf } from './mnist-mlp.ts'

describeContract(mnistMlp, {
  overrides: { validateEvery: 3, validateExamples: 100 },
  steps: 12,
  cutSeed: 20,
})

test('a hundred steps bring the loss from chance to below 0.5, and four in five unseen digits are read', async () => {
  const bench = await startBench(mnistMlp, { validateEvery: 100, validateExamples: 500 })
  const reports = Array.from({ length: 101 }, () => bench.step())
  const tail = reports.slice(-10).map(({ loss }) => loss)
  expect(reports[0]?.loss).toBeGreaterThan(2)
  expect(tail.reduce((sum, loss) => sum + loss, 0) / tail.length).toBeLessThan(0.5)
  expect(reports[0]?.metrics?.validationAccuracy).toBeLessThan(0.3)
  expect(reports[100]?.metrics?.validationAccuracy).toBeGreaterThan(0.8)
  expect(reports.filter(({ metrics }) => metrics)).toHaveLength(2)
})

test('pages of inputs that are always black are not written', async () => {
  const bench = await startBench(mnistMlp)
  for (let page = 0; page < 5; page++) bench.bytes.fill(0x80, page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
  bench.step()
  // Row 0 of w1, pixel (0, 0): black in every image, and half a page long. 0x80808080 is a denormal number.
  expect(bench.bytes.subarray(0, PAGE_BYTES).every((byte) => byte === 0x80)).toBe(true)
})

test('an epoch takes each image once, in an order that is the epoch’s own', () => {
  const at = { seed: 7, batchSize: 30, count: 100 }
  const drawn = Array.from({ length: 10 }, (_, step) => [...batchOf({ ...at, step })]).flat()
  const epochs = [0, 100, 200].map((first) => drawn.slice(first, first + 100))
  for (const epoch of epochs) expect(epoch.toSorted((a, b) => a - b)).toEqual([...Array(100).keys()])
  expect(epochs[0]).not.toEqual(epochs[1])
  expect(batchOf({ ...at, step: 3 })).toEqual(Int32Array.from(drawn.slice(90, 120)))
})
