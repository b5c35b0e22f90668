/** What the page makes of moves: which are over, and how they are called in words that people use. */
import type { MigrationStatus } from '@godwit/protocol'

const ENDED: ReadonlySet<string> = new Set<MigrationStatus>(['completed', 'cancelled', 'failed'])

/** Nothing follows. */
export function isEnded(status: string): boolean {
  return ENDED.has(status)
}
