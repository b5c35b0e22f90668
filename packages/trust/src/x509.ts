/**
 * Certificates are made by @peculiar/x509; read and verified they are by Node itself. Making is rare and loading takes as long
 * as all else of a small process, so it is loaded when something is made.
 */
import { KeyObject, webcrypto } from 'node:crypto'

type X509 = typeof import('@peculiar/x509')

/** P-256 with SHA-256: TLS 1.3 everywhere knows it, and a handshake of it costs a fraction of a millisecond. */
export const SIGNATURE = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

let loading: Promise<X509> | undefined

export function loadX509(): Promise<X509> {
  loading ??= load()
  return loading
}

async function load(): Promise<X509> {
  // Its dependency injection looks for this when it is loaded.
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

export function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(SIGNATURE, true, ['sign', 'verify'])
}

/** PKCS #8, PEM. */
export function keyText(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString()
}
