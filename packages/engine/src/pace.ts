/**
 * When the next bytes may leave, so that a link is given no more than its share.
 *
 * Intuition: bytes that have left are owed to the link, which takes them back at the rate. While little is owed the next frame may
 * go; else it waits until little is. Little is what the rate carries in a few milliseconds, because a timer is late by as much: a
 * frame that was kept too long is caught up with, and nothing else is. (Virtual scheduling, as in the GCRA of ITU-T I.371; kept in
 * bytes and not in time, so that the rate may change at any moment without bytes being forgiven.)
 *
 * Invariant: over any window the bytes let go are at most what the rate carries in it, LIMITS.paceBurstMs more of the
 * highest rate, and one frame.
 */
import { LIMITS } from '@godwit/protocol'

export interface Pace {
  /** Undefined: no limit. */
  readonly bytesPerMs: number | undefined
  readonly owedBytes: number
  /** The instant at which so much was owed. */
  readonly asOfMs: number
}

export function unpaced(nowMs: number): Pace {
  return { bytesPerMs: undefined, owedBytes: 0, asOfMs: nowMs }
}

/** From `nowMs` on this rate holds. What is owed stays owed, and is worked off at the new one. */
export function atRate(pace: Pace, bytesPerMs: number | undefined, nowMs: number): Pace {
  return { bytesPerMs, owedBytes: owedBytes(pace, nowMs), asOfMs: nowMs }
}

/** How long until the next bytes may leave; 0 and less: now. */
export function waitMs(pace: Pace, nowMs: number): number {
  if (pace.bytesPerMs === undefined) return 0
  return owedBytes(pace, nowMs) / pace.bytesPerMs - LIMITS.paceBurstMs
}

/** `bytes` leave at `nowMs`. */
export function letGo(pace: Pace, bytes: number, nowMs: number): Pace {
  if (pace.bytesPerMs === undefined) return pace
  return { ...pace, owedBytes: owedBytes(pace, nowMs) + bytes, asOfMs: nowMs }
}

function owedBytes({ bytesPerMs, owedBytes, asOfMs }: Pace, nowMs: number): number {
  if (bytesPerMs === undefined) return 0
  return Math.max(0, owedBytes - bytesPerMs * Math.max(0, nowMs - asOfMs))
}
