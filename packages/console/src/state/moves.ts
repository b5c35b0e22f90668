/** What the page makes of moves: which are over, and what they wait for. */
import type { MigrationStatus } from '@godwit/protocol'

const ENDED: ReadonlySet<string> = new Set<MigrationStatus>(['completed', 'cancelled', 'failed'])

/** Nothing follows. */
export function isEnded(status: string): boolean {
  return ENDED.has(status)
}

/** What it waits for, without the command that would end it: here it is ended by a button. */
export function waitText(waitingFor: string): string {
  return waitingFor.replace(/[:,] godwit \S+ \S+$/, '')
}
