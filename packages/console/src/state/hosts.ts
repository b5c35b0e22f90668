/** What the page makes of hosts: how one is doing, and whether it takes jobs. */
import type { HostView } from '@godwit/protocol'
import type { Tone } from './jobs.ts'

export const HOST_TONES: Record<HostView['state'], Tone> = {
  connected: 'ok',
  maintenance: 'warn',
  disconnected: 'bad',
}

const CLOSED: Partial<Record<HostView['state'], string>> = {
  disconnected: 'Its agent is not connected.',
  maintenance: 'It is in maintenance, and takes no jobs.',
}

/** Why it takes no job now, whichever. */
export function whyClosed({ state }: Pick<HostView, 'state'>): string | undefined {
  return CLOSED[state]
}
