/**
 * Goal: nobody is in who doesn't belong, and whoever is kept out is told why. Method: a secured coordinator with real TLS sockets;
 * hosts that join, clients with tokens of each role, and a calendar that the test turns.
 */

import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { dial } from '@godwit/channel'
import {
  type ClientOp,
  type ClientRequestInput,
  coordinatorUri,
  encodeValue,
  formatToken,
  GodwitError,
  hostUri,
  LIMITS,
  mayAsk,
  parseToken,
  ROLES,
} from '@godwit/protocol'
import { createAuthority, fingerprintOf, issueCertificate, makeRequest, serialOf } from '@godwit/trust'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startCoordinator } from './coordinator.ts'
import { AUDIT_FILE, AuditLog, verifyChain } from './security/audit-log.ts'
import { AUTHORITY_FILE } from './security/authority-file.ts'
import { Tokens } from './security/tokens.ts'
import { FakeClient } from './support/fakes.ts'
import { CLUSTER, SecuredCluster } from './support/secured.ts'

let cluster: SecuredCluster
beforeEach(async () => {
  cluster = await SecuredCluster.start()
})
afterEach(() => cluster.end())

const options = { downtimeLimitMs: 300 }
/** One of each. */
const REQUESTS: { readonly [Op in ClientOp]: ClientRequestInput } = {
  hosts: { op: 'hosts' },
  workloads: { op: 'workloads' },
  workload: { op: 'workload', workload: 'job' },
  run: { op: 'run', program: '/p', parameters: {}, steps: 1, tracker: 'compare' },
  session: { op: 'session' },
  tasks: { op: 'tasks' },
  events: { op: 'events' },
  watch: { op: 'watch' },
  follow: { op: 'follow', workload: 'job' },
  followLogs: { op: 'followLogs', workload: 'job' },
  unfollow: { op: 'unfollow', workload: 'job' },
  watchPages: { op: 'watchPages', workload: 'job' },
  unwatchPages: { op: 'unwatchPages', workload: 'job' },
  migrate: { op: 'migrate', workload: 'job', to: 'b', options },
  estimate: { op: 'estimate', workload: 'job', to: 'b', options },
  preflight: { op: 'preflight', workload: 'job', to: 'b', options },
  migration: { op: 'migration', migration: 'm-1' },
  history: { op: 'history', workload: 'job' },
  logs: { op: 'logs', workload: 'job' },
  curve: { op: 'curve', workload: 'job' },
  enterMaintenance: { op: 'enterMaintenance', host: 'a' },
  exitMaintenance: { op: 'exitMaintenance', host: 'a' },
  maintenance: { op: 'maintenance', host: 'a' },
  checkpoint: { op: 'checkpoint', workload: 'job' },
  cancel: { op: 'cancel', workload: 'job' },
  hold: { op: 'hold', workload: 'job' },
  switchover: { op: 'switchover', workload: 'job' },
  rules: { op: 'rules', workload: 'job' },
  setRules: { op: 'setRules', workload: 'job', rules: {} },
  pause: { op: 'pause', workload: 'job' },
  resume: { op: 'resume', workload: 'job' },
  stop: { op: 'stop', workload: 'job' },
  forget: { op: 'forget', workload: 'job' },
  createToken: { op: 'createToken', kind: 'join' },
  tokens: { op: 'tokens' },
  revokeToken: { op: 'revokeToken', token: 'none' },
  removeHost: { op: 'removeHost', host: 'none' },
  audit: { op: 'audit' },
}

/** The kind of the error that `act` fails with. */
async function kindOf(act: Promise<unknown>): Promise<string> {
  return act.then(
    () => 'ok',
    (error: { kind: string }) => error.kind,
  )
}

test('a host joins with a token, registers with its certificate, and works', async () => {
  const credentials = await cluster.join('a')
  const agent = await cluster.agent('a', credentials)
  agent.register()
  expect(await agent.order('registered')).toMatchObject({ clusterId: CLUSTER })
  const client = await cluster.as('operator')
  const { hosts } = await client.ask({ op: 'hosts' })
  expect(hosts).toMatchObject([{ name: 'a', state: 'connected' }])
})

