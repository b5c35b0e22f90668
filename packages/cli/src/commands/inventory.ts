/** `hosts`, `ps` and `history`: what there is, once or again and again, and what has moved. */
import { setTimeout as delay } from 'node:timers/promises'
import type { CoordinatorClient } from '@godwit/client'
import { allHosts, allMoves, allWorkloads, throughLosses } from '@godwit/client'
import { renderHistory } from '../render/history.ts'
import { renderDetails, renderHosts, renderWorkloads } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'

export interface WatchOptions {
  watch?: boolean
}

const WATCH_MS = 2_000

interface Shown {
  readonly json: object
  readonly lines: readonly string[]
}

export async function hosts(session: Session, { watch }: WatchOptions): Promise<number> {
  return show(session, watch, async (client) => {
    const hosts = await allHosts(client)
    return { json: { hosts }, lines: renderHosts(hosts) }
  })
}

/** All of them in a table, or everything about one. */
export async function ps(
  session: Session,
  workload: string | undefined,
  { watch }: WatchOptions,
): Promise<number> {
  return show(session, watch, async (client) => {
    if (workload !== undefined) {
      const reply = await client.request({ op: 'workload', workload })
      return { json: reply, lines: renderDetails(reply.workload, Date.now()) }
    }
    const workloads = await allWorkloads(client)
    return { json: { workloads }, lines: renderWorkloads(workloads, Date.now()) }
  })
}

export async function history(session: Session, workload: string): Promise<number> {
  return show(session, false, async (client) => {
    const moves = await allMoves(client, workload)
    return { json: { moves }, lines: renderHistory(workload, moves) }
  })
}

/** Watched, it goes on until the person has seen enough: each look follows the one before, with an empty line between. */
export async function show(
  session: Session,
  watch: boolean | undefined,
  look: (client: CoordinatorClient) => Promise<Shown>,
): Promise<number> {
  const { io, json } = session
  const once = async (client: CoordinatorClient): Promise<void> => {
    const shown = await look(client)
    if (json) printJson(io, shown.json)
    else for (const line of shown.lines) io.out(line)
  }
  if (watch !== true) {
    await once(session.client)
    return 0
  }
  return throughLosses(session, async (client) => {
    for (;;) {
      await once(client)
      if (!json) io.out('')
      await delay(WATCH_MS, undefined, { signal: io.interrupted })
    }
  })
}
