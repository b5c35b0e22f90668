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

const a = { name: 'a', serial: 'S1', key: 'K1', nowMs: 1 }

test('a certificate counts for its own host, also after a restart', async () => {
  await members.join(a)
  for (const those of [members, await Members.open(store)]) {
    expect(those.refusal('a', 'S1')).toBeUndefined()
    expect(those.refusal('a', 'S2')).toMatchObject({ kind: 'token-revoked' })
    expect(those.refusal('b', 'S1')).toMatchObject({ kind: 'token-revoked' })
  }
})

test('a name that is a member is taken, until that host is removed', async () => {
  const both = await Promise.allSettled([members.join(a), members.join({ ...a, serial: 'S2', key: 'K2' })])
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  expect(both[1]).toMatchObject({
    reason: { kind: 'host-name-taken', message: expect.stringContaining('godwit host remove a') },
  })
  await members.remove('a')
  expect(members.refusal('a', 'S1')).toMatchObject({ kind: 'token-revoked' })
  await members.join({ ...a, serial: 'S3', key: 'K3' })
  expect(members.refusal('a', 'S1')).toMatchObject({ kind: 'token-revoked' })
  await expect(members.remove('nobody')).rejects.toMatchObject({ kind: 'unknown-host' })
})

test('who joined and asks again with the same key is a member once, its latest certificates count', async () => {
  for (let time = 1; time <= 6; time++) await members.join({ ...a, serial: `S${time}` })
  for (const those of [members, await Members.open(store)]) {
    const counting = [1, 2, 3, 4, 5, 6].filter((time) => those.refusal('a', `S${time}`) === undefined)
    expect(counting).toEqual([3, 4, 5, 6])
    await expect(those.join({ ...a, key: 'K2', serial: 'S7' })).rejects.toMatchObject({
      kind: 'host-name-taken',
    })
  }
})

test('the key that a host joined with lets it in until it has renewed, and not under another name', async () => {
  await members.join(a)
  await members.join({ ...a, name: 'b', serial: 'S2' })
  await members.renewed('a', 'S1', 'S3')
  for (const those of [members, await Members.open(store)])
    await expect(those.join({ ...a, serial: 'S4' })).rejects.toMatchObject({ kind: 'host-name-taken' })
  expect(members.refusal('a', 'S4')).toMatchObject({ kind: 'token-revoked' })
  expect(members.refusal('a', 'S2')).toMatchObject({ kind: 'token-revoked' })
})

test('a host that is removed while it joins again stays removed', async () => {
  await members.join(a)
  const again = members.join({ ...a, serial: 'S2' })
  const removal = members.remove('a')
  await expect(again).rejects.toMatchObject({ kind: 'token-revoked' })
  await removal
  expect(members.refusal('a', 'S2')).toMatchObject({ kind: 'token-revoked' })
  expect(await store.list('member/')).toEqual([])
})

test('a renewed certificate counts beside the one in use', async () => {
  await members.join(a)
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
  await members.join(a)
  const renewal = members.renewed('a', 'S1', 'S2')
  const removal = members.remove('a')
  await expect(renewal).rejects.toMatchObject({ kind: 'token-revoked' })
  await removal
  expect(members.refusal('a', 'S2')).toMatchObject({ kind: 'token-revoked' })
  expect(await store.list('member/')).toEqual([])
})

test('what could not be written down did not happen', async () => {
  await members.join(a)
  const full = new GodwitError('disk-full', 'full')
  store.put = () => Promise.reject(full)
  store.delete = () => Promise.reject(full)
  await expect(members.join({ ...a, name: 'b' })).rejects.toBe(full)
  expect(members.refusal('b', 'S1')).toMatchObject({ kind: 'token-revoked' })
  await expect(members.remove('a')).rejects.toBe(full)
  await expect(members.join({ ...a, serial: 'S2' })).rejects.toBe(full)
  expect(members.refusal('a', 'S1')).toBeUndefined()
})

test('there are so many members', async () => {
  for (let count = 0; count < LIMITS.maxMembers; count++) await members.join({ ...a, name: `h${count}` })
  await expect(members.join(a)).rejects.toMatchObject({ kind: 'too-large' })
  // One of them may ask again.
  await members.join({ ...a, name: 'h0', serial: 'S2' })
})
