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
    ({ name }) => name,
  )
}

/** Oldest first. */
export function allMoves(client: Client, workload: string): Promise<MoveEntry[]> {
  return pages(
    (after) => client.request({ op: 'history', workload, ...after }),
    ({ moves }) => moves,
    ({ id }) => id,
    false,
  )
}

export function allWorkloads(client: Client): Promise<WorkloadView[]> {
  return pages(
    (after) => client.request({ op: 'workloads', ...after }),
    ({ workloads }) => workloads,
    ({ id }) => id,
  )
}

/** Oldest first. */
export async function allTokens(client: Client): Promise<TokenView[]> {
  const tokens = await pages(
    (after) => client.request({ op: 'tokens', ...after }),
    ({ tokens }) => tokens,
    ({ id }) => id,
  )
  return tokens.sort((a, b) => a.createdAtMs - b.createdAtMs)
}

/** Errors: those of `ask`, `bad-message` for a page that goes back. */
async function pages<Reply extends { more?: true | undefined }, View>(
  ask: (after: { after?: string }) => Promise<Reply>,
  viewsOf: (reply: Reply) => View[],
  nameOf: (view: View) => string,
  isByName = true,
): Promise<View[]> {
  const all: View[] = []
  const ends = new Set<string>()
  let last: string | undefined
  for (;;) {
    const reply = await ask(last === undefined ? {} : { after: last })
    const views = viewsOf(reply)
    all.push(...views)
    const latest = views.at(-1)
    if (reply.more !== true) return all
    if (
      latest === undefined ||
      (last !== undefined && (isByName ? nameOf(latest) <= last : ends.has(nameOf(latest))))
    )
      throw new GodwitError('bad-message', 'the coordinator gave the same page of a list again')
    last = nameOf(latest)
    ends.add(last)
  }
}
