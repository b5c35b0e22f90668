/** Goal: a name has one member, and a certificate counts while its serial stands there. Method: over a store that can fail. */
import { GodwitError, LIMITS } from '@godwit/protocol'
import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../memory-store.ts'
import { Members, serialsAfter } from './members.ts'

let store: MemoryStore
let members: Members
beforeEach(async () => {
  store = new MemoryStore()
  members = await Members.open(store)
})

const a = { name: 'a', serials: ['S1'], joinedAtMs: 1 }

test('a certificate counts for its own host, also after a restart', async () => {
  await members.add(a)
  for (const those of [members, await Members.open(store)]) {
    expect(those.refusal('a', 'S1')).toBeUndefined()
    expect(those.refusal('a', 'S2')).toMatchObject({ kind: 'token-revoked' })
    expect(those.refusal('b', 'S1')).toMatchObject({ kind: 'token-revoked' })
  }
})

test('a name that is a member is taken, until that host is removed', async () => {
  const both = await Promise.allSettled([members.add(a), members.add({ ...a, serials: ['S2'] })])
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  expect(both[1]).toMatchObject({
    reason: { kind: 'host-name-taken', message: expect.stringContaining('godwit host remove a') },
  })
  await members.remove('a')
  expect(members.refusal('a', 'S1')).toMatchObject({ kind: 'token-revoked' })
  await members.add({ ...a, serials: ['S3'] })
  expect(members.refusal('a', 'S1')).toMatchObject({ kind: 'token-revoked' })
  await expect(members.remove('nobody')).rejects.toMatchObject({ kind: 'unknown-host' })
})

test('a renewed certificate counts beside the one in use', async () => {
  await members.add(a)
  await members.renewed('a', 'S1', 'S2')
  expect(members.refusal('a', 'S1')).toBeUndefined()
  expect(members.refusal('a', 'S2')).toBeUndefined()
  expect((await Members.open(store)).refusal('a', 'S2')).toBeUndefined()
  await expect(members.renewed('a', 'S9', 'S3')).rejects.toMatchObject({ kind: 'token-revoked' })
})

test('however many answers get lost, the certificate in use counts, and the number is bounded', () => {
  let serials = ['S0']
  for (let time = 1; time < 20; time++) {
    serials = serialsAfter(serials, 'S0', `S${time}`)
    expect(serials[0]).toBe(`S${time}`)
    expect(serials).toContain('S0')
    expect(serials.length).toBeLessThanOrEqual(4)
  }
})

test('a host that is removed while its certificate is renewed stays removed', async () => {
  await members.add(a)
  const renewal = members.renewed('a', 'S1', 'S2')
  const removal = members.remove('a')
  await expect(renewal).rejects.toMatchObject({ kind: 'token-revoked' })
  await removal
  expect(members.refusal('a', 'S2')).toMatchObject({ kind: 'token-revoked' })
  expect(await store.list('member/')).toEqual([])
})

test('what could not be written down did not happen', async () => {
  await members.add(a)
  const full = new GodwitError('disk-full', 'full')
  store.put = () => Promise.reject(full)
  store.delete = () => Promise.reject(full)
  await expect(members.add({ ...a, name: 'b' })).rejects.toBe(full)
  expect(members.refusal('b', 'S1')).toMatchObject({ kind: 'token-revoked' })
  await expect(members.remove('a')).rejects.toBe(full)
  expect(members.refusal('a', 'S1')).toBeUndefined()
})

test('there are so many members', async () => {
  for (let count = 0; count < LIMITS.maxMembers; count++) await members.add({ ...a, name: `h${count}` })
  await expect(members.add(a)).rejects.toMatchObject({ kind: 'too-large' })
})
