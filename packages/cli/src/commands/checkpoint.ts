/** `checkpoint`: write one now, and say what it cost. */
import { LIMITS } from '@godwit/protocol'
import { renderCheckpoint } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'

export async function checkpoint({ client, io, json }: Session, workload: string): Promise<number> {
  // Its own limit is the coordinator's to watch over, which then says why.
  const timeoutMs = LIMITS.checkpointTimeoutMs + LIMITS.requestTimeoutMs
  const reply = await client.request({ op: 'checkpoint', workload }, timeoutMs)
  if (json) printJson(io, reply)
  else io.out(`${workload}: ${renderCheckpoint(reply.checkpoint)}`)
  return 0
}
