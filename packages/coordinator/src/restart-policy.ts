/**
 * Whether a job whose worker is lost is started again, and when.
 *
 * What befell the worker from outside need not happen again: its process was killed, its host went down, a peer was
 * gone. What the program did itself would happen again, bit for bit, and the host that lacks its data lacks it still: those
 * end the job, with the reason. A job that is lost again and again without a step in between is as good as one that fails by itself.
 *
 * A restart that fails because the host's disk is full says nothing of the job: it is tried for as long as somebody may need to free
 * some space, and counts as none.
 *
 * Invariant: between two newly accepted steps a job is restarted at most `maxRestarts` times, each time after a longer while, and for
 * `maxDiskFullMs` where the disk is full.
 */
import { type ErrorKind, LIMITS } from '@godwit/protocol'

/** Those of losing a worker that came from outside of the job; `internal` is a bug in Godwit, which is not the job's fault either. */
const RESTARTABLE: ReadonlySet<ErrorKind> = new Set([
  'worker-crashed',
  'host-disconnected',
  'connection-lost',
  'peer-stalled',
  'internal',
])

export interface RestartCount {
  /** Ever. */
  readonly total: number
  /** Since the last newly accepted step. */
  readonly inARow: number
  /** Accepted steps as the latest one began. */
  readonly acceptedSteps: number
  /** While the disk is full: since when, by the calendar, and how often it was tried. */
  readonly diskFull?: { readonly sinceMs: number; readonly tries: number } | undefined
}

export const NO_RESTARTS: RestartCount = { total: 0, inARow: 0, acceptedSteps: 0 }

export function isRestartable(kind: ErrorKind): boolean {
  return RESTARTABLE.has(kind)
}

/** The count with one more restart after `kind`, or undefined when there were enough of them. */
export function nextRestart(
  count: RestartCount,
  { acceptedSteps, kind, calendarMs }: { acceptedSteps: number; kind: ErrorKind; calendarMs: number },
): RestartCount | undefined {
  const inARow = acceptedSteps > count.acceptedSteps ? 0 : count.inARow
  const total = count.total + 1
  if (kind === 'disk-full') {
    const { sinceMs, tries } = count.diskFull ?? { sinceMs: calendarMs, tries: 0 }
    if (calendarMs - sinceMs >= LIMITS.maxDiskFullMs) return undefined
    return { total, inARow, acceptedSteps, diskFull: { sinceMs, tries: tries + 1 } }
  }
  if (inARow >= LIMITS.maxRestarts) return undefined
  return { total, inARow: inARow + 1, acceptedSteps }
}

/** Before the restart that `count` ends with. */
export function restartDelayMs({ inARow, diskFull }: RestartCount): number {
  const doublings = diskFull === undefined ? inARow - 2 : diskFull.tries - 1
  if (doublings < 0) return 0
  return Math.min(LIMITS.maxRestartDelayMs, LIMITS.restartDelayMs * 2 ** doublings)
}
