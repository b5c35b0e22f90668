/** `hosts` and `ps`: what there is. */
import { renderDetails, renderHosts, renderWorkloads } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'

export async function hosts({ client, io, json }: Session): Promise<number> {
  const reply = await client.request({ op: 'hosts' })
  if (json) printJson(io, reply)
  else for (const line of renderHosts(reply.hosts)) io.out(line)
  return 0
}

/** All of them in a table, or everything about one. */
export async function ps({ client, io, json }: Session, workload: string | undefined): Promise<number> {
  if (workload !== undefined) {
    const reply = await client.request({ op: 'workload', workload })
    if (json) printJson(io, reply)
    else for (const line of renderDetails(reply.workload)) io.out(line)
    return 0
  }
  const reply = await client.request({ op: 'workloads' })
  if (json) printJson(io, reply)
  else for (const line of renderWorkloads(reply.workloads)) io.out(line)
  return 0
}
