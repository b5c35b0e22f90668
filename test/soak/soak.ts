/**
 * `npm run soak -- --minutes M [--json]`: six jobs on three hosts, moved, cancelled, checkpointed, killed and frozen at random
 * for so long, coordinator and agents too; then they are let run to their end, and each must have taken every step
 * once, with the losses and the memory of one that nothing happened to.
 *
 * The seed, which is printed, decides what is done; when is up to the machine, so GODWIT_SEED repeats the kind of trouble and not the
 * trouble.
 *
 * Exit code: 0 when nothing was violated.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { ClientRequestInput, MigrationOptions } from '@godwit/protocol'
import { seededSteps } from '@godwit/testkit'
import { Fleet } from '../faults/fleet.ts'
import { type Outcome, outcomeOf } from '../faults/outcome.ts'

const HOSTS = ['a', 'b', 'c']
const JOBS = ['one', 'two', 'three', 'four', 'five', 'six']
const TELL_EVERY_MS = 10_000
/** Left alone for so long between two pieces of trouble, at most. */
const QUIET_MS = 1500
/** A frozen process goes on after so long at most: sometimes long past every timeout. */
const FROZEN_MS = 25_000

type Counts = Record<string, number>
type JobRequest = Extract<ClientRequestInput, { op: 'run' }>

interface Soak {
  readonly fleet: Fleet
  readonly random: (limit: number) => number
  readonly faults: Counts
  readonly migrations: Counts
  /** Commands and wake-ups that are on their way. */
  readonly pending: Set<Promise<unknown>>
}

function parsed(): { minutes: number; json: boolean } {
  const { values } = parseArgs({
    options: { minutes: { type: 'string', default: '10' }, json: { type: 'boolean', default: false } },
  })
  const minutes = Number(values.minutes)
  if (!(minutes > 0)) throw new Error('usage: npm run soak -- --minutes M [--json]')
  return { minutes, json: values.json }
}

/** Each of another size and pace, none of them large: what is tested is what happens to them. */
function jobOf(index: number, steps: number, parameters: Record<string, number | string>): JobRequest {
  const shape = { seed: index + 1, pages: 64 << (index % 4), dirtyPages: 8 + 12 * index }
  const id = JOBS[index] as string
  return { op: 'run', program: 'mixer', id, steps, tracker: 'auto', parameters: { ...shape, ...parameters } }
}

function later(soak: Soak, task: Promise<unknown>): void {
  const settled = task.catch(() => {}).finally(() => soak.pending.delete(settled))
  soak.pending.add(settled)
}

function pick<T>(soak: Soak, of: readonly T[]): T {
  return of[soak.random(of.length)] as T
}

function count(counts: Counts, what: string): void {
  counts[what] = (counts[what] ?? 0) + 1
}

const TROUBLE: Record<string, (soak: Soak) => void> = {
  migrate: (soak) => {
    const options: Partial<MigrationOptions> = {
      verify: soak.random(2) === 0,
      streams: pick(soak, [1, 1, 3]),
      codec: pick(soak, ['auto', 'raw', 'xor']),
      parkPoint: pick(soak, ['auto', 'boundary', 'preApply']),
    }
    const moving = soak.fleet.migrate(pick(soak, JOBS), pick(soak, HOSTS), options)
    later(
      soak,
      moving.then((end) => count(soak.migrations, typeof end === 'string' ? end : `refused: ${end.kind}`)),
    )
  },
  cancel: (soak) => later(soak, soak.fleet.try({ op: 'cancel', workload: pick(soak, JOBS) })),
  checkpoint: (soak) => later(soak, soak.fleet.try({ op: 'checkpoint', workload: pick(soak, JOBS) })),
  'kill a worker': (soak) => withWorker(soak, 'worker killed', (pid) => process.kill(pid, 'SIGKILL')),
  'freeze a worker': (soak) => withWorker(soak, 'worker frozen', (pid) => freeze(soak, pid)),
  'kill an agent': (soak) =>
    withMember(soak, pick(soak, HOSTS), 'agent killed', (pid) => process.kill(pid, 'SIGKILL')),
  'freeze an agent': (soak) =>
    withMember(soak, pick(soak, HOSTS), 'agent frozen', (pid) => freeze(soak, pid)),
  'kill the coordinator': (soak) =>
    withMember(soak, 'coordinator', 'coordinator killed', (pid) => process.kill(pid, 'SIGKILL')),
  'freeze the coordinator': (soak) =>
    withMember(soak, 'coordinator', 'coordinator frozen', (pid) => freeze(soak, pid)),
}
/** What happens how often: moves most of all, or nothing would be hit in the middle of one. */
const OFTEN = ['migrate', 'migrate', 'migrate', 'migrate', ...Object.keys(TROUBLE)]