test.each(ROLES)('a %s may do what its role may, and is told which one it lacks', async (role) => {
  const client = await cluster.as(role)
  for (const [op, request] of Object.entries(REQUESTS) as [ClientOp, ClientRequestInput][]) {
    const answer = await client.ask(request).then(
      () => ({ kind: 'ok', message: '' }),
      (error) => error,
    )
    if (mayAsk(role, op)) expect(answer.kind, op).not.toBe('forbidden')
    else
      expect(answer, op).toMatchObject({
        kind: 'forbidden',
        message: expect.stringContaining('needs the role'),
      })
  }
})

test('without a token, or with one that is not of this cluster, nobody asks anything', async () => {
  const admin = parseToken(cluster.tokens.admin, 'api')
  const forged = formatToken({ ...admin, secret: 'A'.repeat(43) })
  expect(await kindOf(cluster.client())).toBe('unauthorized')
  expect(await kindOf(cluster.client(forged))).toBe('unauthorized')
  expect(await kindOf(cluster.client(cluster.tokens.join))).toBe('bad-arguments')
  expect(await kindOf(cluster.client('rubbish'))).toBe('bad-arguments')
  expect(await kindOf(dial(`${cluster.url}/elsewhere`, cluster.dialOptions()))).toBe('bad-arguments')
})

test('without a certificate of a member nobody is an agent', async () => {
  const { authority } = cluster
  const issued = async (uri: string, more = {}): Promise<string> => {
    const { request, key } = await makeRequest()
    const certificate = await issueCertificate({ authority, request, uri, nowMs: Date.now(), ...more })
    return kindOf(cluster.agent('a', { certificate, key, authority: authority.certificate }))
  }
  expect(await kindOf(cluster.agent('a'))).toBe('untrusted-peer')
  // Signed by the authority all the same: it has to be one that was given out.
  expect(await issued(hostUri(CLUSTER, 'a'))).toBe('token-revoked')
  expect(await issued(coordinatorUri(CLUSTER))).toBe('wrong-peer')
  expect(await issued(hostUri('cluster-other', 'a'))).toBe('wrong-peer')
  expect(await issued(hostUri(CLUSTER, 'a'), { nowMs: Date.now() - 1e8, lifetimeMs: 1e6 })).toBe(
    'certificate-expired',
  )
  expect(await issued(hostUri(CLUSTER, 'a'), { nowMs: Date.now() + 1e8 })).toBe('certificate-expired')
  const foreign = await createAuthority(CLUSTER, Date.now())
  expect(await issued(hostUri(CLUSTER, 'a'), { authority: foreign })).toBe('untrusted-peer')
})

test('a host registers under the name of its certificate alone', async () => {
  const agent = await cluster.agent('b', await cluster.join('a'))
  agent.register()
  expect(await agent.order('refused')).toMatchObject({
    error: { kind: 'wrong-peer', message: expect.stringContaining('--name a') },
  })
  await agent.closed
})

test('a name is joined under once, until an admin removes that host', async () => {
  const credentials = await cluster.join('a')
  await expect(cluster.join('a')).rejects.toMatchObject({
    kind: 'host-name-taken',
    message: expect.stringContaining('godwit host remove a'),
  })
  const agent = await cluster.agent('a', credentials)
  agent.register()
  await agent.order('registered')
  const waiting = await cluster.agent('a', credentials)

  const admin = await cluster.as('admin')
  await admin.ask({ op: 'removeHost', host: 'a' })
  expect(await agent.closed).toMatchObject({ message: expect.stringContaining('token-revoked') })
  expect(await waiting.closed).toMatchObject({ message: expect.stringContaining('token-revoked') })
  expect(await kindOf(cluster.agent('a', credentials))).toBe('token-revoked')
  await admin.disconnected('a')

  const again = await cluster.agent('a', await cluster.join('a'))
  again.register()
  await again.order('registered')
  expect(await kindOf(cluster.agent('a', credentials))).toBe('token-revoked')
  expect(await kindOf(admin.ask({ op: 'removeHost', host: 'nobody' }))).toBe('unknown-host')
})

