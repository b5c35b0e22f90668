/**
 * `maintenance`: empty a host and keep it empty, look at how far it is, give it its jobs back.
 *
 * Whoever waits asks again and again: what becomes of it is the coordinator's, and goes on without us.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { CoordinatorClient } from '@godwit/client'
import { throughLosses } from '@godwit/client'
import type { MaintenanceView } from '@godwit/protocol'
import { renderMaintenance, renderMaintenanceLine, renderStuck } from '../render/maintenance.ts'
import { plural } from '../render/units.ts'
import { printJson, type Session } from '../session.ts'

const LOOK_MS = 300

export interface EnterOptions {
  wait: boolean
  force?: boolean
}

/** 0 once the host is empty, or without waiting once it is written down; 1 when jobs stay that can't go. */
export async function enterMaintenance(
  session: Session,
  host: string,
  { wait, force = false }: EnterOptions,
): Promise<number> {
  const { io, json } = session
  const hint = () => io.err(`the evacuation goes on; to end it: godwit maintenance exit ${host}`)
  let isHeard = false
  const view = await throughLosses(session, async (client) => {
    const { maintenance, already } = await client.request({ op: 'enterMaintenance', host, force })
    // Asked again after a loss, it is entered already, by us.
    if (already && !isHeard && !json) io.err(`${host} is in maintenance already`)
    if (!isHeard && wait) io.interrupted.addEventListener('abort', hint)
    isHeard = true
    return wait ? watched(session, client, maintenance) : maintenance
  }).finally(() => io.interrupted.removeEventListener('abort', hint))
  if (json) printJson(io, { maintenance: view })
  else if (wait) for (const line of renderStuck(view)) io.err(line)
  if (!wait) {
    if (!json) io.out(renderMaintenanceLine(view))
    return 0
  }
  if (view.phase === 'evacuated') {
    if (!json)
      io.out(`${host} is empty: ${plural(view.moved, 'job')} left, and none comes until its maintenance ends`)
    return 0
  }
  if (!json && view.phase !== 'evacuating') io.err(`the maintenance of ${host} was ended meanwhile`)
  return 1
}

export interface ExitOptions {
  wait: boolean
  return?: boolean
}

/** 1 when jobs that were to come back could not. */
export async function exitMaintenance(
  session: Session,
  host: string,
  { wait, return: returns = false }: ExitOptions,
): Promise<number> {
  const { io, json, client } = session
  const { maintenance: begun } = await client.request({ op: 'exitMaintenance', host, return: returns })
  if (!json) {
    for (const { workload, to, state } of begun.jobs) {
      if (state === 'moving' && to !== undefined && to !== host)
        io.err(`${workload} is on its way to ${to}, and goes on there`)
    }
  }
  const view =
    wait && returns ? await throughLosses(session, (client) => watched(session, client, begun)) : begun
  if (json) printJson(io, { maintenance: view })
  else {
    io.out(`${host} takes jobs again${returns ? `: ${plural(view.moved, 'job')} back` : ''}`)
    for (const line of renderStuck(view)) io.err(line)
  }
  return view.stuck > 0 ? 1 : 0
}

/** How far it is, job by job. */
export async function maintenanceStatus({ client, io, json }: Session, host: string): Promise<number> {
  const reply = await client.request({ op: 'maintenance', host })
  if (json) printJson(io, reply)
  else if (reply.maintenance === undefined) io.out(`${host} is in no maintenance`)
  else for (const line of renderMaintenance(reply.maintenance)) io.out(line)
  return 0
}

/** Until nothing of it moves or waits to. */
async function watched(
  { io, json }: Session,
  client: CoordinatorClient,
  first: MaintenanceView,
): Promise<MaintenanceView> {
  let view = first
  let said = ''
  for (;;) {
    const line = renderMaintenanceLine(view)
    if (!json) {
      io.live(line)
      if (io.columns === undefined && line !== said) io.err(line)
      said = line
    }
    if (isSettled(view)) return view
    await delay(LOOK_MS, undefined, { signal: io.interrupted })
    view = (await client.request({ op: 'maintenance', host: first.host })).maintenance ?? view
  }
}

/** An empty host may still have processes on their way out. */
function isSettled({ phase, waiting, moving, stuck }: MaintenanceView): boolean {
  return phase === 'evacuated' || phase === 'over' || (waiting + moving === 0 && stuck > 0)
}
