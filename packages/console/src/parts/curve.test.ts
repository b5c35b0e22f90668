/** Goal: what is drawn is the picture of all points, however many there are and however they came. Method: curves whose lowest and highest points are known. */
import { expect, test } from 'vitest'
import { Curve, type CurvePoint, LOSS, STEP_TIME } from './curve.ts'

const points = (from: number, to: number, loss = (step: number): number => 1 / (step + 1)): CurvePoint[] =>
  Array.from({ length: to - from }, (_, index) => ({
    step: from + index,
    loss: loss(from + index),
    stepMs: 10,
  }))

test('points come live, in order, and nothing is thinned that fits', () => {
  const curve = new Curve()
  expect([curve.extent, curve.latest(LOSS), curve.drawn([LOSS], { from: 0, to: 9 }, 100)]).toEqual([
    undefined,
    undefined,
    [[], []],
  ])
  curve.add(points(0, 3))
  const before = curve.version.value
  curve.add([{ step: 3, loss: 0.5, metrics: { validationLoss: 0.6 } }])
  expect(curve.version.value).toBe(before + 1)
  expect(curve.extent).toEqual({ from: 0, to: 3 })
  expect(curve.names).toEqual([LOSS, STEP_TIME, 'validationLoss'])
  expect(curve.drawn([LOSS, 'validationLoss', STEP_TIME], { from: 0, to: 3 }, 100)).toEqual([
    [0, 1, 2, 3],
    [1, 0.5, 1 / 3, 0.5],
    [null, null, null, 0.6],
    [10, 10, 10, null],
  ])
  expect([curve.valueAt(LOSS, 1), curve.valueAt('validationLoss', 1), curve.valueAt(LOSS, 99)]).toEqual([
    0.5,
    undefined,
    undefined,
  ])
})

test('history that comes after the live tail is put before it, and finer points between coarse ones', () => {
  const curve = new Curve()
  curve.add(points(100, 110))
  curve.add([0, 50, 105].map((step) => ({ step, loss: 7 })))
  expect(curve.drawn([LOSS], { from: 0, to: 109 }, 1000)[0]).toEqual([
    0,
    50,
    ...points(100, 110).map(({ step }) => step),
  ])
  expect([curve.valueAt(LOSS, 105), curve.valueAt(LOSS, 106)]).toEqual([7, 1 / 107])
  curve.clear()
  expect(curve.extent).toBeUndefined()
})

test('the lowest and highest point survive thinning, and so does what was reported once', () => {
  const curve = new Curve()
  curve.add(
    points(0, 100_000, (step) => (step === 34_567 ? 9 : step === 76_543 ? -9 : Math.abs((step % 7) - 3))),
  )
  curve.add([{ step: 50_001, loss: 0, metrics: { accuracy: 0.9 } }])
  const [steps, loss, accuracy] = curve.drawn([LOSS, 'accuracy'], { from: 0, to: 99_999 }, 500)
  expect(steps.length).toBeLessThanOrEqual(500 * 5)
  expect(loss?.[steps.indexOf(34_567)]).toBe(9)
  expect(loss?.[steps.indexOf(76_543)]).toBe(-9)
  expect(accuracy?.[steps.indexOf(50_001)]).toBe(0.9)
  expect([steps[0], steps.at(-1)]).toEqual([0, 99_999])
  expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b))
})

test('lines run to both edges of a range', () => {
  const curve = new Curve()
  curve.add(points(0, 100))
  expect(curve.drawn([LOSS], { from: 10, to: 12 }, 100)[0]).toEqual([9, 10, 11, 12, 13])
  for (const step of [0, 40, 80]) curve.add([{ step, loss: 1, metrics: { accuracy: step } }])
  expect(curve.drawn(['accuracy'], { from: 50, to: 51 }, 100)).toEqual([
    [40, 49, 50, 51, 52, 80],
    [40, null, null, null, null, 80],
  ])
})

test('no more than so many points are kept, the latest all of them', () => {
  const curve = new Curve(1000)
  curve.add(points(0, 5000, (step) => (step === 123 ? 5 : step % 3)))
  expect(curve.size).toBeLessThanOrEqual(1000)
  expect(curve.extent).toEqual({ from: 0, to: 4999 })
  expect(curve.valueAt(LOSS, 123)).toBe(5)
  const [late] = curve.drawn([LOSS], { from: 4850, to: 4999 }, 1000)
  expect(late.slice(1)).toEqual(points(4850, 5000).map(({ step }) => step))
})

test('throughput is that of all steps, also of those of which no point is known', () => {
  const curve = new Curve()
  curve.load(
    [0, 99].map((step) => ({ step, loss: 1, stepMs: 500 })),
    [
      { fromStep: 0, steps: 50, stepsPerSecond: 100 },
      { fromStep: 50, steps: 50, stepsPerSecond: 25 },
    ],
  )
  expect(curve.throughput({ from: 0, to: 99 }, 1000)).toEqual([
    [25, 75],
    [100, 25],
  ])
  curve.add(points(100, 116))
  expect(curve.throughput({ from: 100, to: 115 }, 1000)[1]).toEqual([100, 100])
  expect(curve.extent).toEqual({ from: 0, to: 115 })
})
