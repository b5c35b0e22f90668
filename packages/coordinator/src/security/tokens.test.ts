/**
 * Goal: a token opens what it is for until it expires or is revoked, and its secret is nowhere but with its owner. Method: a clock that
 * the test turns, over a store that is looked into.
 */
import { formatToken, LIMITS, parseToken } from '@godwit/protocol'
import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../memory-store.ts'
import { Tokens } from './tokens.ts'

let store: MemoryStore
let tokens: Tokens
let nowMs: number
const options = { fingerprint: 'F'.repeat(43), now: () => nowMs }
beforeEach(async () => {
  nowMs = Date.UTC(2026, 0, 1)
  store = new MemoryStore()
  tokens = await Tokens.open({ ...options, store })
})

const kindOf = (act: () => unknown): string => {
  try {
    act()
    return 'ok'
  } catch (error) {
    return (error as { kind: string }).kind
  }
}

test('a token is good for what it was made for, also after a restart', async () => {
  const { token, view } = await tokens.make({ kind: 'api', role: 'operator', name: 'ci' })
  expect(view).toEqual({
    id: expect.any(String),
    kind: 'api',
    role: 'operator',
    name: 'ci',
    createdAtMs: nowMs,
    expiresAtMs: nowMs + LIMITS.defaultApiTokenMs,
  })
  expect(tokens.check(token, 'api')).toEqual(view)
  expect(kindOf(() => tokens.check(token, 'join'))).toBe('bad-arguments')
  const again = await Tokens.open({ ...options, store })
  expect(again.check(token, 'api')).toEqual(view)
  expect(again.views()).toEqual([view])
})

test('the store has nothing that opens anything', async () => {
  const { token } = await tokens.make({ kind: 'join' })
  const { secret } = parseToken(token, 'join')
  const [entry] = await store.list('token/')
  expect(Buffer.from(entry?.value ?? []).includes(secret)).toBe(false)
  expect(Buffer.from(entry?.value ?? []).includes(Buffer.from(secret, 'base64url'))).toBe(false)
})

test('the time of a token ends at an instant, and the error names it', async () => {
  const { token, view } = await tokens.make({ kind: 'join', expiresInMs: 60_000 })
  nowMs += 59_999
  expect(tokens.check(token, 'join')).toEqual(view)
  nowMs += 1
  expect(() => tokens.check(token, 'join')).toThrow(
    expect.objectContaining({
      kind: 'token-expired',
      message: expect.stringContaining(new Date(view.expiresAtMs).toISOString()),
    }),
  )
  expect(tokens.refusal(view.id)).toMatchObject({ kind: 'token-expired' })
})

test('a revoked token stays revoked, also after a restart', async () => {
  const { token, view } = await tokens.make({ kind: 'api', role: 'viewer' })
  expect(tokens.refusal(view.id)).toBeUndefined()
  const revoked = await tokens.revoke(view.id)
  expect(revoked.revokedAtMs).toBe(nowMs)
  nowMs += 1
  expect(await tokens.revoke(view.id)).toEqual(revoked)
  for (const those of [tokens, await Tokens.open({ ...options, store })]) {
    expect(kindOf(() => those.check(token, 'api'))).toBe('token-revoked')
    expect(those.refusal(view.id)).toMatchObject({ kind: 'token-revoked' })
  }
  await expect(tokens.revoke('nobody')).rejects.toMatchObject({ kind: 'bad-arguments' })
})

test('who does not know the secret learns nothing of a token', async () => {
  const { token, view } = await tokens.make({ kind: 'api', role: 'admin' })
  const wrong = formatToken({ ...parseToken(token, 'api'), secret: 'A'.repeat(43) })
  const unknown = formatToken({ ...parseToken(token, 'api'), id: 'unknown1' })
  const otherKind = formatToken({ ...parseToken(token, 'api'), kind: 'join' })
  expect(kindOf(() => tokens.check(wrong, 'api'))).toBe('unauthorized')
  expect(kindOf(() => tokens.check(unknown, 'api'))).toBe('unauthorized')
  expect(kindOf(() => tokens.check(otherKind, 'join'))).toBe('unauthorized')
  await tokens.revoke(view.id)
  expect(kindOf(() => tokens.check(wrong, 'api'))).toBe('unauthorized')
})

test('an API token has a role and a join token none', async () => {
  await expect(tokens.make({ kind: 'api' })).rejects.toMatchObject({ kind: 'bad-arguments' })
  await expect(tokens.make({ kind: 'join', role: 'admin' })).rejects.toMatchObject({ kind: 'bad-arguments' })
})

test('there are so many, and those that are of no use give way', async () => {
  const first = await tokens.make({ kind: 'join', expiresInMs: 1000 })
  const second = await tokens.make({ kind: 'join' })
  await tokens.revoke(second.view.id)
  for (let count = 2; count < LIMITS.maxTokens; count++) await tokens.make({ kind: 'join' })
  nowMs += 1000
  await tokens.make({ kind: 'join' })
  expect(tokens.views()).toHaveLength(LIMITS.maxTokens - 1)
  expect(kindOf(() => tokens.check(first.token, 'join'))).toBe('unauthorized')
  expect(await store.list('token/')).toHaveLength(LIMITS.maxTokens - 1)
  await tokens.make({ kind: 'join' })
  await expect(tokens.make({ kind: 'join' })).rejects.toMatchObject({ kind: 'too-large' })
})
