/**
 * Every way in which the world can go wrong, by name. A kind is what code decides on, the sentence is what a
 * person reads; bugs are not here, they are assertions.
 *
 * Kinds travel on the wire and stand in reports: they are added, never renamed or reused.
 */

/** Each kind with the one sentence that explains it. */
export const ERROR_KINDS = {
  'bad-arguments': 'What was asked for makes no sense as written.',
  'unknown-workload': 'No workload has this id.',
  'unknown-host': 'No host is registered under this name.',
  'unknown-migration': 'No migration of this workload is under way.',
  'host-disconnected': 'The host is known but its agent is not connected.',
  'in-maintenance': 'The host takes no jobs: it is in maintenance.',
  'no-host-fits': 'No host may take the job.',
  'cannot-evacuate': 'Some jobs of the host can go nowhere.',
  'host-name-taken': 'Another agent is connected under this name.',
  'already-there': 'The workload runs on that host already.',
  'already-migrating': 'The workload has a migration under way.',
  'not-running': 'The workload has ended or has not started yet.',
  unreachable: 'Nobody answered at that address.',
  'port-in-use': 'Another process listens on that port.',
  'folder-in-use': 'Another process works in that folder.',
  'disk-full': 'A file could not be written: the disk is full.',
  'program-missing': 'The host has no such program.',
  'program-invalid': 'The module is not a program or breaks the program contract.',
  'program-failed': 'The program threw.',
  'loss-not-finite': 'The loss became NaN or infinite.',
  'data-missing': 'The host lacks a data file that the program reads.',
  'bundle-missing': 'Parts of the bundle that holds the program and its data are not there.',
  'worker-crashed': 'The worker process ended without saying why.',
  'checkpoint-failed': 'The checkpoint could not be written: the one before is still there.',
  'checkpoint-unusable': "The checkpoint is missing, torn, or another job's.",
  'memory-differs': 'Paged memory at the target is not what it was at the source.',
  'other-cluster': 'The coordinator keeps another cluster than the one this host belongs to.',
  'store-unusable': "The coordinator's store cannot be read or written.",
  'program-differs': 'The target has another version of the program or of a package it imports.',
  'parameters-differ': 'The target was started with other parameters.',
  'data-differs': 'The target has other bytes in a data file.',
  'layout-differs': 'The target laid its tensors out differently.',
  'bits-differ': 'The target computes other bits from the same start.',
  'protocol-version': 'The two sides speak no common protocol version.',
  'out-of-memory': 'The host has too little memory for the workload.',
  unauthorized: 'The secret is wrong, expired or used already.',
  forbidden: 'The role of the token, or the operator of the host, does not allow it.',
  'token-expired': 'The token was good until a time that has passed.',
  'token-revoked': 'The token, or the membership of the host, was revoked.',
  insecure: 'Off loopback connections are secured, unless --insecure is typed.',
  'untrusted-peer': 'The peer showed no certificate of this cluster.',
  'certificate-expired': 'A certificate is not valid at this time: expired, or one of the clocks is wrong.',
  'wrong-peer': 'The peer belongs to the cluster and is somebody else than was called.',
  'too-busy': 'Too many connections or requests at once.',
  'bad-message': 'A message did not match its schema.',
  'bad-frame': 'A bulk frame was malformed.',
  'bad-checksum': 'Bytes arrived that are not those that were sent.',
  'out-of-range': 'A page number lies outside the arena.',
  'out-of-order': 'A frame or message came at the wrong time.',
  'too-large': 'A length is above its limit.',
  'connection-lost': 'The connection closed before its work was done.',
  'peer-stalled': 'The peer is connected but made no progress for too long.',
  'setup-timeout': 'The migration was not set up in time.',
  'not-converging': 'The pages were written faster than they could be sent.',
  'workload-ended': 'The workload ended before it could move.',
  'claim-refused': 'The coordinator did not grant the claim: another epoch owns the workload.',
  cancelled: 'A person asked for it to stop.',
  internal: 'A bug in Godwit: an assertion failed.',
} as const

export type ErrorKind = keyof typeof ERROR_KINDS

export const ERROR_KIND_NAMES = Object.keys(ERROR_KINDS) as [ErrorKind, ...ErrorKind[]]

/** Characters of an error's sentence that travel. */
export const MAX_ERROR_LENGTH = 4000

/** An error of the world: a kind, a sentence that says what to do where something can be done, the values that matter. */
export class GodwitError extends Error {
  override readonly name = 'GodwitError'
  readonly kind: ErrorKind
  /** Where in a migration it happened, e.g. `setup` or `active`; undefined outside of one. */
  readonly phase: string | undefined

  constructor(kind: ErrorKind, message: string, options: { cause?: unknown; phase?: string } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.kind = kind
    this.phase = options.phase
  }
}

/** What another process is told of an error: no stack, no path of ours. */
export interface ErrorReport {
  kind: ErrorKind
  message: string
  phase?: string | undefined
}

/** Any thrown value as a report. What is not a `GodwitError` is a bug or a library's error: `fallback` names it. */
export function toErrorReport(error: unknown, fallback: ErrorKind = 'internal'): ErrorReport {
  const text = error instanceof Error ? error.message : String(error)
  const message = text.length > MAX_ERROR_LENGTH ? `${text.slice(0, MAX_ERROR_LENGTH - 1)}…` : text
  if (!(error instanceof GodwitError)) return { kind: fallback, message }
  const { kind, phase } = error
  return phase === undefined ? { kind, message } : { kind, message, phase }
}

export function fromErrorReport({ kind, message, phase }: ErrorReport): GodwitError {
  return new GodwitError(kind, message, phase === undefined ? {} : { phase })
}
