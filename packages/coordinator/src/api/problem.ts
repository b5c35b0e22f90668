/** Errors as HTTP has them: a status, and a body that says the kind, the sentence and what the kind means (RFC 9457). */
import { ERROR_KINDS, type ErrorKind, type Problem, toErrorReport } from '@godwit/protocol'

/** What is not here is at odds with how things are: 409. */
const STATUSES: { readonly [Kind in ErrorKind]?: number } = {
  'bad-arguments': 400,
  'bad-message': 400,
  'bad-checksum': 400,
  unauthorized: 401,
  'token-expired': 401,
  'token-revoked': 401,
  forbidden: 403,
  'untrusted-peer': 403,
  insecure: 403,
  'unknown-workload': 404,
  'unknown-host': 404,
  'unknown-migration': 404,
  'bundle-missing': 404,
  'too-large': 413,
  'program-missing': 422,
  'program-invalid': 422,
  'program-failed': 422,
  'data-missing': 422,
  'too-busy': 429,
  internal: 500,
  'store-unusable': 503,
  'host-disconnected': 503,
  'connection-lost': 503,
  'peer-stalled': 504,
  'setup-timeout': 504,
  'disk-full': 507,
}

export function statusOf(kind: ErrorKind): number {
  return STATUSES[kind] ?? 409
}

/** Of a bug nothing but that it was one: what it says is for our log. */
export function problemOf(error: unknown, status?: number): Problem {
  const { kind, message, phase } = toErrorReport(error)
  return {
    type: `urn:godwit:error:${kind}`,
    title: ERROR_KINDS[kind],
    status: status ?? statusOf(kind),
    detail: kind === 'internal' ? 'a bug in the coordinator: its log says more' : message,
    kind,
    ...(phase !== undefined && { phase }),
  }
}
