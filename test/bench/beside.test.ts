/** Goal: what ran beside a switchover is named, and nothing else is. Method: moves with instants that are given. */
import { expect, test } from 'vitest'
import { beside, type TimedMove, worstOf } from './beside.ts'

const round = { pages: 1, pageBytes: 1, wireBytes: 1, durationMs: 100, steps: 1, codec: 'raw' } as const
const downtime = { parkMs: 0, finalScanMs: 0, finalSendMs: 0, installMs: 0, claimMs: 0, resumeMs: 0 }

/** A second of setup, a first round of 100 ms, further ones of 400; then it switches over. */
function move(workload: string, beganAtMs: number, from = 'a', to = 'b'): TimedMove {
  const report = { from, to, setupMs: 1000, rounds: [round], downtimeStartMs: 1500, downtimeMs: 50, downtime }
  return { workload, beganAtMs, report }
}

test('what shared a host with a switchover is named by its phase, for as long as it did', () => {
  const one = move('one', 0)
  const kindsBeside = (...others: TimedMove[]) =>
    beside(one, [one, ...others]).map(({ workload, kind, ms }) => [workload, kind, ms])
  expect(kindsBeside(move('sets up', 1000, 'a', 'c'))).toEqual([['sets up', 'setup', 50]])
  expect(kindsBeside(move('begins', 1530))).toEqual([['begins', 'setup', 20]])
  expect(kindsBeside(move('both', 520))).toEqual([
    ['both', 'setup', 20],
    ['both', 'first round', 30],
  ])
  expect(kindsBeside(move('on', 200))).toEqual([['on', 'rounds', 50]])
  expect(kindsBeside(move('ends', -150))).toEqual([['ends', 'end', 50]])
  expect(kindsBeside(move('over', -300), move('later', 1600), move('elsewhere', 1000, 'c', 'd'))).toEqual([])
})

test('the costliest counts', () => {
  const one = move('one', 0)
  expect(worstOf(beside(one, [one, move('two', 200), move('three', 1000)]))).toBe('setup')
  expect(worstOf(beside(one, [one]))).toBe('nothing')
})
