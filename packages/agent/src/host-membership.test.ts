/**
 * Goal: nothing goes in the clear off loopback unless that was typed; a host joins once, and with what it has then it is itself
 * and nobody else. Method: options as they are typed; a scripted coordinator with a real authority at `/join`.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Channel, type Listener, listen } from '@godwit/channel'
import {
  coordinatorUri,
  type FromJoiner,
  formatToken,
  fromJoiner,
  GodwitError,
  hostUri,
  type ToJoiner,
} from '@godwit/protocol'
import {
  fingerprintOf,
  issueCertificate,
  membershipIn,
  type SigningAuthority,
  writeCredentials,
} from '@godwit/trust'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { becomeMember, checkSecurity, type SecurityOptions, withWayBack } from './host-membership.ts'
import { temporaryFolder } from './support/host.ts'
import { CLUSTER, credentialsOf, hostCredentials, testAuthority } from './support/members.ts'

const silent = pino({ level: 'silent' })
const local: SecurityOptions = {
  coordinatorUrl: 'ws://127.0.0.1:7070',
  name: 'a',
  address: '127.0.0.1',
  listenHost: '127.0.0.1',
  insecure: false,
}

test.each([
  ['on one machine', {}, undefined],
  ['on one machine by other names', { coordinatorUrl: 'ws://[::1]:1', address: 'localhost' }, undefined],
  ['another coordinator', { coordinatorUrl: 'ws://10.0.0.1:7070' }, '--coordinator ws://10.0.0.1:7070'],
  ['another address', { address: 'a.example' }, '--address a.example'],
  ['every interface', { listenHost: '0.0.0.0' }, '--listen-host 0.0.0.0'],
  ['typed', { listenHost: '0.0.0.0', coordinatorUrl: 'ws://10.0.0.1:1', insecure: true }, undefined],
  ['secured', { listenHost: '0.0.0.0', address: 'a', coordinatorUrl: 'wss://10.0.0.1:1' }, undefined],
])('%s', (_, more, exposed) => {
  const check = () => checkSecurity({ ...local, ...more })
  if (exposed === undefined) expect(check).not.toThrow()
  else {
    expect(check).toThrow(
      expect.objectContaining({
        kind: 'insecure',
        message: expect.stringMatching(new RegExp(`^${exposed} .*godwit coordinator init.*--insecure`)),
      }),
    )
  }
})

test('a token is not shown in the clear', () => {
  expect(() => checkSecurity({ ...local, joinToken: 'gwj1.x', insecure: true })).toThrow(
    expect.objectContaining({ kind: 'bad-arguments', message: expect.not.stringContaining('gwj1') }),
  )
})

let folder: string
let authority: SigningAuthority
let listener: Listener
let joined: FromJoiner[]
let secured: SecurityOptions
/** Instead of an answer the connection closes. */
let isLost: boolean
beforeEach(async () => {
  folder = temporaryFolder()
  authority = await testAuthority()
  joined = []
  isLost = false
  listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    credentials: await credentialsOf(authority, coordinatorUri(CLUSTER)),
    resource: (path) => (path === '/authority' ? authority.certificate : undefined),
    connected: (socket) => {
      const channel = new Channel<FromJoiner, ToJoiner>(socket, fromJoiner, {
        message: async (message) => {
          joined.push(message)
          if (isLost) {
            channel.close()
            return
          }
          const { name, certificateRequest: request } = message
          const uri = hostUri(CLUSTER, name)
          const certificate = await issueCertificate({ authority, request, uri, nowMs: Date.now() })
          channel.send({ type: 'joined', clusterId: CLUSTER, certificate })
        },
        closed: () => {},
      })
    },
  })
  secured = { ...local, coordinatorUrl: `wss://127.0.0.1:${listener.port}` }
})
afterEach(async () => {
  await listener.close()
  rmSync(folder, { recursive: true })
})

function tokenOf(of: SigningAuthority): string {
  const fingerprint = fingerprintOf(of.certificate)
  return formatToken({ kind: 'join', id: 'abcd', secret: 's'.repeat(43), authority: fingerprint })
}

