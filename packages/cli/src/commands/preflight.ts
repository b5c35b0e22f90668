/** `migrate --dry-run`: all that a move would meet, and nothing moves. */
import { LIMITS } from '@godwit/protocol'
import { migrationOptionsOf } from '../migration-options.ts'
import { renderPlacement } from '../render/placement.ts'
import { renderPreflight } from '../render/preflight.ts'
import { printJson, type Session } from '../session.ts'
import type { MigrateOptions } from './migrate.ts'

/** 0 when nothing blocks the move, 1 when something does: a script can decide by it. */
export async function preflight(
  { client, io, json }: Session,
  workload: string,
  { to, explain, ...chosen }: MigrateOptions,
): Promise<number> {
  const options = migrationOptionsOf(chosen)
  const reply = await client.request(
    {
      op: 'preflight',
      workload,
      ...(to !== undefined && { to }),
      options,
      ...(explain === true && { explain }),
    },
    LIMITS.preflightTimeoutMs,
  )
  if (json) printJson(io, reply)
  else {
    const placement = renderPlacement(reply.placement ?? [])
    for (const line of [
      ...placement,
      ...(placement.length === 0 ? [] : ['']),
      ...renderPreflight(reply.preflight),
    ])
      io.out(line)
  }
  return reply.preflight.checks.some(({ verdict }) => verdict === 'blocker') ? 1 : 0
}
