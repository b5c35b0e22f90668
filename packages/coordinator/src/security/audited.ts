/** What of a request stands in the audit log: who, what, which job. Never its parameters, options or tokens. */
import {
  type AuditEntry,
  type ClientOp,
  type ClientRequest,
  type ErrorKind,
  GodwitError,
  LIMITS,
  type Role,
} from '@godwit/protocol'

/** What changes nothing is not written down, unless it was refused. Whatever is new counts as a change until it stands here. */
const READS: ReadonlySet<ClientOp> = new Set<ClientOp>([
  'hosts',
  'workloads',
  'workload',
  'follow',
  'followLogs',
  'unfollow',
  'watch',
  'watchPages',
  'unwatchPages',
  'tasks',
  'session',
  'events',
  'migration',
  'estimate',
  'preflight',
  'history',
  'logs',
  'rules',
  'curve',
  'maintenance',
  'tokens',
  'audit',
])

export const REFUSALS: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  'unauthorized',
  'forbidden',
  'token-expired',
  'token-revoked',
])

/** The outcome of what is about to be done. */
export const ASKED = 'asked'

/** Whether a line must be on disk before it is done, and one before it is answered. */
export function isChange(request: ClientRequest): boolean {
  return !READS.has(request.op)
}

export interface Asker {
  readonly who: string
  readonly role: Role
  readonly address: string
}

/** `result` is what it was answered with, or the error. */
export function auditOf(
  request: ClientRequest,
  { who, role, address }: Asker,
  result: unknown,
  atMs: number,
): AuditEntry {
  const asked = request as {
    workload?: string
    host?: string
    to?: string
    token?: string
    id?: string
    bundle?: { digest: string }
  }
  const made = (result instanceof GodwitError ? {} : (result ?? {})) as {
    workload?: { id: string; host: string }
    migration?: { id: string; to: string }
    view?: { id: string }
  }
  const workload = asked.workload ?? made.workload?.id ?? (request.op === 'run' ? request.id : undefined)
  const chosen =
    request.op === 'run' ? made.workload?.host : request.op === 'migrate' ? made.migration?.to : undefined
  const host = asked.host ?? asked.to ?? chosen
  const subject = made.migration?.id ?? made.view?.id ?? asked.token ?? asked.bundle?.digest
  return {
    atMs,
    who,
    role,
    address,
    action: request.op,
    ...(workload !== undefined && { workload }),
    ...(host !== undefined && { host }),
    ...(subject !== undefined && { subject }),
    outcome: outcomeOf(result),
  }
}

/** What a host is called in the log. */
export function whoOf(host: string): string {
  return `host:${host}`.slice(0, LIMITS.maxNameLength)
}

/** The line before it is done: whatever becomes of its outcome, that it was begun is on disk. */
export function intentOf(request: ClientRequest, asker: Asker, atMs: number): AuditEntry {
  return { ...auditOf(request, asker, undefined, atMs), outcome: ASKED }
}

/** `ok`, or the kind of an error. */
export function outcomeOf(result: unknown): string {
  if (result instanceof GodwitError) return result.kind
  return result instanceof Error ? 'internal' : 'ok'
}
