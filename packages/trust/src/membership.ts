/**
 * A host of a secured cluster among the others. Who it is stands in its own certificate; whom it calls, or lets in, it is told
 * by name. This makes of the one what TLS is given, and of the other why somebody may not come in.
 */
import type { Credentials, DialSecurity, Peer } from '@godwit/channel'
import { GodwitError, hostUri, parseUri } from '@godwit/protocol'
import { readCertificate } from './authority.ts'
import { readCredentials } from './credentials-file.ts'

export interface Membership {
  readonly credentials: Credentials
  readonly clusterId: string
  /** Its name. */
  readonly host: string
}

const AGAIN = 'let it join again (godwit host remove, then a new join token)'

/**
 * Who the host is whose credentials are in `folder`. Read anew each time, a renewed certificate counts at once.
 * Errors: `unauthorized` when there are none or they can't be read, `bad-arguments` when they are damaged, `untrusted-peer` when
 * they are nobody's.
 */
export function membershipIn(folder: string): Membership {
  let credentials: Credentials | undefined
  try {
    credentials = readCredentials(folder)
  } catch (error) {
    if (error instanceof GodwitError) throw error
    throw new GodwitError(
      'unauthorized',
      `the credentials of this host can't be read: ${(error as Error).message}`,
      { cause: error },
    )
  }
  if (credentials === undefined)
    throw new GodwitError('unauthorized', `this host has no credentials in ${folder}: ${AGAIN}`)
  return membershipOf(credentials)
}

/** Errors: `untrusted-peer` for a certificate that names no host of a cluster. */
export function membershipOf(credentials: Credentials): Membership {
  const names = readCertificate(credentials.certificate).subjectAltName?.split(', ') ?? []
  const uri = names.find((name) => name.startsWith('URI:'))?.slice('URI:'.length)
  const { clusterId, host } = (uri === undefined ? undefined : parseUri(uri)) ?? {}
  if (clusterId === undefined || host === undefined)
    throw new GodwitError('untrusted-peer', `the certificate names no host of a cluster: ${AGAIN}`)
  return { credentials, clusterId, host }
}

/** For dialling the host of this name. */
export function hostSecurity({ credentials, clusterId }: Membership, host: string): DialSecurity {
  return { authority: credentials.authority, peer: hostUri(clusterId, host), credentials }
}

/** Why whoever dialled is not the host of this name; undefined when it is. One of `untrusted-peer`, `certificate-expired`, `wrong-peer`. */
export function whyNotHost({ clusterId }: Membership, host: string, peer: Peer): GodwitError | undefined {
  const { member, certificateError } = peer
  if (certificateError !== undefined) return certificateError
  if (member === undefined)
    return new GodwitError('untrusted-peer', `no certificate was shown: only host ${host} may come in here`)
  if (member.uri === hostUri(clusterId, host)) return undefined
  return new GodwitError('wrong-peer', `only host ${host} may come in here, and ${member.uri} has come`)
}
