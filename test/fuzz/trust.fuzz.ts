/**
 * Goal: a request for a certificate gives one for the key that signed it and the name that the coordinator chose, or is refused; a
 * certificate or a file of credentials that is none says so.
 * Method: requests as hosts make them, changed in their DER and sent as PEM. Only who shows a good join token, or is a member, gets as far; each takes a
 * signature: fewer inputs than for the rest of the network.
 */
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromJoiner, LIMITS } from '@godwit/protocol'
import {
  clusterIdOf,
  createAuthority,
  fingerprintOf,
  issueCertificate,
  makeRequest,
  readCredentials,
  renewalDue,
  serialOf,
} from '@godwit/trust'
import { afterAll } from 'vitest'
import { checkRefusal, fuzz, valueOrRefusal } from './fuzzing.ts'
import { almost, almostText } from './mutations.ts'

const NOW_MS = Date.UTC(2026, 0, 1)
const uri = 'godwit://c1/host/a'
const authority = await createAuthority('c1', NOW_MS)
const { request, key } = await makeRequest()
const certificate = await issueCertificate({ authority, request, uri, nowMs: NOW_MS })

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64')
}

function pemOf(der: Buffer, what: string): string {
  return `-----BEGIN ${what}-----\n${der.toString('base64').replace(/(.{64})/g, '$1\n')}\n-----END ${what}-----\n`
}

/** Sequences in sequences, as many as a message of this kind holds. */
function deep(levels: number): Buffer {
  let der = Buffer.alloc(0)
  for (let level = 0; level < levels; level++) {
    const { length } = der
    const head = length < 128 ? Buffer.of(0x30, length) : Buffer.of(0x30, 0x82, length >>> 8, length & 255)
    der = Buffer.concat([head, der])
  }
  return der
}

const REQUEST = 'CERTIFICATE REQUEST'

fuzz(
  'a request for a certificate: one for its key and our name, or bad-message',
  almost([derOf(request), deep(1400)]),
  async (der) => {
    const pem = pemOf(der, REQUEST)
    if (pem.length > LIMITS.maxPemLength) return
    try {
      const issued = new X509Certificate(
        await issueCertificate({ authority, request: pem, uri, nowMs: NOW_MS }),
      )
      if (issued.subjectAltName !== `URI:${uri}` || issued.ca)
        throw new Error('a certificate of somebody else')
    } catch (error) {
      checkRefusal(error, ['bad-message'])
    }
  },
  { share: 0.02 },
)

fuzz(
  'the message that a request comes in: text between its lines, or a refusal',
  almostText([request, certificate]),
  (pem) => {
    const read = fromJoiner.safeParse({ type: 'join', token: 't', name: 'a', certificateRequest: pem })
    if (read.success && pem.length > LIMITS.maxPemLength) throw new Error('longer than it may be')
  },
)

fuzz(
  'a certificate: what it says, or untrusted-peer',
  almost([derOf(certificate), derOf(authority.certificate)]),
  (der) => {
    const pem = pemOf(der, 'CERTIFICATE')
    for (const read of [fingerprintOf, clusterIdOf, serialOf, (text: string) => renewalDue(text, NOW_MS)])
      valueOrRefusal<unknown>(() => read(pem), ['untrusted-peer'])
  },
  { share: 0.1 },
)

const folder = mkdtempSync(join(tmpdir(), 'gwf-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

fuzz(
  'a file of credentials: read, or refused without a word of what stands in it',
  almostText([JSON.stringify({ certificate, key, authority: authority.certificate })]),
  (text) => {
    writeFileSync(join(folder, 'credentials.json'), text)
    valueOrRefusal(() => readCredentials(folder), ['bad-arguments'])
  },
  { share: 0.02 },
)
