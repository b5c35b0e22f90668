/**
 * Downtime in its parts, on one clock.
 *
 * Invariant: the parts are differences of successive instants, so they add up to the downtime by construction, and
 * none is negative. Instants of the target are moved to the source's clock by the offset; where the offset's error
 * would put an instant before its cause, it is set to its cause.
 */
import type { DowntimeParts } from '@godwit/protocol'

/** Instants of the source's clock, in the order in which they happen. */
export interface SourceInstants {
  readonly parkedMs: number
  /** The pager is awake. */
  readonly awakeMs: number
  readonly scannedMs: number
  /** `final`, the last byte, was handed to the socket. */
  readonly sentMs: number
}

/** Instants of the target's clock. */
export interface TargetInstants {
  readonly installedMs: number
  /** The thread goes on. */
  readonly runningMs: number
  /** What the thread then waited for its claim. */
  readonly claimWaitMs: number
}

export function downtimeParts(
  source: SourceInstants,
  target: TargetInstants,
  offsetMs: number,
): DowntimeParts {
  const installedMs = Math.max(source.sentMs, target.installedMs - offsetMs)
  const runningMs = Math.max(installedMs, target.runningMs - offsetMs)
  return {
    parkMs: Math.max(0, source.awakeMs - source.parkedMs),
    finalScanMs: source.scannedMs - source.awakeMs,
    finalSendMs: source.sentMs - source.scannedMs,
    installMs: installedMs - source.sentMs,
    claimMs: target.claimWaitMs,
    resumeMs: runningMs - installedMs,
  }
}

export function totalDowntimeMs(parts: DowntimeParts): number {
  return (
    parts.parkMs + parts.finalScanMs + parts.finalSendMs + parts.installMs + parts.claimMs + parts.resumeMs
  )
}
