/** `cancel` a migration, `stop` a workload, `rm` one that is over. */
import { renderWorkload } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'

export async function cancel({ client, io, json }: Session, workload: string): Promise<number> {
  const reply = await client.request({ op: 'cancel', workload })
  const { from, to, status, waitingFor } = reply.migration
  if (json) printJson(io, reply)
  else
    io.out(
      `${workload}: ${from} -> ${to} ${status}${waitingFor === undefined ? '' : `, waiting for ${waitingFor}`}`,
    )
  return 0
}

export async function stop({ client, io, json }: Session, workload: string): Promise<number> {
  const reply = await client.request({ op: 'stop', workload })
  if (json) printJson(io, reply)
  else io.out(renderWorkload(reply.workload))
  return 0
}

export async function remove({ client, io, json }: Session, workload: string): Promise<number> {
  const reply = await client.request({ op: 'forget', workload })
  if (json) printJson(io, reply)
  else io.out(`${workload} is forgotten`)
  return 0
}
