/**
 * Goal: a job that moves twenty times at random steps is the same job, to the bit: losses at every step, all paged
 * memory at the end, every step reported once; and training goes on while it moves.
 * Method: real worker processes and a real program, one a file; a control run that never moves. The seed is printed; run
 * again with GODWIT_SEED to get the same steps.
 *
 * The source is stopped (SIGSTOP) while its next target starts up, so that a fixed number of steps is enough on any
 * machine. It trains during each migration.
 */
import type { MigrationReport } from '@godwit/protocol'
import { type JobSpec, lossBits, Rig, seededSteps } from '@godwit/testkit'
import { afterEach, expect, test } from 'vitest'

/** Fewer where the same is run a second time, on another Node. */
const MIGRATIONS = Number(process.env.GODWIT_MIGRATIONS ?? 20)

/** One of a few moves may take many times as long as they do in the middle. */
const MIN_SHARES = 8

type Journey = Omit<JobSpec, 'steps'> & {
  /** Steps before each migration, at most. */
  readonly gap: number
  /** With those that are taken while it moves. */
  readonly stepsPerMigration: number
}

const rigs: Rig[] = []
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.close()))
})

async function moveManyTimes(
  rig: Rig,
  spec: JobSpec & Journey,
  random: (limit: number) => number,
): Promise<{ reports: MigrationReport[]; outputs: string; stateDigest: string }> {
  const reports: MigrationReport[] = []
  let source = await rig.start(spec)
  for (let migration = 0; migration < MIGRATIONS; migration++) {
    await rig.reached(source, rig.ledger.outputs.length + random(spec.gap))
    source.process.kill('SIGSTOP')
    const target = await rig.start(spec, { mode: 'incoming' })
    source.process.kill('SIGCONT')
    reports.push(await rig.migrate(source, target))
    source = target
  }
  const { outputs, stateDigest } = await rig.finish(source)
  expect(outputs.map(({ step }) => step)).toEqual(Array.from({ length: spec.steps }, (_, step) => step))
  return { reports, outputs: lossBits(outputs), stateDigest }
}

/** The test of one program. Parameters make its steps short enough for a test, never its state smaller. */
export function moveManyTimesTest(journey: Journey): void {
  const spec = { ...journey, steps: Math.max(MIGRATIONS + 1, MIN_SHARES) * journey.stepsPerMigration }
  test(`${spec.program}: ${MIGRATIONS} migrations change no bit`, { timeout: 600_000 }, async () => {
    const rig = new Rig()
    rigs.push(rig)
    const { random, replay } = seededSteps(`continuity ${spec.program}`)
    const moved = await moveManyTimes(rig, spec, random)
    const control = await rig.control(spec)
    expect(moved.outputs === lossBits(control.outputs), `loss bits differ; ${replay}`).toBe(true)
    expect(moved.stateDigest, `memory differs; ${replay}`).toBe(control.stateDigest)

    for (const report of moved.reports) {
      expect(report.parks, 'one park a migration').toBe(1)
      expect(report.rounds[0]?.pages).toBeGreaterThan(0)
      // One machine, one clock: the true offset is 0.
      expect(Math.abs(report.clockOffsetMs)).toBeLessThanOrEqual(report.clockErrorMs)
      const sum = Object.values(report.downtime).reduce((total, part) => total + part, 0)
      expect(sum).toBeCloseTo(report.downtimeMs, 6)
    }
    // Training goes on while pages are sent: a source that stopped for its rounds would have no step in any of them.
    const stepsInRounds = moved.reports
      .flatMap(({ rounds }) => rounds)
      .reduce((steps, round) => steps + round.steps, 0)
    expect(stepsInRounds).toBeGreaterThan(0)
    const downtimes = moved.reports.map(({ downtimeMs }) => downtimeMs)
    console.log(
      `${spec.program}: ${MIGRATIONS} migrations, the last at step ${moved.reports.at(-1)?.step} of ${spec.steps}; ` +
        `downtime median ${median(downtimes).toFixed(1)} ms, longest ${Math.max(...downtimes).toFixed(1)} ms`,
    )
  })
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
