/** `estimate`: what a migration would cost, before anything moves. */
import type { MigrationOptions } from '@godwit/protocol'
import { migrationOptionsOf } from '../migration-options.ts'
import { renderEstimate } from '../render/estimate.ts'
import { printJson, type Session } from '../session.ts'

export type EstimateOptions = Partial<MigrationOptions> & { to: string }

/** 0 when the migration would converge, 1 when not: a script can decide by it. */
export async function estimate(
  { client, io, json }: Session,
  workload: string,
  { to, ...chosen }: EstimateOptions,
): Promise<number> {
  const reply = await client.request({ op: 'estimate', workload, to, options: migrationOptionsOf(chosen) })
  if (json) printJson(io, reply)
  else for (const line of renderEstimate(reply.estimate)) io.out(line)
  return reply.estimate.converges ? 0 : 1
}
