/**
 * `node --import tsx test/bench/crowded.ts [rounds]`: twelve paced jobs on four hosts. In each round one of them is moved there and back while the others
 * run; then its host is emptied for maintenance, three jobs at once, and filled again. Prints each job's downtime beside that of the move made alone: moves
 * that share a link take turns, so none should lengthen another's.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CoordinatorClient } from '@godwit/client'
import type { MoveEntry } from '@godwit/protocol'
import { Cluster } from '../support/cluster.ts'
import { median } from './figures.ts'

const HOSTS = ['a', 'b', 'c', 'd']
const JOBS = 12
/** Moved alone so often each round, there and back. */
const ALONE = 4
const PARAMETERS = { arenaMib: 16, pattern: 'random', writtenKib: 512, stepMs: 100, idles: true }
const LOOK_MS = 200

const [rounds = 3] = process.argv.slice(2).map(Number)
const programs = fileURLToPath(new URL('./programs', import.meta.url))
const cluster = await Cluster.start(HOSTS.map((name) => ({ name, programs })))
try {
  const client = await CoordinatorClient.connect(cluster.url)
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
  const alone: number[] = []
  const together = new Map<string, number[]>()
  for (let round = 1; round <= rounds; round++) {
    for (let move = 0; move < ALONE; move++)
      alone.push(await movedAlone(client, 'j0', move % 2 === 0 ? 'b' : 'a'))
    const before = await moves(client)
    await client.request({ op: 'enterMaintenance', host: 'a' })
    await untilPhase(client, 'evacuated')
    await client.request({ op: 'exitMaintenance', host: 'a', return: true })
    await untilPhase(client, 'over')
    const after = await moves(client)
    for (const [id, { workload, downtimeMs, status }] of after) {
      if (before.has(id)) continue
      if (status !== 'completed' || downtimeMs === undefined) throw new Error(`${workload}: ${status}`)
      together.set(workload, [...(together.get(workload) ?? []), downtimeMs])
    }
    console.error(`round ${round} of ${rounds}: ${after.size - before.size} moves for a maintenance`)
  }
  const one = median(alone)
  console.log(`one move while ${JOBS - 1} others run: median ${one.toFixed(1)} ms of ${alone.length}`)
  console.log('job   moves  downtime, median (shortest to longest)  to that of one')
  const ratios = [...together].map(([workload, all]) => {
    const middle = median(all)
    const range = `${Math.min(...all).toFixed(1)} to ${Math.max(...all).toFixed(1)}`
    const figures = `${middle.toFixed(1)} ms (${range})`
    console.log(
      `${workload.padEnd(4)}  ${String(all.length).padStart(5)}  ${figures.padStart(38)}  ${(middle / one).toFixed(2)}`,
    )
    return middle / one
  })
  console.log(`the largest ratio: ${Math.max(...ratios).toFixed(2)} (to be at most 2)`)
}

async function movedAlone(client: CoordinatorClient, workload: string, to: string): Promise<number> {
  const { migration } = await client.request({ op: 'migrate', workload, to, options: {} })
  for (;;) {
    const { migration: now } = await client.request({ op: 'migration', migration: migration.id })
    if (now.status === 'completed' && now.report !== undefined) return now.report.downtimeMs
    if (now.status === 'failed' || now.status === 'cancelled')
      throw new Error(`${workload}: ${now.status}: ${now.error?.message}`)
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

/** Of all jobs, by their ids. */
async function moves(client: CoordinatorClient): Promise<Map<string, MoveEntry & { workload: string }>> {
  const all = new Map<string, MoveEntry & { workload: string }>()
  for (let job = 0; job < JOBS; job++) {
    const workload = `j${job}`
    const { moves } = await client.request({ op: 'history', workload })
    for (const move of moves) all.set(move.id, { ...move, workload })
  }
  return all
}
