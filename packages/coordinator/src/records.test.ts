/** Goal: a record that the disk has changed is named, and no reason for an error that says nothing. Method: bytes that are no record. */
import { encodeValue } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { MemoryStore } from './memory-store.ts'
import { readAll } from './records.ts'

test.each([
  ['bytes that are no value', Buffer.from('c1', 'hex')],
  ['a number', encodeValue(0)],
  ['nothing', encodeValue(null)],
  ['another object', encodeValue({ step: 1 })],
])('%s: store-unusable, with its key', async (_, bytes) => {
  const store = new MemoryStore()
  await store.put('workload/a', encodeValue({ order: 2 }))
  await store.put('workload/b', bytes)
  await expect(readAll(store, 'workload/')).rejects.toMatchObject({
    kind: 'store-unusable',
    message: expect.stringContaining('workload/b'),
  })
})

test('records come in the order in which they came to be', async () => {
  const store = new MemoryStore()
  for (const [key, order] of Object.entries({ a: 2, b: 1 }))
    await store.put(`workload/${key}`, encodeValue({ order }))
  expect(await readAll(store, 'workload/')).toEqual([{ order: 1 }, { order: 2 }])
})
