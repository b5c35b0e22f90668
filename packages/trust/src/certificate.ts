/**
 * Certificates of members. Whoever asks for one makes the key and keeps it; the request shows that it has it. All else that a
 * certificate says is decided by who issues it: a request may ask for any name.
 */
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { GodwitError, LIMITS } from '@godwit/protocol'
import type { Extension, Pkcs10CertificateRequest } from '@peculiar/x509'
import { makeSerial, readCertificate, type SigningAuthority } from './authority.ts'
import { keyText, loadX509, makeKeys, SIGNATURE } from './x509.ts'

export interface IssueOptions {
  readonly authority: SigningAuthority
  /** PKCS #10, PEM. */
  readonly request: string
  /** Who its bearer is (protocol/security.ts). */
  readonly uri: string
  /** DNS names and IP addresses, for those who look at them: browsers, curl. Ours do not. */
  readonly names?: readonly string[]
  /** Milliseconds since 1970. */
  readonly nowMs: number
  readonly lifetimeMs?: number
}

/** A key and a request for a certificate of it: PEM. */
export interface KeyRequest {
  /** PKCS #10. */
  readonly request: string
  /** PKCS #8. */
  readonly key: string
}

export async function makeRequest(): Promise<KeyRequest> {
  const x509 = await loadX509()
  const keys = await makeKeys()
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: SIGNATURE })
  return { request: `${request.toString('pem')}\n`, key: keyText(keys.privateKey) }
}

/** A certificate, PEM. Errors: `bad-message` for what is no request, is not signed by its own key, or has another kind of key. */
export async function issueCertificate(options: IssueOptions): Promise<string> {
  const { authority, uri, names = [], nowMs, lifetimeMs = LIMITS.certificateMs } = options
  const x509 = await loadX509()
  const { publicKey } = await checkedRequest(options.request)
  const { subtle } = x509.cryptoProvider.get()
  const issuer = new x509.X509Certificate(authority.certificate)
  const [pkcs8] = x509.PemConverter.decode(authority.key)
  if (pkcs8 === undefined) throw new Error("the authority's key is no PEM")
  const extensions: Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth]),
    // Critical, since there is no subject (RFC 5280, section 4.1.2.6).
    new x509.SubjectAlternativeNameExtension(
      [{ type: 'url', value: uri }, ...names.map((value) => ({ type: typeOf(value), value }))],
      true,
    ),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
    await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
  ]
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: makeSerial(),
    issuer: issuer.subject,
    notBefore: new Date(nowMs - LIMITS.clockSkewMs),
    notAfter: new Date(nowMs + lifetimeMs),
    publicKey,
    signingKey: await subtle.importKey('pkcs8', pkcs8, SIGNATURE, false, ['sign']),
    signingAlgorithm: SIGNATURE,
    extensions,
  })
  return `${certificate.toString('pem')}\n`
}

async function checkedRequest(pem: string): Promise<Pkcs10CertificateRequest> {
  const x509 = await loadX509()
  let isSound: boolean
  let request: Pkcs10CertificateRequest
  try {
    request = new x509.Pkcs10CertificateRequest(pem)
    const { name, namedCurve } = request.publicKey.algorithm as { name: string; namedCurve?: string }
    if (name !== SIGNATURE.name || namedCurve !== SIGNATURE.namedCurve) {
      throw new GodwitError(
        'bad-message',
        `the request's key is ${namedCurve ?? name}: certificates are issued for ECDSA keys on P-256`,
      )
    }
    isSound = await request.verify()
  } catch (error) {
    if (error instanceof GodwitError) throw error
    throw new GodwitError('bad-message', 'this is no request for a certificate (PKCS #10)', { cause: error })
  }
  if (!isSound) {
    throw new GodwitError(
      'bad-message',
      'the request for a certificate is not signed by the key that it names',
    )
  }
  return request
}

function typeOf(name: string): 'ip' | 'dns' {
  return isIP(name) === 0 ? 'dns' : 'ip'
}

/** Whether less than a third of its time is left. Errors: `untrusted-peer` for what is no certificate. */
export function renewalDue(certificate: string, nowMs: number): boolean {
  return nowMs > renewalDueAtMs(certificate)
}

/**
 * After how long to see again whether it is due: where it is, no sooner than a coordinator surely answers again, and never so late that a
 * clock that was set is not noticed. Errors: as `renewalDue`.
 */
export function nextLookMs(certificate: string, nowMs: number): number {
  const dueInMs = Math.ceil(renewalDueAtMs(certificate) - nowMs)
  return Math.min(LIMITS.certificateCheckMs, Math.max(2 * LIMITS.minRenewalMs, dueInMs))
}

function renewalDueAtMs(certificate: string): number {
  const { fromMs, toMs } = validity(certificate)
  return toMs - (toMs - fromMs) / 3
}

/** In hex, as TLS sockets say it. */
export function serialOf(certificate: string): string {
  return readCertificate(certificate).serialNumber
}

/** Of the key that it vouches for: SHA-256 of its public half (SubjectPublicKeyInfo, DER), in hex. */
export function keyDigestOf(certificate: string): string {
  const key = readCertificate(certificate).publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(key).digest('hex')
}

/** Milliseconds since 1970. */
export function validity(certificate: string): { fromMs: number; toMs: number } {
  const { validFrom, validTo } = readCertificate(certificate)
  return { fromMs: Date.parse(validFrom), toMs: Date.parse(validTo) }
}
