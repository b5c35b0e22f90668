/**
 * Who is at the other end: TLS 1.3, certificates of the cluster's own authority, and a URI in each that says whose it is
 * (protocol/security.ts). A cluster's addresses may change; who somebody is does not, so names of the network are not looked at.
 */
import type { IncomingMessage } from 'node:http'
import type {
  PeerCertificate,
  SecureContextOptions,
  TLSSocket,
  ConnectionOptions as TlsConnectionOptions,
} from 'node:tls'
import { GodwitError } from '@godwit/protocol'

/** A member's certificate with its key, and its authority's certificate: PEM. */
export interface Credentials {
  readonly certificate: string
  readonly key: string
  readonly authority: string
}

/** What whoever dials wants to see, and shows. */
export interface DialSecurity {
  /** The authority's certificate: PEM. */
  readonly authority: string
  /** The URI of whoever is called. */
  readonly peer: string
  /** What we show, where we are a member. */
  readonly credentials?: Credentials
}

/** Who has dialled, as far as it is known before the first message. */
export interface Peer {
  readonly address: string
  /** From a certificate of the cluster's authority that is valid now. */
  readonly member?: { readonly uri: string; readonly serial: string }
  /** Why the certificate that was shown counts for nothing. */
  readonly certificateError?: GodwitError
  /** Of an `Authorization: Bearer` header; of a page's WebSocket, of its protocols. */
  readonly token?: string
}

/**
 * What a page in a browser speaks over its WebSocket, which can have no header of the page's but `Sec-WebSocket-Protocol`: `godwit`, and beside it
 * `godwit.token.` and its token. A token in an address would stand in histories and logs.
 */
export const PAGE_PROTOCOL = 'godwit'
const TOKEN_PROTOCOL = /(?:^|,)\s*godwit\.token\.([\w.-]+)\s*(?:,|$)/

/** TLS 1.3's own three (RFC 8446, appendix B.4). The first costs a tenth less a page than the second, which OpenSSL prefers. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?|(::ffff:)?127(\.\d{1,3}){3})$/

/** Whether nobody outside of this machine is reached at, or can reach, this address. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

/** For `tls.connect` and what is built on it. */
export function dialOptions({ authority, peer, credentials }: DialSecurity): TlsConnectionOptions {
  return {
    ca: authority,
    minVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    // Said, so that NODE_TLS_REJECT_UNAUTHORIZED=0, which some have in their environment for other reasons, changes nothing here.
    rejectUnauthorized: true,
    ...(credentials && { cert: credentials.certificate, key: credentials.key }),
    checkServerIdentity: (_host, { subjectaltname }) => {
      const uris = urisOf(subjectaltname)
      if (uris.includes(peer)) return undefined
      return new GodwitError(
        'wrong-peer',
        `${peer} was called and ${uris[0] ?? 'somebody without a name'} answered: is the address right, and is it still this host's?`,
      )
    },
  }
}

/** For a server that asks for certificates and lets `admit` decide. */
export function serverOptions({ certificate, key, authority }: Credentials): SecureContextOptions {
  return { cert: certificate, key, ca: authority, minVersion: 'TLSv1.3', ciphers: CIPHERS }
}

export function peerOf(request: IncomingMessage): Peer {
  const address = request.socket.remoteAddress ?? ''
  const [, token] = /^Bearer ([\w.-]+)$/.exec(request.headers.authorization ?? '') ?? []
  const known = { address, ...(token !== undefined && { token }) }
  const socket = request.socket as Partial<TLSSocket>
  // Null, whatever its type says, once the connection is gone.
  const shown = socket.getPeerCertificate?.() as PeerCertificate | null | undefined
  if (shown == null || Object.keys(shown).length === 0) return known
  if (socket.authorized !== true) {
    // Typed as an error; it is the code.
    const code = String((socket as { authorizationError?: unknown }).authorizationError)
    return { ...known, certificateError: explainTls(code, 'the certificate that was shown') }
  }
  const [uri] = urisOf(shown.subjectaltname)
  return uri === undefined ? known : { ...known, member: { uri, serial: shown.serialNumber } }
}

/** Of a request to become a WebSocket. */
export function upgradingPeerOf(request: IncomingMessage): Peer {
  const peer = peerOf(request)
  const [, token] = TOKEN_PROTOCOL.exec(request.headers['sec-websocket-protocol'] ?? '') ?? []
  return peer.token !== undefined || token === undefined ? peer : { ...peer, token }
}

/** OpenSSL's verdict (X509_V_ERR_*) as an error that says what to do; what is no verdict on a certificate is `unreachable`. */
export function explainTls(code: string, whose: string): GodwitError {
  const times: Record<string, string> = {
    CERT_HAS_EXPIRED: 'has expired',
    CERT_NOT_YET_VALID: 'is not valid yet',
  }
  const time = times[code]
  if (time !== undefined) {
    return new GodwitError(
      'certificate-expired',
      `${whose} ${time}, by this machine's clock (${new Date().toISOString()}): set the clock right on both machines; if it is right, let the host join again (godwit host remove, then a new join token)`,
    )
  }
  if (/CERT|ISSUER|SIGNATURE|SELF_SIGNED|LEAF|CHAIN|CA_/.test(code)) {
    return new GodwitError(
      'untrusted-peer',
      `${whose} is not of this cluster's authority (${code}): is this the address of the cluster that the token, or this host, belongs to?`,
    )
  }
  return new GodwitError('unreachable', `no secured connection: ${code}`)
}

/** As Node writes them: `URI:godwit://c/host/a, DNS:a`. */
function urisOf(names: string | undefined): string[] {
  return (names ?? '')
    .split(', ')
    .filter((name) => name.startsWith('URI:'))
    .map((name) => name.slice('URI:'.length))
}
