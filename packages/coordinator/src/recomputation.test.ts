/** Goal: bits that differ are found, and no step is forgotten before it was compared. Method: outputs by hand. */
import type { Output } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { acknowledgedStep, beginRecomputation, compareSteps, type Recomputation } from './recomputation.ts'
import { outputOf } from './support/fakes.ts'

const accepted = (step: number): Output => outputOf(step, 1)
const steps = (epoch: number, from: number, to: number): Output[] =>
  Array.from({ length: to - from }, (_, index) => outputOf(from + index, epoch))
const BEGUN = beginRecomputation(2, 3, 8) as Recomputation

test('there is nothing to compare where the checkpoint is as far as what was accepted', () => {
  expect(beginRecomputation(2, 8, 8)).toBeUndefined()
  expect(beginRecomputation(2, 9, 8)).toBeUndefined()
})

test('acknowledgements follow the recomputed steps, then the accepted ones', () => {
  expect(acknowledgedStep(8, BEGUN)).toBe(2)
  const half = compareSteps(BEGUN, steps(2, 3, 6), accepted)
  expect(half).toEqual({ left: { epoch: 2, nextStep: 6, untilStep: 8 } })
  expect(acknowledgedStep(8, half.left)).toBe(5)
  expect(compareSteps(half.left as Recomputation, steps(2, 4, 10), accepted)).toEqual({ left: undefined })
  expect(acknowledgedStep(8, undefined)).toBe(7)
})

test('the first step with other bits is told, zero and minus zero being two', () => {
  const other = steps(2, 3, 8).map((output) => (output.step >= 5 ? { ...output, loss: 9 } : output))
  expect(compareSteps(BEGUN, other, accepted).diverged).toEqual({
    step: 5,
    acceptedLoss: 1 / 6,
    recomputedLoss: 9,
  })
  const zero = (step: number): Output => ({ ...outputOf(step, 1), loss: 0 })
  const minusZero = [{ ...outputOf(3, 2), loss: -0 }]
  expect(compareSteps(BEGUN, minusZero, zero).diverged).toMatchObject({ step: 3 })
})

test('what an older epoch said, was said before, or is not kept any more is not compared', () => {
  const wrong = steps(1, 3, 8).map((output) => ({ ...output, loss: 9 }))
  expect(compareSteps(BEGUN, wrong, accepted)).toEqual({ left: BEGUN })
  const { left } = compareSteps(BEGUN, steps(2, 3, 6), accepted)
  const again = steps(2, 3, 6).map((output) => ({ ...output, loss: 9 }))
  expect(compareSteps(left as Recomputation, again, accepted)).toEqual({ left })
  expect(
    compareSteps(
      BEGUN,
      wrong.map((output) => ({ ...output, epoch: 2 })),
      () => undefined,
    ),
  ).toEqual({
    left: undefined,
  })
})
