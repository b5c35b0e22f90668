/**
 * Goal: what must reach the coordinator is never crowded out by what may be lost. Method: examples of each kind, and
 * as a law over random floods that everything but progress, outputs and repeats comes out once and in order.
 */
import type { FromAgent, FromWorker } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Backlog } from './backlog.ts'

const error = { kind: 'worker-crashed', message: 'gone' } as const
const progress = { round: 0, roundPagesSent: 0, roundPages: 0, remainingBytes: 0, sentBytes: 0 }

const SAID = {
  progress: {
    type: 'migrationProgress',
    migrationId: 'm',
    status: 'active',
    progress: { ...progress, bytesPerSecond: 0, step: 0 },
  },
  outputs: { type: 'outputs', outputs: [{ step: 0, epoch: 1, loss: 1, stepMs: 1 }] },
  claim: { type: 'claim', migrationId: 'm', fromStep: 5 },
  recover: { type: 'recover', migrationId: 'm', error },
  ended: { type: 'migrationEnded', migrationId: 'm', status: 'failed' },
  failed: { type: 'failed', error },
} as const satisfies Record<string, FromWorker>

function said(message: FromWorker, workerId = 'w'): FromAgent {
  return { type: 'fromWorker', workerId, message }
}

test('a flood of progress and outputs drops nothing else', () => {
  const backlog = new Backlog(3)
  const keep = [said(SAID.recover), said(SAID.claim), said(SAID.ended), said(SAID.failed)]
  for (const message of keep) {
    backlog.add(message)
    for (let time = 0; time < 10; time++) {
      backlog.add(said(SAID.progress))
      backlog.add(said(SAID.outputs))
    }
  }
  backlog.add({ type: 'workerExited', workerId: 'w' })
  expect(backlog.exited()).toEqual(['w'])
  const rest = backlog.take()
  expect(
    rest.filter((message) => message.type === 'fromWorker' && message.message.type === 'outputs'),
  ).toHaveLength(3)
  expect(rest.filter((message) => keep.includes(message))).toEqual(keep)
  expect(rest.at(-1)).toEqual({ type: 'workerExited', workerId: 'w' })
  expect([backlog.take(), backlog.exited()]).toEqual([[], []])
})

test('what is repeated until it is answered is kept once for each worker and migration', () => {
  const backlog = new Backlog()
  const other = { ...SAID.recover, migrationId: 'n' }
  for (let time = 0; time < 5; time++) {
    backlog.add(said(SAID.recover))
    backlog.add(said(SAID.recover, 'v'))
    backlog.add(said(other))
  }
  const once = [said(SAID.recover), said(SAID.recover, 'v'), said(other)]
  expect(backlog.take()).toEqual(once)
  backlog.add(said(SAID.recover))
  expect(backlog.take()).toHaveLength(1)
})

test('of checkpoints the newest is kept, for each who asked and for nobody in particular', () => {
  const backlog = new Backlog()
  const report = {
    ...{ step: 1, rounds: 1, incremental: false, pages: 1, writtenBytes: 1, fileBytes: 1 },
    ...{ stallMs: 1, totalMs: 1 },
  }
  const at = (step: number, checkpointId?: string, workerId?: string): FromAgent =>
    said({ type: 'checkpointed', checkpointId, report: { ...report, step } }, workerId)
  const failed = said({ type: 'checkpointed', error })
  for (const message of [at(1), at(2, 'a'), at(3, 'b'), at(4, 'b'), at(5), failed, at(6, undefined, 'v')])
    backlog.add(message)
  expect(backlog.take()).toEqual([at(2, 'a'), at(4, 'b'), at(5), failed, at(6, undefined, 'v')])
})

test('outputs are counted one by one, and the oldest dropped first', () => {
  const backlog = new Backlog(2)
  const two = { ...SAID.outputs, outputs: [...SAID.outputs.outputs, ...SAID.outputs.outputs] }
  expect(backlog.add(said(SAID.outputs, 'first'))).toBe(0)
  expect(backlog.add(said(SAID.outputs, 'second'))).toBe(0)
  expect(backlog.add(said(SAID.progress))).toBe(0)
  expect(backlog.add(said(two, 'third'))).toBe(2)
  expect(backlog.take()).toEqual([said(two, 'third')])
})

test('whatever is said, order is kept and all ends come out', () => {
  const message = fc.constantFrom(
    said(SAID.progress),
    said(SAID.outputs),
    said(SAID.recover),
    said(SAID.failed),
    { type: 'workerExited', workerId: 'w' } as const,
  )
  fc.assert(
    fc.property(fc.array(message), fc.integer({ min: 0, max: 3 }), (all, maxOutputs) => {
      const backlog = new Backlog(maxOutputs)
      const given: FromAgent[] = all.map((each) => ({ ...each }))
      for (const each of given) backlog.add(each)
      const taken = backlog.take()
      const places = taken.map((each) => given.indexOf(each))
      expect(places).toEqual([...places].sort((a, b) => a - b))
      const isEnd = (each: FromAgent): boolean => each.type === 'workerExited' || nameOf(each) === 'failed'
      expect(taken.filter(isEnd)).toEqual(given.filter(isEnd))
      expect(taken.filter((each) => nameOf(each) === 'outputs').length).toBeLessThanOrEqual(maxOutputs)
      expect(taken.some((each) => nameOf(each) === 'recover')).toBe(
        given.some((each) => nameOf(each) === 'recover'),
      )
    }),
  )
})

function nameOf(message: FromAgent): string {
  return message.type === 'fromWorker' ? message.message.type : message.type
}
