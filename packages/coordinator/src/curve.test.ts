/**
 * Goal: whoever draws the points draws what all steps would: ends and extremes are there, and no more than were asked for. Method: laws over histories at
 * random, with an oracle that looks at each step; one of a million steps.
 */
import { LIMITS, type Output } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { curveOf } from './curve.ts'
import { OutputHistory } from './output-history.ts'

function historyOf(
  outputs: readonly Omit<Output, 'step' | 'epoch'>[],
  startStep = 0,
  maxSteps?: number,
): OutputHistory {
  const history = new OutputHistory(maxSteps, startStep)
  for (const [index, output] of outputs.entries())
    history.add({ step: startStep + index, epoch: 1, ...output })
  return history
}

const value = fc.double({ noNaN: true, noDefaultInfinity: true })
const reported = fc.record({
  loss: value,
  stepMs: fc.double({ min: 0.01, max: 100, noNaN: true }),
  metrics: fc.option(
    fc.dictionary(fc.constantFrom('accuracy', 'validationLoss', 'x'), value, { minKeys: 1 }),
    {
      nil: undefined,
    },
  ),
})

test('ends and extremes of each line are there, as they were, by step, and no more than were asked for', () => {
  fc.assert(
    fc.property(
      fc.array(reported, { minLength: 1, maxLength: 400 }),
      fc.nat(1000),
      fc.integer({ min: LIMITS.minCurvePoints, max: 200 }),
      fc.tuple(fc.nat(400), fc.nat(400)),
      (outputs, startStep, points, [a, b]) => {
        const history = historyOf(
          outputs.map(({ metrics, ...rest }) => ({ ...rest, ...(metrics && { metrics }) })),
          startStep,
        )
        const [from, to] = [startStep + Math.min(a, b), startStep + Math.max(a, b)]
        const curve = curveOf(history, { from, to, points })
        const all = history.read(from, to - from + 1)
        expect(curve.points.length).toBeLessThanOrEqual(points)
        expect(curve.isWhole).toBe(all.length <= points)
        const asked = new Map(all.map(({ epoch: _, ...rest }) => [rest.step, rest]))
        for (const point of curve.points) expect(point).toEqual(asked.get(point.step))
        const steps = curve.points.map(({ step }) => step)
        expect(steps).toEqual([...new Set(steps)].sort((one, other) => one - other))
        if (curve.isWhole) expect(steps).toEqual(all.map(({ step }) => step))
        expect([steps[0], steps.at(-1)]).toEqual([all[0]?.step, all.at(-1)?.step])
        const lines: ((point: Omit<Output, 'epoch'>) => number | undefined)[] = [
          ({ loss }) => loss,
          ({ stepMs }) => stepMs,
          ...['accuracy', 'validationLoss', 'x'].map(
            (name) =>
              ({ metrics }: Omit<Output, 'epoch'>) =>
                metrics?.[name],
          ),
        ]
        for (const line of lines) expect(extremes(curve.points, line)).toEqual(extremes(all, line))
        const spent = curve.speeds.reduce(
          (ms, { steps, stepsPerSecond }) => ms + (1000 * steps) / stepsPerSecond,
          0,
        )
        expect(spent).toBeCloseTo(
          all.reduce((ms, { stepMs }) => ms + stepMs, 0),
          6,
        )
      },
    ),
  )
})

function extremes<Point>(points: readonly Point[], line: (point: Point) => number | undefined): number[] {
  const values = points.flatMap((point) => line(point) ?? [])
  return values.length === 0 ? [] : [Math.min(...values) + 0, Math.max(...values) + 0]
}

test('of a million steps a spike of one of them is seen, wherever one looks, with what is forgotten left out', () => {
  const history = new OutputHistory()
  const [spike, pause] = [700_123, 900_321]
  for (let step = 0; step < LIMITS.maxKeptSteps + 50_000; step++) {
    const loss = step === spike ? 1e6 : 1 / (1 + step)
    history.add({ step, epoch: 1 + Math.floor(step / 300_000), loss, stepMs: step === pause ? 900 : 1 })
  }
  const curve = curveOf(history, { points: 1000 })
  expect([curve.firstStep, curve.nextStep, curve.isWhole]).toEqual([50_000, 1_050_000, false])
  expect(curve.points.length).toBeLessThanOrEqual(1000)
  expect(curve.points.length).toBeGreaterThan(400)
  expect(curve.points.find(({ step }) => step === spike)?.loss).toBe(1e6)
  expect(curve.points.find(({ step }) => step === pause)?.stepMs).toBe(900)
  const near = curveOf(history, { from: spike - 20, to: spike + 20, points: 50 })
  expect([near.isWhole, near.points.length]).toEqual([true, 41])
})

test('each step may call its metrics otherwise: the answer is no larger for it', () => {
  const outputs = Array.from({ length: 3000 }, (_, index) => ({
    loss: index,
    stepMs: 1,
    metrics: Object.fromEntries(
      Array.from({ length: LIMITS.maxMetrics }, (_, at) => [`m${index}.${at}`, index]),
    ),
  }))
  expect(curveOf(historyOf(outputs), { points: LIMITS.minCurvePoints }).points.length).toBeLessThanOrEqual(
    LIMITS.minCurvePoints,
  )
})

test('of nothing there is nothing; a range that ends before it begins is refused', () => {
  const none = { firstStep: 7, nextStep: 7, isWhole: true, points: [], speeds: [] }
  expect(curveOf(new OutputHistory(100, 7), { points: 100 })).toEqual(none)
  const history = historyOf([{ loss: 1, stepMs: 1 }])
  expect(curveOf(history, { from: 5, points: 100 }).points).toEqual([])
  expect(() => curveOf(history, { from: 5, to: 4, points: 100 })).toThrow('to: 4 is before from')
})
