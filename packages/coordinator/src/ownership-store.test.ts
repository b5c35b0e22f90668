/** Goal: two coordinators' hands on one record lose nothing. Method: changes made in parallel, and a store that interferes. */
import { expect, test } from 'vitest'
import { MemoryStore } from './memory-store.ts'
import { abort, accept, claim, firstOwner } from './ownership.ts'
import { createOwnership, readOwnership, updateOwnership } from './ownership-store.ts'
import { outputOf } from './support/fakes.ts'

test('of a claim and an abort at the same instant one is granted', async () => {
  const store = new MemoryStore()
  await createOwnership(store, 'job', firstOwner('a'))
  const [claimed, aborted] = await Promise.all([
    updateOwnership(store, 'job', (record) =>
      claim(record, { migration: 'm', epoch: 1, host: 'b', fromStep: 0 }),
    ),
    updateOwnership(store, 'job', (record) => abort(record, { migration: 'm', epoch: 1, host: 'a' })),
  ])
  expect([claimed.granted, aborted.granted].sort()).toEqual([false, true])
  expect((await readOwnership(store, 'job'))?.ranges).toHaveLength(2)
})

test('outputs accepted in parallel are accepted once each', async () => {
  const store = new MemoryStore()
  await createOwnership(store, 'job', firstOwner('a'))
  const outputs = Array.from({ length: 10 }, (_, step) => outputOf(step, 1))
  const results = await Promise.all(
    Array.from({ length: 5 }, () => updateOwnership(store, 'job', (record) => accept(record, outputs))),
  )
  expect(results.reduce((sum, { accepted }) => sum + accepted.length, 0)).toBe(10)
})

test('what changes nothing writes nothing', async () => {
  const store = new MemoryStore()
  await createOwnership(store, 'job', firstOwner('a'))
  const before = (await store.get('ownership/job'))?.revision
  await updateOwnership(store, 'job', (record) => accept(record, [outputOf(7, 1)]))
  expect((await store.get('ownership/job'))?.revision).toBe(before)
})

test('an unknown workload and a record that never rests are errors', async () => {
  const store = new MemoryStore()
  const change = (record: ReturnType<typeof firstOwner>) => accept(record, [outputOf(0, 1)])
  await expect(updateOwnership(store, 'job', change)).rejects.toMatchObject({ kind: 'unknown-workload' })
  expect(await readOwnership(store, 'job')).toBeUndefined()
  await createOwnership(store, 'job', firstOwner('a'))
  store.commit = async () => undefined
  await expect(updateOwnership(store, 'job', change)).rejects.toThrow('under our hands')
})
