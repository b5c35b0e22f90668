/**
 * How somebody who has nothing but a token comes to trust a coordinator, and to be trusted.
 *
 * The token names the authority by its fingerprint. The authority's certificate is fetched from whoever answers and counts only if it
 * has that fingerprint; from then on the connection is one like any other, and whoever is at its other end has shown to be
 * the coordinator before it sees a character of the token.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { Channel, type Credentials, type DialSecurity, dial, fetchUnverified } from '@godwit/channel'
import {
  coordinatorUri,
  type FromJoiner,
  fromErrorReport,
  GodwitError,
  hostUri,
  LIMITS,
  parseToken,
  type ToJoiner,
  toJoiner,
} from '@godwit/protocol'
import { clusterIdOf, fingerprintOf, readCertificate } from './authority.ts'
import type { KeyRequest } from './certificate.ts'

export interface JoinOptions {
  /** `wss://host:port`. */
  readonly coordinatorUrl: string
  /** A join token, as a person copied it. */
  readonly token: string
  /** The host's name. */
  readonly name: string
  /** Called once it is known whom to ask. With the key of an earlier attempt, a lost answer is given again (`keyToJoinWith`). */
  makeRequest(): Promise<KeyRequest>
}

/** How to dial the coordinator of the cluster whose `authority` (PEM) this is. Errors: `untrusted-peer`. */
export function coordinatorSecurity(authority: string, credentials?: Credentials): DialSecurity {
  const peer = coordinatorUri(clusterIdOf(authority))
  return credentials === undefined ? { authority, peer } : { authority, peer, credentials }
}

/**
 * The authority's certificate, PEM, from a coordinator that need not be trusted. `fingerprint` is a token's `authority`.
 * Errors: `bad-arguments`, `unreachable`, `insecure`, `untrusted-peer`.
 */
export async function fetchAuthority(coordinatorUrl: string, fingerprint: string): Promise<string> {
  const certificate = await fetchUnverified(at(coordinatorUrl, '/authority'))
  if (fingerprintOf(certificate) !== fingerprint) {
    throw new GodwitError(
      'untrusted-peer',
      `${coordinatorUrl} belongs to another cluster than the token, or somebody stands in between: check the address, and ask whoever made the token for a new one if the cluster was set up anew`,
    )
  }
  return certificate
}

/** Errors: those of `fetchAuthority` and `dial`, and what the coordinator refuses with (`token-expired`, `host-name-taken`, ...). */
export async function joinCluster(
  options: JoinOptions,
): Promise<{ clusterId: string; credentials: Credentials }> {
  const { coordinatorUrl, token, name } = options
  const { authority: fingerprint } = parseToken(token, 'join')
  const authority = await fetchAuthority(coordinatorUrl, fingerprint)
  const clusterId = clusterIdOf(authority)
  const { request, key } = await options.makeRequest()
  const socket = await dial(at(coordinatorUrl, '/join'), { security: coordinatorSecurity(authority) })
  const answer = await new Promise<ToJoiner>((resolve, reject) => {
    const late = setTimeout(
      () => channel.end(new GodwitError('peer-stalled', `${coordinatorUrl} does not answer: try again`)),
      LIMITS.requestTimeoutMs,
    )
    const channel: Channel<ToJoiner, FromJoiner> = new Channel<ToJoiner, FromJoiner>(socket, toJoiner, {
      message: (message) => {
        resolve(message)
        channel.close()
      },
      closed: (error) => {
        clearTimeout(late)
        reject(error ?? new GodwitError('connection-lost', `${coordinatorUrl} hung up: try again`))
      },
    })
    channel.send({ type: 'join', token: token.trim(), name, certificateRequest: request })
  })
  if (answer.type === 'refused') throw fromErrorReport(answer.error)
  const { certificate } = answer
  const credentials = { certificate, key, authority }
  checkIssued(credentials, hostUri(clusterId, name))
  return { clusterId, credentials }
}

function checkIssued({ certificate, key, authority }: Credentials, uri: string): void {
  const issued = readCertificate(certificate)
  const isNamed = issued.subjectAltName?.split(', ').includes(`URI:${uri}`) === true
  const isOurs = isNamed && issued.checkPrivateKey(createPrivateKey(key))
  if (isOurs && issued.verify(new X509Certificate(authority).publicKey)) return
  throw new GodwitError(
    'untrusted-peer',
    'the coordinator issued a certificate of another authority, name or key',
  )
}

function at(coordinatorUrl: string, path: string): string {
  if (!URL.canParse(coordinatorUrl)) {
    throw new GodwitError('bad-arguments', `${coordinatorUrl} is no address: write it like wss://host:7070`)
  }
  const url = new URL(path, coordinatorUrl)
  if (url.protocol !== 'wss:') {
    throw new GodwitError(
      'insecure',
      `a token is for a secured cluster, and ${coordinatorUrl} is in the clear: dial it at wss://${url.host}`,
    )
  }
  return url.href
}