test('a host whose answer was lost asks again with its key, and nobody else does under its name', async () => {
  const request = await makeRequest()
  const { join } = cluster.tokens
  const lost = await cluster.join('a', join, request)
  await cluster.close()
  await cluster.listen()
  const credentials = await cluster.join('a', join, request)
  expect(serialOf(credentials.certificate)).not.toBe(serialOf(lost.certificate))
  const agent = await cluster.agent('a', credentials)
  agent.register()
  await agent.order('registered')
  expect(await kindOf(cluster.join('a'))).toBe('host-name-taken')
  const admin = await cluster.as('admin')
  await admin.ask({ op: 'revokeToken', token: parseToken(join, 'join').id })
  expect(await kindOf(cluster.join('a', join, request))).toBe('token-revoked')
})

test('a join token that has expired, was revoked or is unknown is told apart', async () => {
  const admin = await cluster.as('admin')
  const { token, view } = await admin.ask({ op: 'createToken', kind: 'join', expiresInMs: 60_000 })
  const secret = 'A'.repeat(43)
  expect(await kindOf(cluster.join('b', formatToken({ ...parseToken(token, 'join'), secret })))).toBe(
    'unauthorized',
  )
  await cluster.join('a', token)
  cluster.turnCalendar(60_000)
  expect(await kindOf(cluster.join('b', token))).toBe('token-expired')
  await admin.ask({ op: 'revokeToken', token: view.id })
  expect(await kindOf(cluster.join('b', token))).toBe('token-revoked')
  expect(await kindOf(cluster.join('b', cluster.tokens.admin))).toBe('bad-arguments')
})

test('a token that expires or is revoked gets no further answer, and no event', async () => {
  const admin = await cluster.as('admin')
  const { token, view } = await admin.ask({ op: 'createToken', kind: 'api', role: 'viewer' })
  const [asking, following] = [await cluster.client(token), await cluster.client(token)]
  await asking.ask({ op: 'hosts' })

  const agent = await cluster.agent('a', await cluster.join('a'))
  agent.register()
  await agent.order('registered')
  const operator = await cluster.as('operator')
  const running = operator.ask({
    op: 'run',
    id: 'job',
    program: '/p',
    parameters: {},
    steps: 9,
    tracker: 'compare',
  })
  const worker = await agent.launched()
  worker.prepared()
  await running
  await following.ask({ op: 'follow', workload: 'job' })
  worker.steps(1, 0, 2)
  await following.steps(2)

  await admin.ask({ op: 'revokeToken', token: view.id })
  expect(await kindOf(asking.ask({ op: 'hosts' }))).toBe('token-revoked')
  expect(await kindOf(asking.ask({ op: 'unfollow', workload: 'job' }))).toBe('token-revoked')
  expect(await asking.closed).toMatchObject({ message: expect.stringContaining('token-revoked') })
  const before = following.events.all.length
  worker.steps(1, 2, 4)
  expect(await following.closed).toMatchObject({ message: expect.stringContaining('token-revoked') })
  expect(following.events.all).toHaveLength(before)

  cluster.turnCalendar(LIMITS.defaultApiTokenMs)
  expect(await kindOf(operator.ask({ op: 'hosts' }))).toBe('token-expired')
  expect(await kindOf(operator.ask({ op: 'watch' }))).toBe('token-expired')
  expect(await operator.closed).toMatchObject({ message: expect.stringContaining('token-expired') })
  expect(await kindOf(cluster.as('operator'))).toBe('token-expired')
})

