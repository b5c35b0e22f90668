/** Goal: a host is who its certificate says, and lets in the one it was told and nobody else. Method: real certificates and files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Credentials } from '@godwit/channel'
import { coordinatorUri, GodwitError, hostUri } from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAuthority, type SigningAuthority } from './authority.ts'
import { issueCertificate, makeRequest } from './certificate.ts'
import { writeCredentials } from './credentials-file.ts'
import { hostSecurity, membershipIn, membershipOf, whyNotHost } from './membership.ts'

const folder = mkdtempSync(join(tmpdir(), 'godwit-membership-'))
let authority: SigningAuthority
beforeAll(async () => {
  authority = await createAuthority('c1', Date.now())
})
afterAll(() => rmSync(folder, { recursive: true }))

async function credentialsOf(uri: string): Promise<Credentials> {
  const { request, key } = await makeRequest()
  const certificate = await issueCertificate({ authority, request, uri, nowMs: Date.now() })
  return { certificate, key, authority: authority.certificate }
}

test('who it is stands in its certificate, and whom it calls is of its cluster', async () => {
  const credentials = await credentialsOf(hostUri('c1', 'a'))
  writeCredentials(folder, credentials)
  const membership = membershipIn(folder)
  expect(membership).toEqual({ credentials, clusterId: 'c1', host: 'a' })
  expect(hostSecurity(membership, 'b')).toEqual({
    authority: authority.certificate,
    peer: 'godwit://c1/host/b',
    credentials,
  })
})

test('one host may come in: no other of the cluster, none of the same name elsewhere, nobody without a name', async () => {
  const membership = membershipOf(await credentialsOf(hostUri('c1', 'a')))
  const comes = (uri: string) =>
    whyNotHost(membership, 'b', { address: '10.0.0.2', member: { uri, serial: '1' } })
  expect(comes('godwit://c1/host/b')).toBeUndefined()
  for (const uri of [
    'godwit://c1/host/c',
    'godwit://c2/host/b',
    'godwit://c1/coordinator',
    'godwit://c1/host/b2',
  ])
    expect(comes(uri), uri).toMatchObject({ kind: 'wrong-peer' })
  expect(whyNotHost(membership, 'b', { address: '10.0.0.2' })).toMatchObject({ kind: 'untrusted-peer' })
  const certificateError = new GodwitError('certificate-expired', 'expired')
  expect(whyNotHost(membership, 'b', { address: '10.0.0.2', certificateError })).toBe(certificateError)
})

test('what is missing, unreadable, or no host has its kind, and says what to do', async () => {
  const at = (name: string): string => join(folder, name)
  const say = (how: string) => expect.stringContaining(how)
  expect(() => membershipIn(at('none'))).toThrow(
    expect.objectContaining({ kind: 'unauthorized', message: say('join again') }),
  )
  mkdirSync(join(at('folder'), 'credentials.json'), { recursive: true })
  expect(() => membershipIn(at('folder'))).toThrow(expect.objectContaining({ kind: 'unauthorized' }))
  mkdirSync(at('damaged'))
  writeFileSync(join(at('damaged'), 'credentials.json'), '{')
  expect(() => membershipIn(at('damaged'))).toThrow(expect.objectContaining({ kind: 'bad-arguments' }))
  for (const uri of [coordinatorUri('c1'), 'godwit://c1/host/', 'https://c1/host/a']) {
    const credentials = await credentialsOf(uri)
    expect(() => membershipOf(credentials), uri).toThrow(expect.objectContaining({ kind: 'untrusted-peer' }))
  }
})
