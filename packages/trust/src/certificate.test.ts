/**
 * Goal: a certificate says what its issuer decided and nothing that its request asked for. Method: certificates and requests made
 * here, read back by Node's own parser, which is OpenSSL's.
 */
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto'
import { LIMITS } from '@godwit/protocol'
import { beforeAll, expect, test } from 'vitest'
import { clusterIdOf, createAuthority, fingerprintOf, type SigningAuthority } from './authority.ts'
import { issueCertificate, makeRequest, nextLookMs, renewalDue, serialOf, validity } from './certificate.ts'
import { loadX509 } from './x509.ts'

const NOW_MS = Date.UTC(2026, 0, 1)
const uri = 'godwit://c1/host/a'
let authority: SigningAuthority
beforeAll(async () => {
  authority = await createAuthority('c1', NOW_MS)
})

const requestWith = async (
  algorithm: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams,
  names = '',
): Promise<string> => {
  const x509 = await loadX509()
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    name: names,
    signingAlgorithm: { ...algorithm, hash: 'SHA-256' },
    extensions: [
      new x509.BasicConstraintsExtension(true, 3, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: 'godwit://c1/coordinator' }]),
    ],
  })
  return `${request.toString('pem')}\n`
}

test('the authority names its cluster, and signs members alone', () => {
  const certificate = new X509Certificate(authority.certificate)
  expect(certificate.ca).toBe(true)
  expect(clusterIdOf(authority.certificate)).toBe('c1')
  expect(certificate.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(
    Buffer.from(fingerprintOf(authority.certificate), 'base64url').toString('hex'),
  )
  const { fromMs, toMs } = validity(authority.certificate)
  expect([fromMs, toMs]).toEqual([NOW_MS - LIMITS.clockSkewMs, NOW_MS + LIMITS.authorityMs])
})

test('a certificate is for the key that was asked with, says the URI, and is no authority', async () => {
  const { request, key } = await makeRequest()
  const issued = await issueCertificate({
    authority,
    request,
    uri,
    names: ['h.example', '10.0.0.1'],
    nowMs: NOW_MS,
  })
  const certificate = new X509Certificate(issued)
  expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true)
  expect(certificate.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true)
  expect(certificate.subjectAltName?.split(', ')).toEqual([
    `URI:${uri}`,
    'DNS:h.example',
    'IP Address:10.0.0.1',
  ])
  expect(certificate.ca).toBe(false)
  expect(certificate.checkIssued(new X509Certificate(authority.certificate))).toBe(true)
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1'])
  expect(validity(issued)).toEqual({
    fromMs: NOW_MS - LIMITS.clockSkewMs,
    toMs: NOW_MS + LIMITS.certificateMs,
  })
  expect(serialOf(issued)).toMatch(/^[4-7][0-9A-F]{31}$/)
})

test('what a request asks for does not count', async () => {
  const request = await requestWith({ name: 'ECDSA', namedCurve: 'P-256' }, 'CN=somebody else')
  const issued = new X509Certificate(await issueCertificate({ authority, request, uri, nowMs: NOW_MS }))
  expect(issued.subjectAltName).toBe(`URI:${uri}`)
  expect(issued.ca).toBe(false)
  expect(issued.subject ?? '').toBe('')
})

test('another kind of key, a foreign signature, and what is no request', async () => {
  const issue = (request: string): Promise<string> =>
    issueCertificate({ authority, request, uri, nowMs: NOW_MS })
  await expect(issue(await requestWith({ name: 'ECDSA', namedCurve: 'P-384' }))).rejects.toMatchObject({
    kind: 'bad-message',
    message: expect.stringContaining('P-384'),
  })
  const rsa = {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  }
  await expect(issue(await requestWith(rsa))).rejects.toMatchObject({
    kind: 'bad-message',
    message: expect.stringContaining('RSASSA'),
  })
  const { request } = await makeRequest()
  const x509 = await loadX509()
  const bytes = Buffer.from(x509.PemConverter.decodeFirst(request))
  // The last byte is of the signature.
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  await expect(issue(x509.PemConverter.encode(bytes, 'CERTIFICATE REQUEST'))).rejects.toMatchObject({
    kind: 'bad-message',
    message: expect.stringContaining('not signed'),
  })
  for (const nothing of ['', authority.certificate, request.slice(0, 200)]) {
    await expect(issue(nothing)).rejects.toMatchObject({ kind: 'bad-message' })
  }
})

test('a certificate is renewed once less than a third of its time is left', async () => {
  const { request } = await makeRequest()
  const issued = await issueCertificate({ authority, request, uri, nowMs: NOW_MS, lifetimeMs: 60 * 60_000 })
  const { fromMs, toMs } = validity(issued)
  const dueMs = toMs - (toMs - fromMs) / 3
  expect(renewalDue(issued, dueMs)).toBe(false)
  expect(renewalDue(issued, dueMs + 1)).toBe(true)
  // Seen to when it is due, and no less often than once an hour, nor more often than a coordinator answers.
  expect(nextLookMs(issued, fromMs)).toBe(Math.ceil(dueMs - fromMs))
  expect(nextLookMs(issued, fromMs - 10 * LIMITS.certificateCheckMs)).toBe(LIMITS.certificateCheckMs)
  expect(nextLookMs(issued, toMs)).toBe(2 * LIMITS.minRenewalMs)
})

test('what is no certificate of an authority is told apart', () => {
  for (const wrong of ['', 'PEM']) {
    expect(() => clusterIdOf(wrong)).toThrow(expect.objectContaining({ kind: 'untrusted-peer' }))
    expect(() => fingerprintOf(wrong)).toThrow(expect.objectContaining({ kind: 'untrusted-peer' }))
  }
})
