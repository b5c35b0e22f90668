/**
 * Goal: each output reaches a coordinator that takes steps in order, each once, whatever is lost on the way; quick
 * steps are sent in batches. Method: a clock under the test's control, single cases, and a
 * property over random histories with connections that come and go.
 */
import { LIMITS, type Output } from '@godwit/protocol'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Outputs } from './outputs.ts'

const outputAt = (step: number, epoch = 1): Output => ({ step, epoch, loss: step / 2, stepMs: 1 })
const outputsFrom = (first: number, count: number, epoch = 1): Output[] =>
  Array.from({ length: count }, (_, index) => outputAt(first + index, epoch))

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  vi.advanceTimersByTime(1000)
})
afterEach(() => vi.useRealTimers())

function rig(): { outputs: Outputs; sent: number[][] } {
  const sent: number[][] = []
  const outputs = new Outputs((batch) => sent.push(batch.map(({ step }) => step)))
  return { outputs, sent }
}

test('the first output goes at once, what follows within 20 ms goes together', () => {
  const { outputs, sent } = rig()
  for (const output of outputsFrom(0, 4)) outputs.add(output)
  expect(sent).toEqual([[0]])
  vi.advanceTimersByTime(19)
  outputs.add(outputAt(4))
  expect(sent).toEqual([[0]])
  vi.advanceTimersByTime(1)
  expect(sent).toEqual([[0], [1, 2, 3, 4]])
  vi.advanceTimersByTime(1000)
  outputs.add(outputAt(5))
  expect(sent).toEqual([[0], [1, 2, 3, 4], [5]])
})

test('an acknowledged output is dropped, the rest is sent again when an agent connects', () => {
  const { outputs, sent } = rig()
  for (const output of outputsFrom(0, 5)) outputs.add(output)
  outputs.flush()
  outputs.acknowledge(2)
  expect(outputs.spooled.map(({ step }) => step)).toEqual([3, 4])
  sent.length = 0
  outputs.resend()
  expect(sent).toEqual([[3, 4]])
  outputs.acknowledge(2)
  outputs.flush()
  expect(sent).toEqual([[3, 4]])
})

test('an acknowledgement may reach past what was sent', () => {
  const { outputs, sent } = rig()
  for (const output of outputsFrom(0, 4)) outputs.add(output)
  outputs.acknowledge(1)
  vi.advanceTimersByTime(20)
  expect(sent).toEqual([[0], [2, 3]])
})

test('a message has no more outputs than its schema allows', () => {
  const { outputs, sent } = rig()
  const count = 2 * LIMITS.maxOutputsPerMessage + 5
  outputs.adopt(outputsFrom(0, count))
  expect(sent.map((batch) => batch.length)).toEqual([
    LIMITS.maxOutputsPerMessage,
    LIMITS.maxOutputsPerMessage,
    5,
  ])
  expect(sent.flat()).toEqual(Array.from({ length: count }, (_, step) => step))
})

test('an adopted spool keeps its stamps and goes before what is our own, though that was sent already', () => {
  const { outputs, sent } = rig()
  for (const output of outputsFrom(3, 2, 2)) outputs.add(output)
  outputs.flush()
  sent.length = 0
  outputs.adopt(outputsFrom(0, 3, 1))
  expect(sent).toEqual([[0, 1, 2, 3, 4]])
  expect(outputs.spooled.map(({ epoch }) => epoch)).toEqual([1, 1, 1, 2, 2])
})

/** Takes steps in order, each once: the coordinator's rule, written apart from it. */
class Receiver {
  readonly accepted: number[] = []
  isConnected = true

  take(batch: readonly Output[]): void {
    if (!this.isConnected) return
    for (const { step } of batch) {
      if (step < this.accepted.length) continue
      if (step > this.accepted.length)
        throw new Error(`step ${step} came where ${this.accepted.length} is due`)
      this.accepted.push(step)
    }
  }
}

type Event =
  | { type: 'add'; count: number }
  | { type: 'wait'; ms: number }
  | { type: 'acknowledge' | 'disconnect' | 'connect' }

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ type: fc.constant('add' as const), count: fc.integer({ min: 1, max: 400 }) }),
  fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ type: fc.constantFrom('acknowledge' as const, 'disconnect' as const, 'connect' as const) }),
)

test('whatever is lost, every step is accepted in order once an agent is connected again', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), fc.integer({ min: 0, max: 300 }), (events, adopted) => {
      const receiver = new Receiver()
      const outputs = new Outputs((batch) => {
        expect(batch.length).toBeLessThanOrEqual(LIMITS.maxOutputsPerMessage)
        receiver.take(batch)
      })
      let step = adopted
      outputs.adopt(outputsFrom(0, adopted))
      for (const happened of events) {
        if (happened.type === 'add') {
          for (let left = happened.count; left > 0; left--) outputs.add(outputAt(step++))
        } else if (happened.type === 'wait') vi.advanceTimersByTime(happened.ms)
        else if (happened.type === 'disconnect') receiver.isConnected = false
        else if (happened.type === 'acknowledge') {
          if (receiver.isConnected && receiver.accepted.length > 0)
            outputs.acknowledge(receiver.accepted.length - 1)
        } else if (!receiver.isConnected) {
          receiver.isConnected = true
          outputs.resend()
        }
      }
      receiver.isConnected = true
      outputs.resend()
      expect(receiver.accepted).toHaveLength(step)
      outputs.acknowledge(step - 1)
      expect(outputs.spooled).toEqual([])
    }),
    { numRuns: 100 },
  )
})
