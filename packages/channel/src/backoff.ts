/** Delays between attempts at a peer that is gone: they grow, and are spread at random so that a thousand do not return at the same instant. */
import { LIMITS } from '@godwit/protocol'

/**
 * How long to wait after `failures` failed attempts: doubled each time up to the limit, and of that a part between
 * half and all, `random` from 0 to 1.
 */
export function reconnectDelayMs(failures: number, random: number = Math.random()): number {
  const fullMs = Math.min(LIMITS.maxReconnectDelayMs, LIMITS.reconnectDelayMs * 2 ** Math.min(failures, 20))
  return fullMs * (0.5 + random / 2)
}
