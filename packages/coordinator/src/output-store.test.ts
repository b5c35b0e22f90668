/**
 * Goal: what was accepted is read back, to the bit and without a gap, and old steps go. Method: batches of any size through a store,
 * loaded again after any of them; a record that counts less than was written.
 */
import type { Output } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { KeyValueStore } from './key-value.ts'
import { MemoryStore } from './memory-store.ts'
import { CHUNK_STEPS, OutputStore } from './output-store.ts'

async function write(store: KeyValueStore, outputs: OutputStore, batch: readonly Output[]): Promise<void> {
  await store.commit(outputs.writes(batch))
  outputs.written(batch)
}

test('batches of any size come back bit for bit, whoever goes on with them', async () => {
  const batch = fc.record({
    size: fc.integer({ min: 1, max: 300 }),
    reload: fc.boolean(),
    moves: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 8 }), fc.double({ noNaN: true }), async (batches, odd) => {
      const store = new MemoryStore()
      let outputs = new OutputStore('job')
      const all: Output[] = []
      let epoch = 1
      for (const { size, reload, moves } of batches) {
        if (moves) epoch += 1
        const from = all.length
        for (let step = from; step < from + size; step++)
          all.push({ step, epoch, loss: odd, stepMs: step, ...(step % 90 === 0 ? { metrics: { odd } } : {}) })
        await write(store, outputs, all.slice(from))
        if (!reload) continue
        outputs = new OutputStore('job')
        expect((await outputs.load(store, all.length)).read(0, all.length)).toEqual(all)
      }
      const history = await new OutputStore('job').load(store, all.length)
      expect(history.read(0, all.length)).toEqual(all)
      expect((await store.list('')).length).toBeLessThanOrEqual(1 + all.length / CHUNK_STEPS + batches.length)
    }),
    { numRuns: 40 },
  )
})

const steps = (from: number, to: number): Output[] =>
  Array.from({ length: to - from }, (_, index) => ({ step: from + index, epoch: 1, loss: 1, stepMs: 1 }))

test('what the record does not count is not read, and written over', async () => {
  const store = new MemoryStore()
  const outputs = new OutputStore('job')
  await write(store, outputs, steps(0, 10))
  const again = new OutputStore('job')
  expect((await again.load(store, 6)).nextStep).toBe(6)
  const other = steps(6, 8).map((output) => ({ ...output, loss: 2 }))
  await write(store, again, other)
  expect((await new OutputStore('job').load(store, 8)).read(0, 99)).toEqual([...steps(0, 6), ...other])
})

test('a record that counts more than is found goes on from there', async () => {
  const store = new MemoryStore()
  const outputs = new OutputStore('job')
  await write(store, outputs, steps(0, 10))
  const again = new OutputStore('job')
  const history = await again.load(store, 50)
  expect([history.firstStep, history.nextStep, history.latest]).toEqual([50, 50, undefined])
  await write(store, again, steps(50, 60))
  const later = await new OutputStore('job').load(store, 60)
  expect(later.read(0, 99)).toEqual(steps(50, 60))
})

test('old steps are forgotten in the store too', async () => {
  const store = new MemoryStore()
  const outputs = new OutputStore('job', 1000)
  for (let step = 0; step < 5000; step += 50) await write(store, outputs, steps(step, step + 50))
  expect((await store.list('')).length).toBeLessThanOrEqual(2 + 1000 / CHUNK_STEPS + 1)
  const history = await new OutputStore('job', 1000).load(store, 5000)
  expect(history.read(0, 5000)).toEqual(steps(4000, 5000))
})
