/**
 * Who may come in: how tokens are written, what they and the audit log tell, and what those who belong to a cluster are called.
 *
 * A cluster is secured or it is not. In a secured one every connection is TLS 1.3, hosts and the coordinator show
 * certificates of the cluster's own authority, and whoever asks for something shows a token.
 */
import { z } from 'zod'
import { count, label } from './common.ts'
import { GodwitError } from './errors.ts'
import { LIMITS } from './limits.ts'
import { ROLES } from './roles.ts'

export const role = z.enum(ROLES)

/** `join` lets a host become a member, `api` lets somebody ask. */
export const tokenKind = z.enum(['join', 'api'])
export type TokenKind = z.infer<typeof tokenKind>

/** A token without its secret. */
export const tokenView = z.strictObject({
  id: label,
  kind: tokenKind,
  /** Of an API token. */
  role: role.optional(),
  /** For whom or what it is, as its maker wrote it. */
  name: label.optional(),
  /** Milliseconds since 1970, by the coordinator's clock. */
  createdAtMs: count,
  expiresAtMs: count,
  revokedAtMs: count.optional(),
})
export type TokenView = z.infer<typeof tokenView>

/** Who did what to which job: one line of the audit log. */
export const auditEntry = z.strictObject({
  /** Milliseconds since 1970, by the coordinator's clock. */
  atMs: count,
  /** A token's id, `host:<name>`, `local` where the cluster is not secured, or `unknown`. */
  who: z.string().max(LIMITS.maxNameLength),
  role: role.optional(),
  /** Where it came from, as the coordinator saw it. */
  address: z.string().max(LIMITS.maxNameLength),
  /** A request's name, or `join`, `register`, `renew`. */
  action: z.string().max(LIMITS.maxNameLength),
  workload: label.optional(),
  host: label.optional(),
  /** An id that it made or named: a migration's, a token's; the digest of the bundle that is run. */
  subject: z.string().max(LIMITS.maxNameLength).optional(),
  /** `asked` before it is done; then `ok`, or the kind of error that it was answered with. */
  outcome: z.string().max(LIMITS.maxNameLength),
})
export type AuditEntry = z.infer<typeof auditEntry>

/** A token as a person copies it. `authority` says whom to show it to: nobody but the coordinator of this cluster. */
export interface Token {
  readonly kind: TokenKind
  readonly id: string
  /** 32 bytes in base64url. */
  readonly secret: string
  /** SHA-256 of the certificate (DER) of the cluster's authority, in base64url. */
  readonly authority: string
}

const PREFIXES: Record<TokenKind, string> = { join: 'gwj1', api: 'gwa1' }
const TOKEN = /^(gwj1|gwa1)\.([a-z0-9]{4,32})\.([\w-]{43})\.([\w-]{43})$/

export function formatToken({ kind, id, secret, authority }: Token): string {
  return [PREFIXES[kind], id, secret, authority].join('.')
}

/** Errors: `bad-arguments`, without a character of what was given: most of a mistyped secret is still a secret. */
export function parseToken(text: string, kind: TokenKind): Token {
  const [, prefix, id, secret, authority] =
    (text.length <= LIMITS.maxTokenLength ? TOKEN.exec(text.trim()) : null) ?? []
  if (id === undefined || secret === undefined || authority === undefined) {
    throw new GodwitError(
      'bad-arguments',
      'this is no token: one begins with gwj1. or gwa1. and has four parts; copy all of it',
    )
  }
  if (prefix !== PREFIXES[kind]) {
    throw new GodwitError(
      'bad-arguments',
      kind === 'join'
        ? 'this is an API token: a host joins with a join token (godwit token create)'
        : 'this is a join token: requests need an API token (godwit token create --role operator)',
    )
  }
  return { kind, id, secret, authority }
}

/** What a certificate says its bearer is: a URI in its subject alternative names. */
export function coordinatorUri(clusterId: string): string {
  return `godwit://${clusterId}/coordinator`
}

export function hostUri(clusterId: string, host: string): string {
  return `godwit://${clusterId}/host/${host}`
}

const URI = /^godwit:\/\/([A-Za-z0-9][\w.-]*)\/(?:(coordinator)|host\/([A-Za-z0-9][\w.-]*))$/

/** Undefined for what is no such URI; without a host it is the coordinator's. */
export function parseUri(uri: string): { readonly clusterId: string; readonly host?: string } | undefined {
  const [, clusterId, , host] = URI.exec(uri) ?? []
  if (clusterId === undefined) return undefined
  return host === undefined ? { clusterId } : { clusterId, host }
}