test('a host joins once, keeps its key, and starts again by the same line or without the token', async () => {
  const withToken = { ...secured, joinToken: tokenOf(authority) }
  const credentials = join(folder, 'credentials')
  expect(await becomeMember(withToken, folder, silent)).toBe(credentials)
  expect(membershipIn(credentials)).toMatchObject({ clusterId: CLUSTER, host: 'a' })
  expect(JSON.stringify(joined)).not.toContain('PRIVATE KEY')
  const written = readFileSync(join(credentials, 'credentials.json'), 'utf8')
  await becomeMember(withToken, folder, silent)
  await becomeMember(secured, folder, silent)
  expect(joined).toHaveLength(1)
  expect(readFileSync(join(credentials, 'credentials.json'), 'utf8')).toBe(written)
})

test('an answer that is lost is asked for again with the same key, which is gone once it came', async () => {
  const withToken = { ...secured, joinToken: tokenOf(authority) }
  const key = join(folder, 'credentials', 'joining.json')
  isLost = true
  for (let time = 0; time < 2; time++)
    await expect(becomeMember(withToken, folder, silent)).rejects.toMatchObject({ kind: 'connection-lost' })
  expect(statSync(key).mode & 0o777).toBe(0o600)
  isLost = false
  await becomeMember(withToken, folder, silent)
  expect(new Set(joined.map(({ certificateRequest }) => certificateRequest)).size).toBe(1)
  expect(joined).toHaveLength(3)
  expect(existsSync(key)).toBe(false)
  // One that an agent left which ended right after its credentials were written.
  writeFileSync(key, '{}')
  await becomeMember(secured, folder, silent)
  expect(existsSync(key)).toBe(false)
})

test('a key that cannot be read is none', async () => {
  mkdirSync(join(folder, 'credentials'))
  for (const damaged of ['{', '{"request":"r","key":"k"}', 'null']) {
    writeFileSync(join(folder, 'credentials', 'joining.json'), damaged)
    await becomeMember({ ...secured, joinToken: tokenOf(authority) }, folder, silent)
    rmSync(join(folder, 'credentials', 'credentials.json'))
  }
  expect(joined).toHaveLength(3)
})

test('where the cluster is not secured there is nothing to join', async () => {
  expect(await becomeMember(local, folder, silent)).toBeUndefined()
})

test('without a token, and with one of the wrong kind, it is said how to get one', async () => {
  await expect(becomeMember(secured, folder, silent)).rejects.toMatchObject({
    kind: 'unauthorized',
    message: expect.stringMatching(/GODWIT_JOIN_TOKEN.*godwit token create/),
  })
  const api = tokenOf(authority).replace('gwj1', 'gwa1')
  await expect(becomeMember({ ...secured, joinToken: api }, folder, silent)).rejects.toMatchObject({
    kind: 'bad-arguments',
    message: expect.stringContaining('API token'),
  })
})

test('credentials of another name, another cluster, and damaged ones are told apart', async () => {
  const credentials = join(folder, 'credentials')
  mkdirSync(credentials)
  writeCredentials(credentials, await hostCredentials(authority, 'b'))
  await expect(becomeMember(secured, folder, silent)).rejects.toMatchObject({
    kind: 'bad-arguments',
    message: expect.stringMatching(/host b.*--name b.*--data-dir/),
  })
  const elsewhere = { ...secured, name: 'b', joinToken: tokenOf(await testAuthority()) }
  await expect(becomeMember(elsewhere, folder, silent)).rejects.toMatchObject({
    kind: 'other-cluster',
    message: expect.stringContaining(credentials),
  })
  writeFileSync(join(credentials, 'credentials.json'), '{"key":"SECRET"')
  await expect(becomeMember(secured, folder, silent)).rejects.toMatchObject({
    kind: 'bad-arguments',
    message: expect.not.stringContaining('SECRET'),
  })
  expect(joined).toEqual([])
})

test('a refusal that stays says where the credentials are, another one is left as it is', () => {
  const revoked = withWayBack(new GodwitError('token-revoked', 'it was removed'), '/data/credentials')
  expect(revoked).toMatchObject({
    kind: 'token-revoked',
    message: expect.stringMatching(/^it was removed\. .*\/data\/credentials.*new join token/),
  })
  const away = new GodwitError('unreachable', 'nobody')
  expect(withWayBack(away, '/data')).toBe(away)
})
