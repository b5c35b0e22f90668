/**
 * Goal: one client can't have more of the coordinator than its limits, and no answer goes before its line in the audit log. Method: a
 * real socket between a client and handlers that the test holds back.
 */
import { type Listener, listen } from '@godwit/channel'
import { type AuditEntry, type ClientOp, GodwitError, LIMITS } from '@godwit/protocol'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { acceptClient, type Handlers } from './client-connection.ts'
import type { Follower } from './output-feed.ts'
import { NO_AUDIT } from './security/audit-log.ts'
import type { Session } from './security/door.ts'
import { FakeClient } from './support/fakes.ts'

let listener: Listener
let client: FakeClient
let handlers: { -readonly [Op in ClientOp]?: Handlers[Op] }
let append: (entry: AuditEntry) => Promise<void>
let refusal: GodwitError | undefined
let asked: string[]

beforeEach(async () => {
  handlers = {}
  refusal = undefined
  append = async () => {}
  asked = []
  const session: Session = { who: 't1', role: 'operator', address: '::1', refusal: () => refusal }
  const audit = { ...NO_AUDIT, append: (entry: AuditEntry) => append(entry) }
  listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    connected: (socket) =>
      acceptClient(
        socket,
        { handlers: handlers as Handlers, session, audit, now: () => 5 },
        pino({ level: 'silent' }),
      ),
  })
  client = await FakeClient.connect(listener.port)
})
afterEach(async () => {
  client.close()
  await listener.close()
})

const cancel = { op: 'cancel', workload: 'job' } as const

test('so many requests wait for their answers, and the next one is told so', async () => {
  let release = (): void => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  handlers.cancel = async () => {
    asked.push('cancel')
    await held
    throw new GodwitError('unknown-migration', 'none')
  }
  const waiting = Array.from({ length: LIMITS.maxPendingRequests }, () => client.ask(cancel))
  await expect(client.ask(cancel)).rejects.toMatchObject({ kind: 'too-busy' })
  expect(asked).toHaveLength(LIMITS.maxPendingRequests)
  release()
  for (const each of waiting) await expect(each).rejects.toMatchObject({ kind: 'unknown-migration' })
  await expect(client.ask(cancel)).rejects.toMatchObject({ kind: 'unknown-migration' })
})

test('so many workloads are followed, one of them as often as it likes', async () => {
  const follower = { start: () => {}, stop: () => {} } as unknown as Follower
  handlers.follow = ({ workload }, asking) => {
    asked.push(workload)
    asking.follow(workload, follower)
    throw new GodwitError('internal', 'nothing to show')
  }
  handlers.unfollow = ({ workload }, asking) => {
    asking.unfollow(workload)
    return {}
  }
  const follow = (workload: string): Promise<unknown> =>
    client.ask({ op: 'follow', workload }).catch((error: GodwitError) => error.kind)
  for (let count = 0; count < LIMITS.maxFollowed; count++) expect(await follow(`w${count}`)).toBe('internal')
  expect(await follow('one-more')).toBe('too-busy')
  expect(await follow('w0')).toBe('internal')
  await client.ask({ op: 'unfollow', workload: 'w0' })
  expect(await follow('one-more')).toBe('internal')
  expect(asked).toHaveLength(LIMITS.maxFollowed + 2)
})

test('what changes something is written down first, and answered with an error when it can not be', async () => {
  const lines: AuditEntry[] = []
  let written = (): void => {}
  let isAnswered = false
  append = (entry) => {
    lines.push(entry)
    return new Promise((resolve) => {
      written = resolve
    })
  }
  handlers.checkpoint = () => {
    throw new GodwitError('not-running', 'it has ended')
  }
  handlers.hosts = () => ({ hosts: [] })
  const answer = client.ask({ op: 'checkpoint', workload: 'job' }).catch((error: GodwitError) => {
    isAnswered = true
    return error
  })
  // What is asked later and only looks is answered meanwhile.
  await client.ask({ op: 'hosts' })
  expect(isAnswered).toBe(false)
  written()
  expect(await answer).toMatchObject({ kind: 'not-running' })
  expect(lines).toEqual([
    {
      atMs: 5,
      who: 't1',
      role: 'operator',
      address: '::1',
      action: 'checkpoint',
      workload: 'job',
      outcome: 'not-running',
    },
  ])
  append = () => Promise.reject(new GodwitError('disk-full', 'full'))
  await expect(client.ask({ op: 'checkpoint', workload: 'job' })).rejects.toMatchObject({ kind: 'disk-full' })
})

test('a token that is revoked while its request is carried out gets no answer', async () => {
  handlers.hosts = () => {
    refusal = new GodwitError('token-revoked', 'gone')
    return { hosts: [] }
  }
  const answer = client.ask({ op: 'hosts' }).then(() => 'answered')
  const closed = client.closed.then((error) => error?.message)
  expect(await Promise.race([answer, closed])).toContain('token-revoked')
})
