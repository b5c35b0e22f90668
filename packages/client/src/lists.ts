/** Lists come a page at a time, so that none is longer than a message: here they are asked for to their end. */
import {
  GodwitError,
  type HostView,
  type MoveEntry,
  type TokenView,
  type WorkloadView,
} from '@godwit/protocol'
import type { CoordinatorClient } from './client.ts'

type Client = Pick<CoordinatorClient, 'request'>

export function allHosts(client: Client): Promise<HostView[]> {
  return pages(
    (after) => client.request({ op: 'hosts', ...after }),
    ({ hosts }) => hosts,
  )
}

/** Oldest first. */
export function allMoves(client: Client, workload: string): Promise<MoveEntry[]> {
  return pages(
    (after) => client.request({ op: 'history', workload, ...after }),
    ({ moves }) => moves,
  )
}

export function allWorkloads(client: Client): Promise<WorkloadView[]> {
  return pages(
    (after) => client.request({ op: 'workloads', ...after }),
    ({ workloads }) => workloads,
  )
}

/** Oldest first. */
export async function allTokens(client: Client): Promise<TokenView[]> {
  const tokens = await pages(
    (after) => client.request({ op: 'tokens', ...after }),
    ({ tokens }) => tokens,
  )
  return tokens.sort((a, b) => a.createdAtMs - b.createdAtMs)
}

/** Errors: those of `ask`, `bad-message` for a list that goes back. */
async function pages<Answer extends { next?: string | undefined }, View>(
  ask: (page: { after?: string }) => Promise<Answer>,
  viewsOf: (answer: Answer) => View[],
): Promise<View[]> {
  const all: View[] = []
  const asked = new Set<string>()
  let after: string | undefined
  for (;;) {
    const answer = await ask(after === undefined ? {} : { after })
    all.push(...viewsOf(answer))
    after = answer.next
    if (after === undefined) return all
    if (asked.has(after))
      throw new GodwitError('bad-message', 'the coordinator gave the same page of a list again')
    asked.add(after)
  }
}
