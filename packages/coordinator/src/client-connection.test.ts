/**
 * Goal: one client can't have more of the coordinator than its limits, nothing is done before its line in the audit log, and no answer
 * goes before that of its outcome. Method: a real socket between a client and handlers and a log that the test holds back.
 */
import { type Listener, listen } from '@godwit/channel'
import { type AuditEntry, type ClientOp, GodwitError, LIMITS } from '@godwit/protocol'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HttpApi } from './api/http-api.ts'
import { Metrics } from './api/metrics.ts'
import { BundleStore } from './bundle-store.ts'
import { acceptClient, type Handlers } from './client-connection.ts'
import { MemoryStore } from './memory-store.ts'
import type { Follower } from './output-feed.ts'
import { NO_AUDIT } from './security/audit-log.ts'
import { openDoor, type Session } from './security/door.ts'
import { FakeClient } from './support/fakes.ts'

let listener: Listener
let api: HttpApi
let client: FakeClient
let handlers: { -readonly [Op in ClientOp]?: Handlers[Op] }
let append: (entry: AuditEntry) => Promise<void>
let noted: AuditEntry[]
let refusal: GodwitError | undefined
let asked: string[]
let nowMs: number

beforeEach(async () => {
  handlers = {}
  refusal = undefined
  append = async () => {}
  noted = []
  asked = []
  nowMs = 0
  const session: Session = { who: 't1', role: 'operator', address: '::1', refusal: () => refusal }
  const audit = {
    ...NO_AUDIT,
    append: (entry: AuditEntry) => append(entry),
    note: async (entry: AuditEntry) => {
      noted.push(entry)
    },
  }
  const log = pino({ level: 'silent' })
  const asking = { handlers: handlers as Handlers, audit, log, now: () => 5 }
  const door = { ...openDoor(audit), session: () => session }
  const metrics = new Metrics(() => ({
    hosts: new Map(),
    workloads: new Map(),
    migrations: new Map(),
    streams: 0,
  }))
  const store = new MemoryStore()
  api = await HttpApi.open({
    ...asking,
    door,
    store,
    metrics,
    here: { isSecured: false, listensAt: '127.0.0.1' },
    consoleFolder: '/nowhere',
    bundles: BundleStore.open({ folder: undefined, spaceBytes: 1, log, now: () => nowMs }),
    nowMs: () => nowMs,
    ready: async () => {},
  })
  listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    http: (request, response, visitor) => api.handle(request, response, visitor),
    connected: (socket) => acceptClient(socket, session, asking),
  })
  client = await FakeClient.connect(listener.port)
})
afterEach(async () => {
  client.close()
  await listener.close()
  await api.close()
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

test('so much is asked a second, and who asks more is told when to come back', async () => {
  handlers.tasks = () => ({ tasks: [] })
  const tasks = { op: 'tasks' } as const
  for (let count = 0; count < LIMITS.maxRequestsPerSecond; count++) await client.ask(tasks)
  await expect(client.ask(tasks)).rejects.toMatchObject({ kind: 'too-busy' })
  nowMs += 1000 / LIMITS.maxRequestsPerSecond
  await client.ask(tasks)
  // Who shows nothing has a quota of its own, whoever else asks from there.
  const health = (): Promise<Response> => fetch(`http://127.0.0.1:${listener.port}/healthz`)
  for (let count = 0; count < LIMITS.maxStrangersRequestsPerSecond; count++)
    expect((await health()).status).toBe(200)
  const refused = await health()
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
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

test('requests that wait for the audit log count as waiting', async () => {
  append = () => new Promise(() => {})
  handlers.cancel = async () => {
    asked.push('cancel')
    return { migration: {} as never }
  }
  for (let count = 0; count < LIMITS.maxPendingRequests; count++) void client.ask(cancel).catch(() => {})
  await expect(client.ask(cancel)).rejects.toMatchObject({ kind: 'too-busy' })
  expect(asked).toEqual([])
})

test('what is refused before anything was done is noted, not appended in full', async () => {
  const lines: AuditEntry[] = []
  append = async (entry) => {
    lines.push(entry)
    await new Promise(() => {})
  }
  await expect(client.ask({ op: 'removeHost', host: 'a' })).rejects.toMatchObject({ kind: 'forbidden' })
  await expect(client.ask({ op: 'tokens' })).rejects.toMatchObject({ kind: 'forbidden' })
  for (let count = 0; count < LIMITS.maxPendingRequests; count++) void client.ask(cancel).catch(() => {})
  await expect(client.ask(cancel)).rejects.toMatchObject({ kind: 'too-busy' })
  // What only looks is not written down for being one too many.
  await expect(client.ask({ op: 'hosts' })).rejects.toMatchObject({ kind: 'too-busy' })
  expect(noted.map(({ action, outcome }) => [action, outcome])).toEqual([
    ['removeHost', 'forbidden'],
    ['tokens', 'forbidden'],
    ['cancel', 'too-busy'],
  ])
  expect(lines.every(({ outcome }) => outcome === 'asked')).toBe(true)
})

test('what changes something is written down before it is done, and its outcome before it is answered', async () => {
  const lines: AuditEntry[] = []
  const writes: (() => void)[] = []
  let next = (): void => {}
  const appended = (): Promise<void> =>
    new Promise((resolve) => {
      next = resolve
    })
  let isAnswered = false
  append = (entry) => {
    lines.push(entry)
    next()
    return new Promise((resolve) => writes.push(resolve))
  }
  handlers.checkpoint = () => {
    asked.push('checkpoint')
    throw new GodwitError('not-running', 'it has ended')
  }
  handlers.hosts = () => ({ hosts: [] })
  const intent = appended()
  const answer = client.ask({ op: 'checkpoint', workload: 'job' }).catch((error: GodwitError) => {
    isAnswered = true
    return error
  })
  await intent
  expect(asked).toEqual([])
  const outcome = appended()
  writes[0]?.()
  await outcome
  expect(asked).toEqual(['checkpoint'])
  // What is asked later and only looks is answered meanwhile.
  await client.ask({ op: 'hosts' })
  expect(isAnswered).toBe(false)
  writes[1]?.()
  expect(await answer).toMatchObject({ kind: 'not-running' })
  const line = { atMs: 5, who: 't1', role: 'operator', address: '::1', action: 'checkpoint', workload: 'job' }
  expect(lines).toEqual([
    { ...line, outcome: 'asked' },
    { ...line, outcome: 'not-running' },
  ])
})

test('what can not be written down is not done', async () => {
  append = () => Promise.reject(new GodwitError('disk-full', 'full'))
  handlers.cancel = async () => {
    asked.push('cancel')
    return { migration: {} as never }
  }
  await expect(client.ask(cancel)).rejects.toMatchObject({ kind: 'disk-full' })
  expect(asked).toEqual([])
})

test('what was done is answered, though its outcome can not be written down', async () => {
  append = async ({ outcome }) => {
    if (outcome !== 'asked') throw new GodwitError('disk-full', 'full')
  }
  handlers.forget = async () => {
    asked.push('forget')
    return {}
  }
  handlers.cancel = async () => {
    throw new GodwitError('unknown-migration', 'none')
  }
  await client.ask({ op: 'forget', workload: 'job' })
  expect(asked).toEqual(['forget'])
  await expect(client.ask(cancel)).rejects.toMatchObject({ kind: 'unknown-migration' })
})

test('a token that is revoked while its request is written down changes nothing', async () => {
  const outcomes: string[] = []
  append = async ({ outcome }) => {
    outcomes.push(outcome)
    refusal = new GodwitError('token-revoked', 'gone')
  }
  handlers.cancel = async () => {
    asked.push('cancel')
    return { migration: {} as never }
  }
  const answer = client.ask(cancel)
  await expect(answer).rejects.toMatchObject({ kind: 'token-revoked' })
  expect(outcomes).toEqual(['asked', 'token-revoked'])
  expect(asked).toEqual([])
})

test('a token that is revoked while its request is carried out gets no answer', async () => {
  handlers.hosts = () => {
    refusal = new GodwitError('token-revoked', 'gone')
    return { hosts: [] }
  }
  await expect(client.ask({ op: 'hosts' })).rejects.toMatchObject({ kind: 'token-revoked' })
  // And over the WebSocket nothing more is said.
  await expect(
    Promise.race([client.closed, client.ask({ op: 'follow', workload: 'job' })]),
  ).rejects.toMatchObject({ kind: 'token-revoked' })
  expect((await client.closed)?.message).toContain('token-revoked')
})
