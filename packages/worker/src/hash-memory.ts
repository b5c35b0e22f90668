/**
 * Hashes paged memory that nobody writes, a stretch at a time: a gigabyte takes most of a second, in which the pager
 * must hear a cancel and answer a heartbeat.
 */
import { createHash } from 'node:crypto'
import { nowMs } from './clock.ts'

/** Ten milliseconds of the pager's time. */
const STRETCH_BYTES = 16 * 1024 * 1024

/** SHA-256 in hex, the same as `arenaDigest`'s. */
export async function hashMemory(paged: Uint8Array): Promise<{ digest: string; verifyMs: number }> {
  const beganMs = nowMs()
  const hash = createHash('sha256')
  for (let at = 0; at < paged.length; at += STRETCH_BYTES) {
    hash.update(paged.subarray(at, at + STRETCH_BYTES))
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  return { digest: hash.digest('hex'), verifyMs: nowMs() - beganMs }
}
