/**
 * What a job goes through while something is made to die or freeze: it starts, is checkpointed, moves and is verified, a second move is
 * cancelled, maintenance of its host takes it back, its worker is lost, and it ends.
 *
 * Whoever tells it wants what an operator wants: each command is given again until it did its work, or was made needless.
 * At the end the invariants of the design are looked at from outside: each step accepted once and in order (I1, I2), losses and
 * memory as in a job that nothing happened to, to the bit (I4), somebody had the job all the time, since it ended by itself
 * (I5), and nothing is left of any of it (I6).
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { LIMITS } from '@godwit/protocol'
import { Fleet } from './fleet.ts'
import { type Outcome, outcomeOf } from './outcome.ts'

/** More than a minute of slow steps, in which the story is told, then as fast as they go. */
const STEPS = 3000
const JOB = { op: 'run', program: 'mixer', id: 'job', steps: STEPS, tracker: 'auto' } as const
const SHAPE = { pages: 300, dirtyPages: 40 }

/** Some seconds for all pages. */
const SLOWLY = { maxBandwidth: 4 * LIMITS.minBandwidth }

/** A process that stands still for so long has been given up by everybody. */
const STOPPED_MS = LIMITS.handoverTimeoutMs + LIMITS.heartbeatTimeoutMs / 2

export interface Told extends Outcome {
  /** Points of the story that were armed and where nobody came by. */
  readonly notReached: readonly string[]
  /** Every point that was passed. */
  readonly passed: readonly string[]
}

/** A job that nothing happens to. */
export async function uneventful(): Promise<Outcome> {
  const fleet = await Fleet.start({ hosts: ['a'] })
  return inFleet(fleet, async () => {
    await fleet.must({ ...JOB, parameters: { ...SHAPE, stepMs: 0 } })
    return ended(fleet)
  })
}

/** `points`: as in GODWIT_CRASH_POINTS. */
export async function tell(points: readonly string[]): Promise<Told> {
  const folder = mkdtempSync(join(tmpdir(), 'gws-'))
  const [once, trace, hurry] = [join(folder, 'once'), join(folder, 'trace'), join(folder, 'hurry')]
  try {
    const armed = points.length === 0 ? {} : { GODWIT_CRASH_POINTS: points.join(',') }
    const env = { ...armed, GODWIT_CRASH_ONCE: once, GODWIT_CRASH_TRACE: trace }
    const waking = wakeUpLater(points, once)
    try {
      const fleet = await Fleet.start({ hosts: ['a', 'b'], env })
      const outcome = await inFleet(fleet, () => story(fleet, hurry))
      return {
        ...outcome,
        notReached: points.filter((_, index) => !existsSync(`${once}.${index}`)),
        passed: [...new Set(readFileSync(trace, 'utf8').trim().split('\n'))].sort(),
      }
    } finally {
      waking.abort()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function story(fleet: Fleet, hurryFile: string): Promise<Outcome> {
  await fleet.must({
    ...{ ...JOB, host: 'a', checkpointEveryMs: 1500 },
    parameters: { ...SHAPE, stepMs: 25, hurryFile },
  })
  await fleet.must({ op: 'checkpoint', workload: 'job' })
  await fleet.try({ op: 'estimate', workload: 'job', to: 'b', options: {} })
  await fleet.try({ op: 'migrate', workload: 'job', to: 'nowhere', options: {} })
  await move(fleet, 'b')
  await moveAndThinkBetter(fleet)
  await empty(fleet, 'b')
  await loseTheWorker(fleet)
  await fleet.try({ op: 'preflight', workload: 'job', to: 'b', options: {} })
  writeFileSync(hurryFile, '')
  return ended(fleet)
}

/** Until it is there, or has ended before. */
async function move(fleet: Fleet, to: string): Promise<void> {
  await fleet.until(`the job is on ${to}`, async () => {
    const job = await fleet.workload('job')
    if (job?.status === 'finished' || (job?.host === to && job.status === 'running')) return true
    return String(await fleet.migrate('job', to, { verify: true }))
  })
}

/** A move that takes its time, and is cancelled while pages are sent, if nothing else ends it. */
async function moveAndThinkBetter(fleet: Fleet): Promise<void> {
  const { reply } = await fleet.try({ op: 'migrate', workload: 'job', to: 'a', options: SLOWLY })
  await fleet.until('the move is under way, or over', async () => {
    const { reply: asked, error } = await fleet.try({
      op: 'migration',
      migration: reply?.migration.id ?? 'none',
    })
    return error?.kind === 'unknown-migration' || (asked !== undefined && asked.migration.status !== 'setup')
  })
  await fleet.until('nothing is under way', async () => {
    await fleet.try({ op: 'cancel', workload: 'job' })
    const job = await fleet.workload('job')
    return job !== undefined && job.migration === undefined
  })
}

/** Until no job is there; then it may be used again. */
async function empty(fleet: Fleet, host: string): Promise<void> {
  await fleet.until(`${host} is empty`, async () => {
    const { reply, error } = await fleet.try({ op: 'enterMaintenance', host, force: true })
    const { phase, jobs } = reply?.maintenance ?? {}
    return phase === 'evacuated' || `${error?.message ?? phase}: ${JSON.stringify(jobs)}`
  })
  await fleet.until(`${host} takes jobs again`, async () => {
    await fleet.try({ op: 'exitMaintenance', host })
    const { reply, error } = await fleet.try({ op: 'maintenance', host })
    return reply?.maintenance?.phase === 'over' || `${error?.message ?? reply?.maintenance?.phase}`
  })
}

async function loseTheWorker(fleet: Fleet): Promise<void> {
  const restarts = (await fleet.workload('job'))?.restarts ?? 0
  await fleet.until('its worker is lost, and there is another', async () => {
    const job = await fleet.workload('job')
    if (job === undefined || job.status === 'finished' || job.restarts > restarts) return true
    const owner = fleet.workers('job').find(({ host }) => host === job.host)
    if (owner !== undefined && job.status === 'running') process.kill(owner.pid, 'SIGKILL')
    return `it is ${job.status}, restarted ${job.restarts} times`
  })
}

async function ended(fleet: Fleet): Promise<Outcome> {
  const outcome = await outcomeOf(fleet, 'job', STEPS)
  await fleet.nothingIsLeft()
  return outcome
}

/** The fleet ends in any case; why a story went wrong is worth more than what it left behind. */
async function inFleet<T>(fleet: Fleet, task: () => Promise<T>): Promise<T> {
  let result: T
  try {
    result = await task()
  } catch (error) {
    const logs = fleet.logs()
    await fleet.end().catch(() => {})
    throw new Error(`${(error as Error).message}\n${logs}`, { cause: error })
  }
  const logs = fleet.logs()
  await fleet.end().catch((error: Error) => {
    throw new Error(`${error.message}\n${logs}`, { cause: error })
  })
  return result
}

/** Lets a process that stopped itself go on once everybody has given it up. */
function wakeUpLater(points: readonly string[], once: string): AbortController {
  const told = new AbortController()
  for (const [index, point] of points.entries()) {
    if (point.endsWith('=SIGSTOP')) void wakeUp(`${once}.${index}`, told.signal).catch(() => {})
  }
  return told
}

async function wakeUp(file: string, signal: AbortSignal): Promise<void> {
  while (!existsSync(file)) await delay(50, undefined, { signal })
  await delay(STOPPED_MS, undefined, { signal })
  process.kill(Number(readFileSync(file, 'utf8')), 'SIGCONT')
}
