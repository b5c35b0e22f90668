/**
 * Goal: in a secured cluster the migration's port is for the target host, before anything that is said there is looked at.
 * Method: the door itself, and others at it with real certificates: the target's, another host's, another cluster's, none.
 */
import { type Credentials, dial, type WebSocket } from '@godwit/channel'
import {
  decodeValue,
  encodeValue,
  type FromTarget,
  GodwitError,
  hostUri,
  OUR_VERSIONS,
} from '@godwit/protocol'
import { identityLike } from '@godwit/protocol/testing'
import {
  createAuthority,
  hostSecurity,
  issueCertificate,
  type Membership,
  makeRequest,
  membershipOf,
  type SigningAuthority,
} from '@godwit/trust'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { TargetDoor } from './target-door.ts'

const HOUR_MS = 3_600_000
const secret = 'ab'.repeat(32)
const hello: FromTarget = {
  type: 'hello',
  versions: OUR_VERSIONS,
  migrationId: 'm',
  secret,
  identity: identityLike(),
  roundTripMs: 0.1,
}

let authority: SigningAuthority
let source: Membership
let target: Membership
let third: Membership
beforeAll(async () => {
  authority = await createAuthority('c1', Date.now())
  const named = async (host: string): Promise<Membership> => membershipOf(await member(authority, host))
  source = await named('a')
  target = await named('b')
  third = await named('c')
})

let door: TargetDoor
let port: number
let heard: string[]
let hello1: Promise<void>
beforeEach(async () => {
  heard = []
  let said: () => void = () => {}
  hello1 = new Promise((resolve) => {
    said = resolve
  })
  door = new TargetDoor(
    { migrationId: 'm', secret, to: 'b' },
    {
      hello: () => {
        heard.push('hello')
        said()
      },
      message: ({ type }) => heard.push(type),
      streamsOpen: () => heard.push('streams'),
      lost: ({ kind }) => heard.push(kind),
    },
  )
  port = await door.listen({ listenHost: '127.0.0.1', portRange: [0, 0] }, source)
})
afterEach(() => door.close())

async function member(from: SigningAuthority, host: string, nowMs = Date.now()): Promise<Credentials> {
  const { request, key } = await makeRequest()
  const uri = hostUri('c1', host)
  const certificate = await issueCertificate({ authority: from, request, uri, nowMs, lifetimeMs: HOUR_MS })
  return { certificate, key, authority: authority.certificate }
}

function dialAs(membership: Membership, path = 'control'): Promise<WebSocket> {
  return dial(`wss://127.0.0.1:${port}/${path}`, { security: hostSecurity(membership, 'a') })
}

test('the target comes in, and is heard', async () => {
  const socket = await dialAs(target)
  socket.resume()
  socket.send(encodeValue(hello))
  await hello1
  expect(heard).toEqual(['hello'])
  const answer = new Promise<unknown>((resolve) => {
    socket.once('message', (data: Buffer) => resolve(decodeValue(data)))
  })
  door.welcome({ version: 1, streams: 1 })
  expect(await answer).toMatchObject({ type: 'welcome', streams: 1 })
})

test.each(['control', 'bulk'])('nobody else does, who knows the secret or not: /%s', async (path) => {
  await expect(dialAs(third, path)).rejects.toMatchObject({
    kind: 'wrong-peer',
    message: expect.stringMatching(/only host b .*\/host\/c/),
  })
  const anonymous = { authority: authority.certificate, peer: hostUri('c1', 'a') }
  await expect(dial(`wss://127.0.0.1:${port}/${path}`, { security: anonymous })).rejects.toMatchObject({
    kind: 'untrusted-peer',
  })
  const foreign = await member(await createAuthority('c1', Date.now()), 'b')
  await expect(dialAs(membershipOf(foreign), path)).rejects.toMatchObject({ kind: 'untrusted-peer' })
  const expired = await member(authority, 'b', Date.now() - 2 * HOUR_MS)
  await expect(dialAs(membershipOf(expired), path)).rejects.toMatchObject({
    kind: 'certificate-expired',
    message: expect.stringContaining('clock'),
  })
  await expect(dial(`ws://127.0.0.1:${port}/${path}`)).rejects.toMatchObject({
    kind: 'unreachable',
    message: expect.stringContaining('wss://'),
  })
  expect(heard).toEqual([])
})

test('the target in turn talks to nobody but the source', async () => {
  const wrong = dial(`wss://127.0.0.1:${port}/control`, { security: hostSecurity(target, 'c') })
  await expect(wrong).rejects.toMatchObject({ kind: 'wrong-peer' })
  await expect(wrong).rejects.toBeInstanceOf(GodwitError)
  expect(heard).toEqual([])
})
