/** Goal: each move that completed is on the curve, between the right steps, and all that is seen can be read. Method: moves and curves written by hand. */
import type { MoveEntry } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { Curve } from './curve.ts'
import { curveSummary, flagsOf, lossAround, marksOf, markText, tableRows } from './curve-marks.ts'
import { panelsOf, words } from './curve-panels.ts'

const move = (id: string, step: number, more: Partial<MoveEntry> = {}): MoveEntry => ({
  id,
  from: 'a',
  to: 'b',
  status: 'completed',
  step,
  downtimeMs: 54.8,
  ...more,
})
const curve = new Curve()
curve.add(Array.from({ length: 500 }, (_, step) => ({ step, loss: 2 - step / 500 })))
curve.add([{ step: 199, loss: 1.5, metrics: { validationLoss: 1.6 } }])

test('moves that completed are marks, by step', () => {
  const moves = [move('m-2', 300), move('m-1', 201), move('m-3', 400, { status: 'failed' })]
  expect(marksOf(moves).map(({ id }) => id)).toEqual(['m-1', 'm-2'])
  expect(marksOf(moves).map(markText)).toEqual([
    'a → b at step 201, 54.8 ms of downtime',
    'a → b at step 300, 54.8 ms of downtime',
  ])
})

test('a mark stands between the last step here and the first step there; those that are too near are one', () => {
  const marks = marksOf([move('m-1', 201), move('m-2', 203), move('m-3', 400)])
  const flags = flagsOf(marks, { from: 0, to: 499 }, 500, 20)
  expect(flags.map(({ step, marks: joined }) => [step, joined.length])).toEqual([
    [200.5, 2],
    [399.5, 1],
  ])
  expect(flagsOf(marks, { from: 190, to: 210 }, 500, 20)).toHaveLength(2)
  expect(flagsOf(marks, { from: 0, to: 100 }, 500, 20)).toEqual([])
})

test('the steps on both sides of a move are there', () => {
  const [mark] = marksOf([move('m-1', 201)])
  expect(lossAround(curve, mark as NonNullable<typeof mark>)).toBe(
    'loss 1.6000 at step 200, 1.5980 at step 201: none is missing',
  )
  expect(lossAround(new Curve(), mark as NonNullable<typeof mark>)).toBeUndefined()
})

test('the curve in sentences', () => {
  expect(curveSummary(new Curve(), [])).toBe('No step has been reported yet.')
  expect(curveSummary(curve, [])).toBe('Loss 1.0020 at step 499, 2.0000 at step 0. It has not moved.')
  const many = marksOf(Array.from({ length: 7 }, (_, index) => move(`m-${index}`, 10 * (index + 1))))
  expect(curveSummary(curve, many)).toContain('7 moves, the latest 5: a → b at step 30,')
})

test('a table has steps at even distances, with what was known at them', () => {
  const rows = tableRows(curve, ['loss', 'validationLoss'], { from: 0, to: 400 }, 3)
  expect(rows.map(({ step, values }) => [step, values[1]])).toEqual([
    [0, undefined],
    [200, 1.6],
    [400, 1.6],
  ])
  expect(tableRows(new Curve(), ['loss'], { from: 0, to: 1 }, 3)).toEqual([])
})

test('losses share a chart, other metrics have one each', () => {
  const panels = panelsOf(['loss', 'step time', 'validationLoss', 'accuracy'])
  expect(panels.map(({ title, lines }) => [title, lines.map(({ label }) => label)])).toEqual([
    ['Loss', ['loss', 'validation loss']],
    ['Accuracy', ['accuracy']],
    ['Throughput', ['steps a second']],
    ['Step time', ['step time']],
  ])
  expect(words('validation_lossTop5')).toBe('validation loss top5')
})
