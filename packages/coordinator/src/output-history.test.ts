/** Goal: the history gives back what went in, within its limit. Method: comparison with a plain array. */
import { LIMITS } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OutputHistory } from './output-history.ts'
import { outputOf } from './support/fakes.ts'

test('keeps the latest outputs bit for bit, as a plain array would', () => {
  const loss = fc.double({ noNaN: true })
  const step = fc.record({ loss, stepMs: fc.nat(99), newEpoch: fc.boolean(), score: fc.option(fc.nat(9)) })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 80 }),
      fc.integer({ min: 1, max: 50 }),
      fc.nat(90),
      fc.nat(40),
      (steps, limit, from, count) => {
        let epoch = 1
        const all = steps.map(({ loss, stepMs, newEpoch, score }, step) => {
          if (newEpoch) epoch += 1
          return { step, epoch, loss, stepMs, ...(score === null ? {} : { metrics: { score } }) }
        })
        const history = new OutputHistory(limit)
        for (const output of all) history.add(output)
        expect(history.firstStep).toBe(Math.max(0, all.length - limit))
        expect(history.latest).toEqual(all.at(-1))
        const start = Math.max(from, history.firstStep)
        expect(history.read(from, count)).toEqual(all.slice(start, start + count))
        expect(history.latestStepMs(5)).toEqual(all.slice(-Math.min(5, limit)).map(({ stepMs }) => stepMs))
      },
    ),
  )
})

test('grows past its first capacity, and forgets old metrics before old losses', () => {
  const history = new OutputHistory()
  const steps = 65 * LIMITS.maxOutputsPerMessage
  for (let step = 0; step < steps; step++) history.add({ ...outputOf(step, 1), metrics: { step } })
  expect(history.read(0, 1)).toEqual([outputOf(0, 1)])
  expect(history.latest?.metrics).toEqual({ step: steps - 1 })
})

test('a gap is a bug', () => {
  expect(() => new OutputHistory().add(outputOf(1, 1))).toThrow('0 comes next')
})
