/**
 * Goal: one request is carried out under one key, whatever comes with it, and what is remembered is bounded. Method: a store in memory, a clock
 * that the test turns.
 */
import { GodwitError, LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { MemoryStore } from '../memory-store.ts'
import { IdempotencyKeys } from './idempotency.ts'

const asked = { who: 't1', key: 'k', text: 'stop job', isSecret: false }
const done = async (): Promise<{ status: number; body: string }> => ({ status: 200, body: '{}' })

test('what is thrown is not remembered, what is answered is, for a day', async () => {
  let nowMs = 0
  const keys = await IdempotencyKeys.open(new MemoryStore(), () => nowMs)
  const busy = new GodwitError('too-busy', 'later')
  await expect(keys.once(asked, () => Promise.reject(busy))).rejects.toBe(busy)
  expect(await keys.once(asked, done)).toMatchObject({ isReplay: false })
  expect(await keys.once(asked, () => Promise.reject(busy))).toMatchObject({ isReplay: true, status: 200 })
  expect(await keys.once({ ...asked, who: 't2' }, done)).toMatchObject({ isReplay: false })
  await expect(keys.once({ ...asked, text: 'stop other' }, done)).rejects.toMatchObject({
    kind: 'bad-arguments',
  })
  nowMs = LIMITS.keepIdempotencyMs
  expect(await keys.once({ ...asked, text: 'stop other' }, done)).toMatchObject({ isReplay: false })
})

test('so many are kept, and so many bytes of them, in memory and on disk, the latest', async () => {
  const store = new MemoryStore()
  const keys = await IdempotencyKeys.open(store, () => 0)
  for (let key = 0; key < LIMITS.maxIdempotencyKeys + 50; key++)
    await keys.once({ ...asked, key: `k${key}` }, done)
  expect(keys.size).toBeLessThanOrEqual(LIMITS.maxIdempotencyKeys + 1)
  expect(await store.list('idempotency/')).toHaveLength(keys.size)
  const body = 'x'.repeat(LIMITS.maxIdempotencyBytes / 4)
  for (let key = 0; key < 10; key++)
    await keys.once({ ...asked, key: `large${key}` }, async () => ({ status: 200, body }))
  expect(keys.size).toBeLessThanOrEqual(5)
  await store.put('idempotency/damaged', Buffer.from('{'))
  const next = await IdempotencyKeys.open(store, () => 0)
  expect(await next.once({ ...asked, key: 'large9' }, done)).toMatchObject({ isReplay: true, body })
  expect(await next.once({ ...asked, key: 'k0' }, done)).toMatchObject({ isReplay: false })
})

test('what was done is answered, though it can not be written down', async () => {
  const store = new MemoryStore()
  store.put = () => Promise.reject(new GodwitError('disk-full', 'full'))
  const keys = await IdempotencyKeys.open(store, () => 0)
  expect(await keys.once(asked, done)).toMatchObject({ status: 200 })
  expect(await keys.once(asked, done)).toMatchObject({ isReplay: true })
})
