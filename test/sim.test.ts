/**
 * Goal: whatever goes wrong, each step of a job is accepted once and right, and every job has an owner in the end.
 * Method: a hundred simulated clusters, each with faults of its own, judged by oracles that know nothing of the code.
 * `npm run sim` runs as many as one likes.
 */
import { planOf, runPlan } from '@godwit/testkit/sim'
import { expect, test } from 'vitest'
import { FLAGS } from './sim/flags.ts'

const FIRST_SEED = 401
const SEEDS = 100

test('a hundred simulated clusters keep the invariants', async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const { violation } = await runPlan(planOf(seed, FLAGS))
    expect(violation, `npm run sim -- --seed ${seed} --trace`).toBeUndefined()
  }
})

test('a run is the same each time', async () => {
  const plan = planOf(7, FLAGS)
  const lines: string[][] = [[], []]
  for (const each of lines) await runPlan(plan, (line) => each.push(line))
  expect(lines[0]?.length).toBeGreaterThan(50)
  expect(lines[1]).toEqual(lines[0])
})
