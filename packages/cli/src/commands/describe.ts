/** `describe`: all that is known of one thing, whatever it is: a job, a host or a move. */
import { allHosts, allMoves, type CoordinatorClient } from '@godwit/client'
import { GodwitError, type Happening } from '@godwit/protocol'
import { renderHappenings } from '../render/happenings.ts'
import { renderHistory } from '../render/history.ts'
import { renderMaintenance } from '../render/maintenance.ts'
import { renderProgress } from '../render/progress.ts'
import { renderReport } from '../render/report.ts'
import { renderDetails, renderHosts, renderWorkloads } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'

interface Described {
  readonly json: object
  readonly lines: readonly string[]
}

const MOST_EVENTS = 500

export async function describe({ client, io, json }: Session, name: string): Promise<number> {
  const described =
    (await asWorkload(client, name)) ?? (await asHost(client, name)) ?? (await asMigration(client, name))
  if (described === undefined) {
    throw new GodwitError(
      'bad-arguments',
      `there is no job, host or move ${name}: godwit ps, godwit hosts and godwit history JOB show what there is`,
    )
  }
  if (json) printJson(io, described.json)
  else for (const line of described.lines) io.out(line)
  return 0
}

async function asWorkload(client: CoordinatorClient, name: string): Promise<Described | undefined> {
  const reply = await unless('unknown-workload', client.request({ op: 'workload', workload: name }))
  if (reply === undefined) return undefined
  const { workload } = reply
  const moves = await allMoves(client, name)
  const { broken } = await client.request({ op: 'rules', workload: name })
  const events = await eventsOf(client, (event) => event.workload === name)
  const lines = [
    ...renderDetails(workload, Date.now()),
    ...broken.map((sentence) => `broken now  ${sentence}`),
    '',
    ...renderHistory(name, moves),
    ...withTitle(renderHappenings(events)),
  ]
  return { json: { workload, broken, moves, events }, lines }
}

async function asHost(client: CoordinatorClient, name: string): Promise<Described | undefined> {
  const host = (await allHosts(client)).find((each) => each.name === name)
  if (host === undefined) return undefined
  const { maintenance } = await client.request({ op: 'maintenance', host: name })
  const replies = await Promise.all(
    host.workloads.map((workload) =>
      unless('unknown-workload', client.request({ op: 'workload', workload })),
    ),
  )
  const workloads = replies.flatMap((reply) => reply?.workload ?? [])
  const isAbout = ({ host, from, to }: Happening): boolean => [host, from, to].includes(name)
  const events = await eventsOf(client, isAbout)
  const lines = [
    ...renderHosts([host]),
    ...withTitle(workloads.length === 0 ? [] : renderWorkloads(workloads, Date.now())),
    ...withTitle(maintenance === undefined ? [] : renderMaintenance(maintenance)),
    ...withTitle(renderHappenings(events)),
  ]
  return { json: { host, workloads, ...(maintenance !== undefined && { maintenance }), events }, lines }
}

async function asMigration(client: CoordinatorClient, name: string): Promise<Described | undefined> {
  const reply = await unless('unknown-migration', client.request({ op: 'migration', migration: name }))
  if (reply === undefined) return undefined
  const { migration } = reply
  const { report, error } = migration
  const options = Object.entries(migration.options).map(([key, value]) => `${key} ${value}`)
  const lines = [
    renderProgress(migration),
    `options  ${options.join(', ')}`,
    ...(error === undefined ? [] : [`${error.kind}: ${error.message}`]),
    ...withTitle(report === undefined ? [] : renderReport(report)),
  ]
  return { json: { migration }, lines }
}

/** The latest ones. */
async function eventsOf(
  client: CoordinatorClient,
  isAbout: (event: Happening) => boolean,
): Promise<Happening[]> {
  const { events } = await client.request({ op: 'events', limit: MOST_EVENTS })
  return events.filter(isAbout)
}

function withTitle(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', ...lines]
}

/** Undefined where the coordinator answers with `kind`, or that this can be no name of one. */
async function unless<T>(kind: GodwitError['kind'], asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof GodwitError && error.kind === kind) return undefined
    throw error
  }
}