test('a certificate is renewed over its own connection, and both count', async () => {
  const old = await cluster.join('a')
  const agent = await cluster.agent('a', old)
  agent.register()
  await agent.order('registered')
  const { request, key } = await makeRequest()
  agent.send({ type: 'renewCertificate', certificateRequest: request })
  const { certificate } = await agent.order('certificate')
  expect(serialOf(certificate)).not.toBe(serialOf(old.certificate))
  const renewed = { certificate, key, authority: old.authority }
  // Who asks too often is let go.
  agent.send({ type: 'renewCertificate', certificateRequest: request })
  expect(await agent.closed).toMatchObject({ message: expect.stringContaining('too-busy') })
  for (const credentials of [old, renewed]) {
    const again = await cluster.agent('a', credentials)
    await again.close()
  }
})

test("the coordinator's own certificate is renewed before its time is over", async () => {
  const seen = async (): Promise<string> => {
    const socket = await dial(`${cluster.url}/join`, cluster.dialOptions())
    const { serialNumber } = (
      socket as unknown as { _socket: { getPeerCertificate(): { serialNumber: string } } }
    )._socket.getPeerCertificate()
    socket.terminate()
    return serialNumber
  }
  const agoMs = (LIMITS.certificateMs * 3) / 4
  await cluster.close()
  cluster.turnCalendar(-agoMs)
  await cluster.listen()
  const first = await seen()
  cluster.fire(LIMITS.certificateCheckMs)
  expect(await seen()).toBe(first)
  cluster.turnCalendar(agoMs)
  cluster.fire(LIMITS.certificateCheckMs)
  let now = first
  while (now === first) now = await seen()
  // Each check arms the next one.
  expect(cluster.waits(LIMITS.certificateCheckMs)).toBe(1)
})

test('one question on /join, only so many of an address at once, and nothing but a question', async () => {
  const open = await Promise.all(
    Array.from({ length: LIMITS.maxJoinersPerAddress }, () =>
      dial(`${cluster.url}/join`, cluster.dialOptions()),
    ),
  )
  expect(await kindOf(cluster.join('a'))).toBe('too-busy')
  const first = open[0]
  first?.resume()
  first?.send('rubbish')
  if (first !== undefined) expect((await once(first, 'close'))[0]).toBe(4400)
  await cluster.join('a')
  for (const socket of open) socket.terminate()
})

test('connections at once are limited for whoever has shown nothing', async () => {
  const { port } = cluster
  const sockets = await Promise.all(Array.from({ length: LIMITS.maxStrangers }, () => connected(port)))
  expect(await kindOf(cluster.as('viewer'))).toBe('unreachable')
  for (const socket of sockets) socket.destroy()
})

test('who did what stands in the log before it is answered, in a chain, without a secret', async () => {
  const admin = await cluster.as('admin')
  const agent = await cluster.agent('a', await cluster.join('a'))
  agent.register()
  await agent.order('registered')
  const { token, view } = await admin.ask({ op: 'createToken', kind: 'api', role: 'viewer', name: 'page' })
  const viewer = await cluster.client(token)
  await kindOf(viewer.ask({ op: 'stop', workload: 'job' }))
  await kindOf(admin.ask({ op: 'stop', workload: 'job' }))
  await kindOf(cluster.client())
  await admin.ask({ op: 'revokeToken', token: view.id })
  const entries = await cluster.audit(admin)
  const admins = parseToken(cluster.tokens.admin, 'api').id
  expect(
    entries.map(({ who, action, outcome, workload, host, subject }) => [
      who,
      action,
      outcome,
      workload ?? host ?? subject,
    ]),
  ).toEqual([
    [parseToken(cluster.tokens.join, 'join').id, 'join', 'asked', 'a'],
    [parseToken(cluster.tokens.join, 'join').id, 'join', 'ok', 'a'],
    ['host:a', 'register', 'ok', 'a'],
    [admins, 'createToken', 'asked', undefined],
    [admins, 'createToken', 'ok', view.id],
    [view.id, 'stop', 'forbidden', 'job'],
    [admins, 'stop', 'asked', 'job'],
    [admins, 'stop', 'unknown-workload', 'job'],
    ['unknown', 'connect', 'unauthorized', undefined],
    [admins, 'revokeToken', 'asked', view.id],
    [admins, 'revokeToken', 'ok', view.id],
  ])
  const text = readFileSync(join(cluster.folder, AUDIT_FILE), 'utf8')
  expect(await verifyChain(text.split('\n').slice(0, -1))).toEqual({ lines: entries.length, torn: [] })
  for (const whole of [token, ...Object.values(cluster.tokens)])
    expect(text).not.toContain(whole.split('.')[2])
})

