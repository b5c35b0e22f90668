/** Goal: what steps became is measured, and a limit comes only where one is wanted and something is known. Method: steps on the real clock, which is waited for once. */
import { setTimeout as delay } from 'node:timers/promises'
import { RecentSteps } from '@godwit/engine'
import { expect, test } from 'vitest'
import { StepWatch } from './step-watch.ts'

function stepsOf(stepMs: number, count = 20): RecentSteps {
  const steps = new RecentSteps()
  for (let step = 0; step < count; step++) steps.add(stepMs)
  return steps
}

test('slower steps are measured, and limit what is sent where that is wanted', async () => {
  const limited = new StepWatch(stepsOf(10), { maxSlowdown: 0.1, priority: 'normal' })
  const unlimited = new StepWatch(stepsOf(10), { maxSlowdown: 1, priority: 'normal' })
  for (let step = 0; step < 20; step++) {
    limited.stepped(15, 1000 * step)
    unlimited.stepped(15, 1000 * step)
  }
  await delay(60)
  expect(limited.stepped(15, 1_000_000)).toBeGreaterThan(0)
  expect(unlimited.stepped(15, 1_000_000)).toBeUndefined()
  expect(limited.measured).toBeCloseTo(0.5, 9)
  expect(unlimited.measured).toBeCloseTo(0.5, 9)
})

test('of a job that has hardly stepped nothing is known', () => {
  const watch = new StepWatch(stepsOf(10, 3), { maxSlowdown: 0.1, priority: 'normal' })
  for (let step = 0; step < 20; step++) expect(watch.stepped(15, 1000 * step)).toBeUndefined()
  expect(watch.measured).toBeUndefined()
})
