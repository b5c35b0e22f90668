/**
 * Goal: a certificate is renewed when it is time, with a key that stays here, and nothing that somebody sends takes the place
 * of what works. Method: real certificates of a few minutes and a clock that is passed in.
 */
import { rmSync } from 'node:fs'
import { type FromAgent, hostUri, LIMITS } from '@godwit/protocol'
import {
  issueCertificate,
  makeRequest,
  membershipIn,
  type SigningAuthority,
  writeCredentials,
} from '@godwit/trust'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Renewal } from './renewal.ts'
import { temporaryFolder } from './support/host.ts'
import { CLUSTER, credentialsOf, testAuthority } from './support/members.ts'

const HOUR_MS = 3_600_000
const uri = hostUri(CLUSTER, 'a')

let folder: string
let authority: SigningAuthority
let renewal: Renewal
let sent: FromAgent[]
let logged: string[]
beforeEach(async () => {
  folder = temporaryFolder()
  authority = await testAuthority()
  writeCredentials(folder, await credentialsOf(authority, uri, HOUR_MS))
  sent = []
  logged = []
  const log = pino({}, { write: (line) => logged.push(line) })
  renewal = new Renewal({ folder, send: (message) => sent.push(message), log })
})
afterEach(() => {
  renewal.close()
  rmSync(folder, { recursive: true })
})

function requested(): string {
  const [message] = sent.splice(0)
  if (message?.type !== 'renewCertificate') throw new Error(`not asked: ${message?.type}`)
  return message.certificateRequest
}

function issue(request: string, more: { from?: SigningAuthority; as?: string } = {}): Promise<string> {
  const { from = authority, as = uri } = more
  return issueCertificate({ authority: from, request, uri: as, nowMs: Date.now() })
}

test('asked for when less than a third is left, and taken with its key', async () => {
  await renewal.look()
  expect(sent).toEqual([])
  await renewal.look(Date.now() + 0.9 * HOUR_MS)
  const before = membershipIn(folder).credentials
  const certificate = await issue(requested())
  renewal.received(certificate)
  const after = membershipIn(folder).credentials
  expect(after).toMatchObject({ certificate, authority: before.authority })
  expect(after.key).not.toBe(before.key)
  expect(logged.join()).not.toContain('PRIVATE KEY')
})

test('asked again when no answer came, though not at once: the newest key counts', async () => {
  const later = Date.now() + 0.9 * HOUR_MS
  await renewal.look(later)
  const first = requested()
  await renewal.look(later + LIMITS.minRenewalMs - 1)
  expect(sent).toEqual([])
  await renewal.look(later + LIMITS.minRenewalMs)
  const second = await issue(requested())
  const before = membershipIn(folder).credentials
  renewal.received(await issue(first))
  expect(membershipIn(folder).credentials).toEqual(before)
  renewal.received(second)
  expect(membershipIn(folder).credentials.certificate).toBe(second)
})

test("what was not asked for, another host's, another authority's, and rubbish change nothing", async () => {
  const before = membershipIn(folder).credentials
  renewal.received(await issue((await makeRequest()).request))
  await renewal.look(Date.now() + 0.9 * HOUR_MS)
  const request = requested()
  renewal.received(await issue(request, { as: hostUri(CLUSTER, 'b') }))
  renewal.received(await issue(request, { from: await testAuthority() }))
  renewal.received('rubbish')
  expect(membershipIn(folder).credentials).toEqual(before)
  expect(logged.filter((line) => line.includes('was not taken'))).toHaveLength(4)
  renewal.received(await issue(request))
  expect(membershipIn(folder).credentials).not.toEqual(before)
})

test('credentials that are gone are an error in the log, and nothing more', async () => {
  rmSync(folder, { recursive: true })
  await renewal.look()
  expect(logged.join()).toContain('could not be renewed')
  folder = temporaryFolder()
})
