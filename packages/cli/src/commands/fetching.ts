/** How far a host is that fetches a job's program and data, while whoever started the job waits for it. */
import { setTimeout as delay } from 'node:timers/promises'
import { LIMITS, type WorkloadView } from '@godwit/protocol'
import { renderFetching } from '../render/progress.ts'
import type { Session } from '../session.ts'

/** Settles as `asked` does. What goes wrong with asking how far it is shows nothing, and goes wrong where it matters, too. */
export async function showFetching<T>(
  { client, io }: Session,
  workload: string,
  asked: Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const { signal } = over
  const settled = asked.finally(() => over.abort())
  settled.catch(() => {})
  while (!signal.aborted) {
    await delay(LIMITS.fetchingEveryMs, undefined, { signal }).catch(() => {})
    if (signal.aborted || !client.isOpen) break
    const { fetching, host } = await client.request({ op: 'workload', workload }).then(
      (reply): Partial<WorkloadView> => reply.workload,
      (): Partial<WorkloadView> => ({}),
    )
    if (fetching !== undefined && !signal.aborted) io.live(`${host} fetches  ${renderFetching(fetching)}`)
  }
  return settled
}
