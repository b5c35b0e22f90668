/** `hosts` and `ps`: what there is. */
import { renderHosts, renderWorkloads } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'

export async function hosts({ client, io, json }: Session): Promise<number> {
  const reply = await client.request({ op: 'hosts' })
  if (json) printJson(io, reply)
  else for (const line of renderHosts(reply.hosts)) io.out(line)
  return 0
}

export async function ps({ client, io, json }: Session): Promise<number> {
  const reply = await client.request({ op: 'workloads' })
  if (json) printJson(io, reply)
  else for (const line of renderWorkloads(reply.workloads)) io.out(line)
  return 0
}
