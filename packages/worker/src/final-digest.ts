/** What `final` says of itself, so that a small state that arrives is the one that was sent. */
import { createHash } from 'node:crypto'

/** SHA-256 in hex of the small state, followed by the delta's values if there is one. */
export function finalDigest(smallState: Uint8Array, deltaValues: Uint8Array | undefined): string {
  const hash = createHash('sha256').update(smallState)
  return (deltaValues === undefined ? hash : hash.update(deltaValues)).digest('hex')
}
