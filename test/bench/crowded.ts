/**
 * `node --import tsx test/bench/crowded.ts [rounds]`: twelve paced jobs on four hosts. In each round one of them is moved there and back while the others
 * run; then its host is emptied for maintenance, three jobs at once, and filled again. Prints each job's downtime beside that of the move made alone, and
 * what other moves on its hosts did meanwhile: moves that share a host take turns, so none should lengthen another's.
 */
import { loadavg } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CoordinatorClient } from '@godwit/client'
import { Cluster } from '../support/cluster.ts'
import { beside, KINDS, type TimedMove, worstOf } from './beside.ts'
import { DOWNTIME_PARTS, median } from './figures.ts'

const HOSTS = ['a', 'b', 'c', 'd']
const JOBS = 12
/** Moved alone so often each round, there and back. */
const ALONE = 4
const PARAMETERS = { arenaMib: 16, pattern: 'random', writtenKib: 512, stepMs: 100, idles: true }
const LOOK_MS = 200

const [rounds = 3] = process.argv.slice(2).map(Number)
const programs = fileURLToPath(new URL('./programs', import.meta.url))
const cluster = await Cluster.start(HOSTS.map((name) => ({ name, programs })))
/** When each move left the queue. */
const began = new Map<string, number>()
try {
  const client = await CoordinatorClient.connect(cluster.url)
  await client.watch({ kinds: ['event'] }, ({ changes }) => {
    for (const change of changes)
      if (change.kind === 'event' && change.event.about === 'migration' && change.event.status === 'setup')
        began.set(change.event.id, change.event.atMs)
  })
  for (let job = 0; job < JOBS; job++) {
    const host = HOSTS[job % HOSTS.length] as string
    const id = `j${job}`
    const parameters = { ...PARAMETERS, seed: job + 1 }
    await client.request({
      ...{ op: 'run', program: 'synthetic', id, host, parameters, steps: 10_000_000, tracker: 'auto' },
    })
  }
  await measure(client)
  client.close()
} finally {
  await cluster.end()
}

async function measure(client: CoordinatorClient): Promise<void> {
  const alone: TimedMove[] = []
  const together: TimedMove[] = []
  for (let round = 1; round <= rounds; round++) {
    for (let move = 0; move < ALONE; move++)
      alone.push(await movedAlone(client, 'j0', move % 2 === 0 ? 'b' : 'a'))
    const before = new Set(began.keys())
    await client.request({ op: 'enterMaintenance', host: 'a' })
    await untilPhase(client, 'evacuated')
    await client.request({ op: 'exitMaintenance', host: 'a', return: true })
    await untilPhase(client, 'over')
    const moved: TimedMove[] = []
    for (const id of began.keys()) if (!before.has(id)) moved.push(await over(client, id))
    for (const move of moved) console.error(describe(move, moved))
    together.push(...moved)
    const load = loadavg()[0]?.toFixed(1)
    console.error(`round ${round} of ${rounds}: ${moved.length} moves for a maintenance, a load of ${load}`)
  }
  console.log(`one move while ${JOBS - 1} others run: ${figures(alone)}`)
  for (const kind of KINDS)
    console.log(
      `${`beside ${kind}`.padEnd(20)} ${figures(together.filter((move) => worstOf(beside(move, together)) === kind))}`,
    )
  tellRatios(together, median(alone.map(downtimeMs)))
}

function tellRatios(together: readonly TimedMove[], oneMs: number): void {
  console.log('job   moves  downtime, median (shortest to longest)  to that of one')
  const jobs = [...new Set(together.map(({ workload }) => workload))]
  const ratios = jobs.map((workload) => {
    const all = together.filter((move) => move.workload === workload).map(downtimeMs)
    const ratio = median(all) / oneMs
    console.log(
      `${workload.padEnd(4)}  ${String(all.length).padStart(5)}  ${spread(all).padStart(38)}  ${ratio.toFixed(2)}`,
    )
    return ratio
  })
  const worst = Math.max(...together.map(downtimeMs)) / oneMs
  console.log(
    `all: ${(median(together.map(downtimeMs)) / oneMs).toFixed(2)}; the job with the largest: ${Math.max(...ratios).toFixed(2)} (to be at most 2); one move: ${worst.toFixed(2)}`,
  )
}

function downtimeMs({ report }: TimedMove): number {
  return report.downtimeMs
}

function spread(all: readonly number[]): string {
  return `${median(all).toFixed(1)} ms (${Math.min(...all).toFixed(1)} to ${Math.max(...all).toFixed(1)})`
}

/** With the parts of it. */
function figures(moves: readonly TimedMove[]): string {
  if (moves.length === 0) return 'no move'
  const parts = DOWNTIME_PARTS.map(
    (part) => `${part.slice(0, -2)} ${median(moves.map(({ report }) => report.downtime[part])).toFixed(1)}`,
  )
  return `${spread(moves.map(downtimeMs))}, ${moves.length} moves: ${parts.join(', ')}`
}

function describe(move: TimedMove, all: readonly TimedMove[]): string {
  const { from, to, downtime } = move.report
  const longest = DOWNTIME_PARTS.toSorted(
    (a, b) => downtime[b] - downtime[a],
  )[0] as (typeof DOWNTIME_PARTS)[0]
  const others = beside(move, all).map(
    ({ workload, kind, ms }) => `${kind} of ${workload} for ${ms.toFixed(0)} ms`,
  )
  const what = others.length === 0 ? 'nothing' : others.join(', ')
  return `${move.workload} ${from} -> ${to}: ${downtimeMs(move).toFixed(1)} ms, of which ${longest} ${downtime[longest].toFixed(1)}; beside ${what}`
}

async function movedAlone(client: CoordinatorClient, workload: string, to: string): Promise<TimedMove> {
  const { migration } = await client.request({ op: 'migrate', workload, to, options: {} })
  return over(client, migration.id)
}

async function over(client: CoordinatorClient, id: string): Promise<TimedMove> {
  for (;;) {
    const { migration } = await client.request({ op: 'migration', migration: id })
    const { workload, status, report, error } = migration
    const beganAtMs = began.get(id)
    if (status === 'completed' && report?.downtimeStartMs !== undefined && beganAtMs !== undefined)
      return { workload, beganAtMs, report: { ...report, downtimeStartMs: report.downtimeStartMs } }
    if (status === 'failed' || status === 'cancelled')
      throw new Error(`${workload}: ${status}: ${error?.message}`)
    await delay(LOOK_MS)
  }
}

async function untilPhase(client: CoordinatorClient, phase: string): Promise<void> {
  for (;;) {
    const { maintenance } = await client.request({ op: 'maintenance', host: 'a' })
    if (maintenance?.phase === phase) return
    await delay(LOOK_MS)
  }
}