function withWorker(soak: Soak, fault: string, act: (pid: number) => void): void {
  const workers = soak.fleet.workers()
  if (workers.length === 0) return
  act(pick(soak, workers).pid)
  count(soak.faults, fault)
}

function withMember(soak: Soak, member: string, fault: string, act: (pid: number) => void): void {
  const pid = soak.fleet.pid(member)
  if (pid === undefined) return
  act(pid)
  count(soak.faults, fault)
}

function freeze(soak: Soak, pid: number): void {
  const longMs = soak.random(4) === 0
  process.kill(pid, 'SIGSTOP')
  later(
    soak,
    delay(longMs ? FROZEN_MS : soak.random(4000)).then(() => process.kill(pid, 'SIGCONT')),
  )
}

function sum(counts: Counts): number {
  return Object.values(counts).reduce((total, each) => total + each, 0)
}

/** Then what runs is ended in order. A second time ends at once. */
let isInterrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    isInterrupted = true
  })

async function soakFor(minutes: number): Promise<{ soak: Soak; outcomes: Map<string, Outcome> }> {
  const fleet = await Fleet.start({ hosts: HOSTS })
  const soak: Soak = {
    fleet,
    random: seededSteps('soak').random,
    faults: {},
    migrations: {},
    pending: new Set(),
  }
  const hurryFile = join(fleet.folder, 'hurry')
  const steps = stepsFor(minutes)
  try {
    for (const index of JOBS.keys()) {
      const host = HOSTS[index % HOSTS.length] as string
      const parameters = { stepMs: 4 + 3 * index, hurryFile }
      await fleet.must({ ...jobOf(index, steps, parameters), host, checkpointEveryMs: 5000 })
    }
    const [beganMs, untilMs] = [performance.now(), performance.now() + minutes * 60_000]
    for (let toldMs = beganMs; performance.now() < untilMs; ) {
      if (isInterrupted) throw new Error('interrupted: nothing was checked')
      TROUBLE[pick(soak, OFTEN)]?.(soak)
      await delay(soak.random(QUIET_MS))
      if (performance.now() - toldMs < TELL_EVERY_MS) continue
      toldMs = performance.now()
      const seconds = Math.round((toldMs - beganMs) / 1000)
      console.error(`${seconds} s: ${sum(soak.faults)} faults, migrations ${JSON.stringify(soak.migrations)}`)
    }
    await Promise.all(soak.pending)
    writeFileSync(hurryFile, '')
    const outcomes = new Map<string, Outcome>()
    for (const job of JOBS) outcomes.set(job, await outcomeOf(fleet, job, steps))
    await fleet.nothingIsLeft()
    await fleet.end()
    return { soak, outcomes }
  } catch (error) {
    console.error(fleet.logs())
    await fleet.end().catch(() => {})
    throw error
  }
}

/** About as many as the fastest job takes in the time, undisturbed: none ends before. */
function stepsFor(minutes: number): number {
  return Math.ceil((minutes * 60_000) / 4)
}

async function controls(steps: number): Promise<Map<string, Outcome>> {
  const fleet = await Fleet.start({ hosts: ['a'] })
  try {
    const outcomes = new Map<string, Outcome>()
    for (const [index, job] of JOBS.entries()) {
      await fleet.must(jobOf(index, steps, { stepMs: 0 }))
      outcomes.set(job, await outcomeOf(fleet, job, steps))
    }
    return outcomes
  } finally {
    await fleet.end()
  }
}

async function main(): Promise<void> {
  const { minutes, json } = parsed()
  const { soak, outcomes } = await soakFor(minutes)
  const expected = await controls(stepsFor(minutes))
  const violations = JOBS.filter(
    (job) => JSON.stringify(outcomes.get(job)) !== JSON.stringify(expected.get(job)),
  )
  const steps = [...outcomes.values()].reduce((total, { losses }) => total + losses.length, 0)
  const said = { minutes, faults: soak.faults, migrations: soak.migrations, steps, violations }
  if (json) console.log(JSON.stringify(said))
  else {
    console.log(`survived ${sum(soak.faults)} faults: ${JSON.stringify(soak.faults)}`)
    console.log(`migrations: ${JSON.stringify(soak.migrations)}`)
    console.log(`checked ${steps} steps of ${JOBS.length} jobs`)
    console.log(violations.length === 0 ? 'no violation' : `VIOLATED: other bits in ${violations.join(', ')}`)
  }
  process.exitCode = violations.length === 0 ? 0 : 1
}

await main()
