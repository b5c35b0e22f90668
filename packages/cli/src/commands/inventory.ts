/** `hosts` and `ps`: what there is. */
import { allHosts, allWorkloads } from '../lists.ts'
import { renderDetails, renderHosts, renderWorkloads } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'

export async function hosts({ client, io, json }: Session): Promise<number> {
  const hosts = await allHosts(client)
  if (json) printJson(io, { hosts })
  else for (const line of renderHosts(hosts)) io.out(line)
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
  const workloads = await allWorkloads(client)
  if (json) printJson(io, { workloads })
  else for (const line of renderWorkloads(workloads)) io.out(line)
  return 0
}
