/** `hold` a migration before its switchover, and let it go again: `switchover`; `pause` it, and let it go on: `resume`. */
import { renderProgress } from '../render/progress.ts'
import { printJson, type Session } from '../session.ts'

export async function hold({ client, io, json }: Session, workload: string): Promise<number> {
  const reply = await client.request({ op: 'hold', workload })
  if (json) printJson(io, reply)
  else io.out(`${renderProgress(reply.migration)}; it is held: godwit switchover ${workload} lets it go`)
  return 0
}

/** Of one that is not ready yet: it goes when it is. */
export async function switchover({ client, io, json }: Session, workload: string): Promise<number> {
  const reply = await client.request({ op: 'switchover', workload })
  if (json) printJson(io, reply)
  else io.out(renderProgress(reply.migration))
  return 0
}

export async function pause({ client, io, json }: Session, workload: string): Promise<number> {
  const reply = await client.request({ op: 'pause', workload })
  if (json) printJson(io, reply)
  else io.out(renderProgress(reply.migration))
  return 0
}

/** Of one that is not paused: it goes on as before. */
export async function resume({ client, io, json }: Session, workload: string): Promise<number> {
  const reply = await client.request({ op: 'resume', workload })
  if (json) printJson(io, reply)
  else io.out(renderProgress(reply.migration))
  return 0
}
