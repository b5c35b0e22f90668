/**
 * Goal: steps become no slower than allowed when it is the sender that slows them, and the sender is not strangled when
 * it is somebody else. Method: a simulated job whose steps grow with what is sent beside them.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { beginSlowdown, measuredSlowdown, RecentSteps, type Slowdown, stepTaken } from './slowdown.ts'

const LINK_BYTES_PER_MS = 500_000
const USUAL_MS = 20

/** Steps' mean slowdown, and the rate, in the second half of `steps`. `harm`: how much longer steps become at the link's full rate. */
function simulate({
  harm,
  others = 0,
  maxSlowdown = 0.1,
  steps = 400,
}: {
  harm: number
  others?: number
  maxSlowdown?: number
  steps?: number
}) {
  let state: Slowdown = beginSlowdown({ usualStepMs: USUAL_MS, maxSlowdown })
  let [nowMs, sentBytes, slowdown, rate] = [0, 0, 0, 0]
  for (let step = 0; step < steps; step++) {
    const bytesPerMs = Math.min(LINK_BYTES_PER_MS, state.limitBytesPerMs ?? Number.POSITIVE_INFINITY)
    const stepMs = USUAL_MS * (1 + others + (harm * bytesPerMs) / LINK_BYTES_PER_MS)
    nowMs += stepMs
    sentBytes += bytesPerMs * stepMs
    state = stepTaken(state, { stepMs, sentBytes }, nowMs)
    if (step < steps / 2) continue
    slowdown += (stepMs / USUAL_MS - 1) / (steps / 2)
    rate += bytesPerMs / (steps / 2)
  }
  return { slowdown, rate, state }
}

test('a sender that slows training is held to what is allowed, and not to much less', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.15, max: 1, noNaN: true }),
      fc.double({ min: 0.08, max: 0.14, noNaN: true }),
      (harm, maxSlowdown) => {
        const { slowdown } = simulate({ harm, maxSlowdown })
        expect(slowdown).toBeLessThanOrEqual(maxSlowdown)
        expect(slowdown).toBeGreaterThan(maxSlowdown / 2)
      },
    ),
  )
})

test('a sender that harms nobody is never held back', () => {
  const { rate, state } = simulate({ harm: 0.05 })
  expect(rate).toBeCloseTo(LINK_BYTES_PER_MS, 3)
  expect(state.limitBytesPerMs).toBeUndefined()
})

test('single slow steps are no verdict', () => {
  let state = beginSlowdown({ usualStepMs: USUAL_MS, maxSlowdown: 0.1 })
  let nowMs = 0
  for (let step = 1; step < 1000; step++) {
    const stepMs = step % 4 === 0 ? 5 * USUAL_MS : USUAL_MS
    nowMs += stepMs
    state = stepTaken(state, { stepMs, sentBytes: nowMs * LINK_BYTES_PER_MS }, nowMs)
    expect(state.limitBytesPerMs).toBeUndefined()
  }
})

test('slowness that is not ours leaves a sixteenth of the rate', () => {
  const { rate } = simulate({ harm: 0, others: 1 })
  expect(rate).toBeCloseTo(LINK_BYTES_PER_MS / 16, 3)
})

test('a limit is taken back when steps are as they were', () => {
  let { state } = simulate({ harm: 0, others: 1 })
  expect(state.limitBytesPerMs).toBeDefined()
  let { atMs, sentBytes } = state.changed ?? { atMs: 0, sentBytes: 0 }
  for (let step = 0; step < 500; step++) {
    atMs += USUAL_MS
    sentBytes += 1000
    state = stepTaken(state, { stepMs: USUAL_MS, sentBytes }, atMs)
  }
  expect(state.limitBytesPerMs).toBeUndefined()
})

test('while nothing is sent nothing is limited', () => {
  let state = beginSlowdown({ usualStepMs: USUAL_MS, maxSlowdown: 0.1 })
  for (let step = 1; step < 100; step++)
    state = stepTaken(state, { stepMs: 2 * USUAL_MS, sentBytes: 0 }, step * 100)
  expect(state.limitBytesPerMs).toBeUndefined()
})

test('the median is that of the latest steps, once there are a few', () => {
  const steps = new RecentSteps()
  for (let step = 0; step < 7; step++) steps.add(100)
  expect(steps.medianMs).toBeUndefined()
  steps.add(100)
  expect(steps.medianMs).toBe(100)
  for (let step = 0; step < 64; step++) steps.add(step === 5 ? 1000 : 9 + (step % 2) * 2)
  expect(steps.medianMs).toBe(11)
  expect(measuredSlowdown(10, steps)).toBeCloseTo(0.1, 9)
  expect(measuredSlowdown(undefined, steps)).toBeUndefined()
  expect(measuredSlowdown(10, new RecentSteps())).toBeUndefined()
})