test('a host whose joining can not be written down has not joined, and may try again', async () => {
  const append = vi.spyOn(AuditLog.prototype, 'append')
  append.mockRejectedValueOnce(new GodwitError('disk-full', 'full'))
  expect(await kindOf(cluster.join('a'))).toBe('disk-full')
  append.mockRestore()
  const agent = await cluster.agent('a', await cluster.join('a'))
  agent.register()
  await agent.order('registered')
})

test('any number of tokens is listed, a page at a time, each once', async () => {
  const fingerprint = fingerprintOf(cluster.authority.certificate)
  const tokens = await Tokens.open({ store: cluster.store, fingerprint, now: Date.now })
  // With the longest of names.
  for (let count = 0; count < 3000; count++)
    await tokens.make({ kind: 'join', name: 'n'.repeat(LIMITS.maxNameLength) })
  await cluster.close()
  await cluster.listen()
  const admin = await cluster.as('admin')
  const listed: string[] = []
  let after: string | undefined
  for (;;) {
    const page = await admin.ask({ op: 'tokens', ...(after === undefined ? {} : { after }) })
    expect(encodeValue(page).length).toBeLessThan(LIMITS.maxControlMessageBytes)
    listed.push(...page.tokens.map(({ id }) => id))
    after = page.next
    if (after === undefined) break
  }
  const known = tokens.views().map(({ id }) => id)
  expect(listed).toEqual(known.sort())
  expect(known.length).toBeGreaterThan(3000)
})

test('after a restart hosts and tokens are what they were', async () => {
  const credentials = await cluster.join('a')
  await cluster.close()
  await cluster.listen()
  const agent = await cluster.agent('a', credentials)
  agent.register()
  await agent.order('registered')
  await (await cluster.as('admin')).ask({ op: 'tokens' })
})

test('a store of another cluster is not served under this authority', async () => {
  await cluster.store.delete('cluster')
  await expect(
    startCoordinator({ port: 0, folder: cluster.folder, store: cluster.store }),
  ).rejects.toMatchObject({
    kind: 'store-unusable',
    message: expect.stringContaining(CLUSTER),
  })
})

test('off loopback a cluster is secured, unless somebody says otherwise', async () => {
  await expect(startCoordinator({ host: '0.0.0.0', port: 0 })).rejects.toMatchObject({
    kind: 'insecure',
    message: expect.stringMatching(/godwit coordinator init.*--insecure/),
  })
  const open = await startCoordinator({ host: '0.0.0.0', port: 0, insecure: true })
  const client = await FakeClient.connect(open.port)
  await client.ask({ op: 'hosts' })
  expect(await kindOf(client.ask({ op: 'createToken', kind: 'join' }))).toBe('insecure')
  await open.close()
})

test('without security whoever reaches it may do everything, and it is written down as local', async () => {
  rmSync(join(cluster.folder, AUTHORITY_FILE))
  const open = await startCoordinator({ port: 0, folder: cluster.folder })
  const client = await FakeClient.connect(open.port)
  await kindOf(client.ask({ op: 'stop', workload: 'job' }))
  const { entries } = await client.ask({ op: 'audit' })
  expect(entries).toMatchObject([
    { who: 'local', action: 'stop', workload: 'job', outcome: 'asked' },
    { who: 'local', action: 'stop', workload: 'job', outcome: 'unknown-workload' },
  ])
  await open.close()
})

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}
