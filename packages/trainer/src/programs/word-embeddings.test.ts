/**
 * Goal: word-embeddings keeps the contract, learns, and writes few pages. Method: the contract suite; thresholds below
 * the chance level of (1 + negatives) ln 2; the pages that a step changed, found by comparing the arena.
 */
import { expect, test } from 'vitest'
import { PAGE_BYTES, startBench } from '../support/bench-harness.ts'
import { describeContract } from '../support/program.suite.ts'
import wordEmbeddings from './word-embeddings.ts'

const CHANCE = 6 * Math.LN2

describeContract(wordEmbeddings, { overrides: { validateEvery: 7 }, steps: 30, cutSeed: 22 })

test('a thousand steps bring both losses well below chance', async () => {
  const bench = await startBench(wordEmbeddings, { validateEvery: 1000 })
  const reports = Array.from({ length: 1001 }, () => bench.step())
  const tail = reports.slice(-100).map(({ loss }) => loss)
  expect(reports[0]?.loss).toBeCloseTo(CHANCE, 3)
  expect(tail.reduce((sum, loss) => sum + loss, 0) / tail.length).toBeLessThan(0.85 * CHANCE)
  expect(reports[0]?.metrics?.validationLoss).toBeCloseTo(CHANCE, 3)
  expect(reports[1000]?.metrics?.validationLoss).toBeLessThan(0.85 * CHANCE)
})

test('a step writes no more pages than its words account for', async () => {
  const bench = await startBench(wordEmbeddings)
  for (let step = 0; step < 20; step++) bench.step()
  const before = bench.bytes.slice()
  const delta = bench.compute()
  bench.apply(delta)
  const { words, drawn } = delta.arrays
  const rows = new Set([...(words ?? []), ...(drawn ?? [])])
  let changed = 0
  for (let at = 0; at < before.length; at += PAGE_BYTES) {
    if (Buffer.compare(before.subarray(at, at + PAGE_BYTES), bench.bytes.subarray(at, at + PAGE_BYTES)))
      changed++
  }
  expect(changed).toBeGreaterThan(10)
  expect(changed, 'a page and its sum’s page for each row, in each of two tables').toBeLessThan(4 * rows.size)
  expect(changed, 'a tenth of the arena').toBeLessThan(before.length / PAGE_BYTES / 10)
})
