/**
 * The cluster's authority: one key pair that vouches for all of the cluster's certificates and for nothing else. Its own certificate
 * is no secret; its SHA-256, which stands in every token, is how somebody who has only a token knows it.
 */
import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { GodwitError, LIMITS } from '@godwit/protocol'
import { keyText, loadX509, makeKeys, SIGNATURE } from './x509.ts'

/** The authority as its coordinator has it: PEM, the key included. */
export interface SigningAuthority {
  readonly certificate: string
  /** PKCS #8. */
  readonly key: string
}

/** `nowMs`: milliseconds since 1970. Good for `LIMITS.authorityMs`. */
export async function createAuthority(clusterId: string, nowMs: number): Promise<SigningAuthority> {
  const x509 = await loadX509()
  const keys = await makeKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: makeSerial(),
    name: [{ O: ['godwit'] }, { CN: [clusterId] }],
    notBefore: new Date(nowMs - LIMITS.clockSkewMs),
    notAfter: new Date(nowMs + LIMITS.authorityMs),
    signingAlgorithm: SIGNATURE,
    keys,
    extensions: [
      // It signs certificates of members, not those of other authorities.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: `${certificate.toString('pem')}\n`, key: keyText(keys.privateKey) }
}

/** Positive, 127 bits, in hex (RFC 5280, section 4.1.2.2). */
export function makeSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes.toString('hex')
}

/** SHA-256 of the certificate (DER) in base64url: `Token.authority`. Errors: `untrusted-peer`. */
export function fingerprintOf(certificate: string): string {
  return createHash('sha256').update(readCertificate(certificate).raw).digest('base64url')
}

/** Of which cluster this is the authority. Errors: `untrusted-peer`. */
export function clusterIdOf(authority: string): string {
  const [, clusterId] = /^CN=([A-Za-z0-9][\w.-]*)$/m.exec(readCertificate(authority).subject) ?? []
  if (clusterId === undefined) {
    throw new GodwitError(
      'untrusted-peer',
      "this is no certificate of a cluster's authority: it names no cluster",
    )
  }
  return clusterId
}

/** Errors: `untrusted-peer`. */
export function readCertificate(certificate: string): X509Certificate {
  try {
    return new X509Certificate(certificate)
  } catch (error) {
    throw new GodwitError('untrusted-peer', 'this is no certificate', { cause: error })
  }
}
