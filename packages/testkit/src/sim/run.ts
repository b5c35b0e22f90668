/**
 * One run: a world after a plan, with faults for a while, then without, until everybody is where he should be; and what
 * the oracles say of it.
 */
import { migrationOptions } from '@godwit/protocol'
import type { Coverage } from './coverage.ts'

import { judge } from './oracles/judge.ts'
import { complaintOf } from './oracles/liveness.ts'
import { LAST_JOB, type Plan, type PlanFlags, planOf } from './plan.ts'
import { sceneOf } from './scene.ts'
import { seedIds } from './seeded-ids.ts'
import { World } from './world.ts'

/** After the last fault: longer than every wait of the code under test, one after the other. */
const QUIET_WITHIN_MS = 300_000
const LOOK_EVERY_MS = 500
/** So long after the faults, whoever works on a host is done, and its jobs come back. */
const MAINTENANCE_MS = 20_000
/** A move may never come to its end by itself: that of a job which writes faster than its link carries. */
const PATIENCE_MS = 30_000
const LAST_JOB_MS = 60_000

export interface Result {
  readonly seed: number
  /** The invariant that was broken, in a sentence; undefined when none was. */
  readonly violation: string | undefined
  readonly lastLines: readonly string[]
  readonly coverage: Coverage
  readonly happened: number
  readonly simulatedMs: number
}

export async function runSeed(seed: number, flags: PlanFlags): Promise<Result> {
  return runPlan(planOf(seed, flags))
}

export async function runPlan(plan: Plan, onLine?: (line: string) => void): Promise<Result> {
  const asBefore = seedIds(plan.seed)
  try {
    return await run(plan, onLine)
  } finally {
    asBefore()
  }
}

async function run(plan: Plan, onLine?: (line: string) => void): Promise<Result> {
  const world = new World(plan)
  world.onLine = onLine
  await world.run(plan.faultsUntilMs)
  world.heal()
  world.timeline.after(MAINTENANCE_MS, () => world.person.endMaintenance())
  world.timeline.after(PATIENCE_MS, () => world.person.cancelAll())
  const wrong = (await untilQuiet(world)) ?? (await lastMove(world))
  const violation = judge(world.happenings, world.plan) ?? wrong
  for (const view of world.person.migrations.values()) world.coverage.migration(view.status)
  return {
    seed: plan.seed,
    violation,
    lastLines: world.lines,
    coverage: world.coverage.counts,
    happened: world.timeline.happened,
    simulatedMs: world.timeline.nowMs,
  }
}

/** What keeps the world from being quiet, if anything still does after all that time. */
async function untilQuiet(world: World): Promise<string | undefined> {
  const untilMs = world.timeline.nowMs + QUIET_WITHIN_MS
  const before = world.happenings.length
  let wrong: string | undefined
  let quietLooks = 0
  while (world.timeline.nowMs < untilMs) {
    await world.run(world.timeline.nowMs + LOOK_EVERY_MS)
    await world.person.look()
    wrong = complaintOf(sceneOf(world, world.happenings.slice(before)))
    // One that nobody has noticed yet to be broken would still be a surprise.
    const isSettled = ![...world.network.connections].some(({ isBroken }) => isBroken)
    quietLooks = wrong === undefined && isSettled ? quietLooks + 1 : 0
    if (quietLooks === 2) return undefined
  }
  return wrong
}

/** After all that, a new job can run, move and finish: nothing that anybody keeps stands in the way. */
async function lastMove(world: World): Promise<string | undefined> {
  const { person, timeline } = world
  // A move that somebody still wants may go on for ever, and would be in its way.
  person.beContent()
  person.do({
    op: 'run',
    workload: LAST_JOB,
    host: 'a',
    restartPolicy: 'on-failure',
    atMs: timeline.nowMs,
  })
  const options = migrationOptions.parse({ downtimeLimitMs: 60_000 })
  timeline.after(1_000, () =>
    person.do({ op: 'migrate', workload: LAST_JOB, to: 'b', options, atMs: timeline.nowMs }),
  )
  const isDone = (): boolean => person.workloads.get(LAST_JOB)?.status === 'finished'
  await world.run(timeline.nowMs + LAST_JOB_MS, isDone)
  if (!isDone()) return `I5: after all was quiet, a new job is ${person.workloads.get(LAST_JOB)?.status}`
  const move = [...person.migrations.values()].find(({ workload }) => workload === LAST_JOB)
  if (move?.status !== 'completed')
    return `I5: after all was quiet, a move is ${move?.status}: ${move?.error?.message}`
  return undefined
}
