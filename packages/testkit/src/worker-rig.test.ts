/**
 * Goal: whoever waits for a worker that is gone is told so, with its log, and nothing goes on dialling it. Method: real
 * workers, killed; a worker that is killed has no exit code.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Ledger, Rig } from './worker-rig.ts'

const spec = { program: 'word-embeddings', steps: 1_000_000 }

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

it('tells who waits that the worker was killed', async () => {
  const worker = await rig.start(spec)
  await rig.reached(worker, 5)
  const [reached, next, until] = [
    rig.reached(worker, spec.steps),
    worker.next('ended'),
    worker.until(() => false),
  ]
  worker.process.kill('SIGKILL')
  await expect(reached).rejects.toThrow('ended too early')
  await expect(next).rejects.toThrow('the worker ended (SIGKILL) without ended')
  await expect(until).rejects.toThrow('ended too early')
  await expect(worker.connectAgain()).rejects.toThrow('ended before it listened')
})

it('tells who waits, or closes, what its ledger found wrong', async () => {
  const worker = await rig.start(spec)
  rig.ledger.accept = () => {
    throw new Error('a step too many')
  }
  await expect(worker.until(() => false)).rejects.toThrow('a step too many')
  await rig.close().catch(() => {})
})

it('notes when each step came', () => {
  const ledger = new Ledger()
  const output = { epoch: 1, loss: 0, stepMs: 1 }
  ledger.accept([{ ...output, step: 0 }], 10)
  ledger.accept(
    [
      { ...output, step: 0 },
      { ...output, step: 1 },
    ],
    20,
  )
  expect(ledger.arrivalsMs).toEqual([10, 20])
})
