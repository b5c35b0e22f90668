/**
 * Goal: no order of claims, aborts, returns and outputs makes two epochs count for one step, leaves a gap, or lets
 * a workload get stuck. Method: examples of each rule; random operations, hostile ones among them, judged by an
 * oracle of its own (support/ownership-oracle.ts), which is itself shown violations; and a world in which source and
 * target do what the design says while messages are lost, repeated and late.
 */
import { encodeValue, LIMITS, type Output } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  abort,
  accept,
  claim,
  type Decision,
  firstOwner,
  giveBack,
  MAX_KEPT_RANGES,
  newestRange,
  type OwnershipRecord,
  recover,
  restart,
} from './ownership.ts'
import { outputOf } from './support/fakes.ts'
import { type Happening, judgeOwnership } from './support/ownership-oracle.ts'

function outputs(epoch: number, from: number, to: number): Output[] {
  return Array.from({ length: to - from }, (_, index) => outputOf(from + index, epoch))
}

function after(record: OwnershipRecord, epoch: number, from: number, to: number): OwnershipRecord {
  return accept(record, outputs(epoch, from, to)).record
}

const CLAIM = { migration: 'm', epoch: 1, host: 'b', fromStep: 5 }
const SOURCE = { migration: 'm', epoch: 1, host: 'a' }
/** Epoch 1 on host a, three steps accepted. */
const THREE = after(firstOwner('a'), 1, 0, 3)

test('accepts the next step of the owner, and nothing else', () => {
  const mixed = [
    outputOf(2, 1),
    outputOf(3, 2),
    outputOf(4, 1),
    outputOf(3, 1),
    outputOf(3, 1),
    outputOf(4, 1),
  ]
  const { record, accepted, acknowledgedStep } = accept(THREE, mixed)
  expect(accepted).toEqual([outputOf(3, 1), outputOf(4, 1)])
  expect([record.acceptedSteps, acknowledgedStep]).toEqual([5, 4])
  expect(accept(THREE, outputs(1, 0, 3)).record).toBe(THREE)
  expect(accept(firstOwner('a'), []).acknowledgedStep).toBe(-1)
})

test('after a claim each epoch counts on its side of the border, whoever carries it', () => {
  const { record, granted, epoch } = claim(THREE, CLAIM)
  expect([granted, epoch, newestRange(record).host]).toEqual([true, 2, 'b'])
  expect(accept(record, outputs(2, 3, 8)).accepted).toEqual([])
  const { accepted } = accept(record, [...outputs(1, 3, 8), ...outputs(2, 5, 7)])
  expect(accepted.map(({ epoch }) => epoch)).toEqual([1, 1, 2, 2])
})

test('a claim is refused to whoever is late or holds an older state', () => {
  const taken = claim(THREE, CLAIM).record
  expect(claim(taken, { ...CLAIM, migration: 'other' })).toMatchObject({ granted: false, epoch: 2 })
  expect(claim(THREE, { ...CLAIM, fromStep: 2 }).granted).toBe(false)
  // The claim's border counts, although the steps before it have not all been accepted.
  expect(claim(taken, { migration: 'n', epoch: 2, host: 'c', fromStep: 4 }).granted).toBe(false)
  const aborted = abort(THREE, SOURCE).record
  expect(claim(aborted, CLAIM)).toMatchObject({ granted: false, epoch: 2, record: aborted })
})

test('a repeat is granted while the epoch that it made is the newest', () => {
  const claimed = claim(THREE, CLAIM).record
  expect(claim(claimed, CLAIM)).toEqual({ record: claimed, granted: true, epoch: 2 })
  const returned = giveBack(claimed, SOURCE).record
  expect(giveBack(returned, SOURCE)).toEqual({ record: returned, granted: true, epoch: 3 })
  expect(claim(returned, CLAIM).granted).toBe(false)
  const aborted = abort(THREE, SOURCE).record
  expect(abort(aborted, SOURCE)).toEqual({ record: aborted, granted: true, epoch: 2 })
  const later = claim(aborted, { migration: 'n', epoch: 2, host: 'c', fromStep: 9 }).record
  expect(abort(later, SOURCE).granted).toBe(false)
  // Not even as something new: what an operation did, it did once.
  expect(claim(returned, { ...CLAIM, epoch: 3, fromStep: 9 }).granted).toBe(false)
})

test('a claim is given back until its first step is accepted', () => {
  const claimed = claim(THREE, CLAIM).record
  const drained = after(claimed, 1, 3, 5)
  const returned = giveBack(drained, SOURCE)
  expect(returned).toMatchObject({ granted: true, epoch: 3 })
  expect(newestRange(returned.record)).toMatchObject({ host: 'a', fromStep: 5 })
  expect(accept(returned.record, outputs(2, 5, 6)).accepted).toEqual([])
  expect(accept(returned.record, outputs(3, 5, 6)).accepted).toHaveLength(1)
  expect(giveBack(after(drained, 2, 5, 6), SOURCE)).toMatchObject({ granted: false, epoch: 2 })
  expect(giveBack(claimed, { ...SOURCE, host: 'c' }).granted).toBe(false)
  expect(giveBack(THREE, SOURCE).granted).toBe(false)
})

test('an abort leaves the steps before the freeze to the epoch that computed them', () => {
  const { record } = abort(THREE, SOURCE)
  // Steps 3 and 4 were on their way when the source froze; it goes on with 5 under epoch 2.
  const settled = after(after(record, 1, 3, 5), 2, 5, 7)
  expect(settled.acceptedSteps).toBe(7)
  expect(settled.ranges.map(({ fromStep }) => fromStep)).toEqual([0, 5])
  expect(accept(settled, outputs(1, 7, 8)).accepted).toEqual([])
  const twice = abort(record, { migration: 'n', epoch: 2, host: 'a' }).record
  const chain = after(after(after(twice, 1, 3, 4), 2, 4, 5), 3, 5, 6)
  expect(chain.ranges.map(({ fromStep }) => fromStep)).toEqual([0, 4, 5])
})

test('a frozen source recovers by an abort before the claim and by a return after it', () => {
  expect(newestRange(recover(THREE, SOURCE).record).by?.operation).toBe('abort')
  const claimed = claim(THREE, CLAIM).record
  const back = recover(claimed, SOURCE)
  expect(newestRange(back.record).by?.operation).toBe('return')
  expect(recover(back.record, SOURCE)).toMatchObject({ granted: true, epoch: 3 })
  expect(recover(after(claimed, 1, 3, 5), SOURCE).granted).toBe(true)
  expect(recover(after(after(claimed, 1, 3, 5), 2, 5, 6), SOURCE).granted).toBe(false)
})

test('a record of many moves stays small, and forgets nothing that may still be decided', () => {
  let record = firstOwner('a')
  for (let move = 0; move < 20_000; move++) {
    const { epoch, host } = newestRange(record)
    const next = { migration: `m${move}`, epoch, host: host === 'a' ? 'b' : 'a', fromStep: move }
    const claimed = claim(record, next)
    expect(claim(claimed.record, next)).toMatchObject({ granted: true, epoch: epoch + 1 })
    record = after(claimed.record, epoch + 1, move, move + 1)
  }
  expect(record.ranges).toHaveLength(MAX_KEPT_RANGES)
  expect(newestRange(record)).toMatchObject({ epoch: 20_001, fromStep: 19_999 })
  expect(encodeValue(record).length).toBeLessThan(LIMITS.maxControlMessageBytes / 64)
  // Not even what was forgotten is granted a second time.
  expect(claim(record, { migration: 'm0', epoch: 1, host: 'b', fromStep: 20_000 }).granted).toBe(false)

  // Aborts one after the other, none with a step of its own yet: the first epoch still owns the next step.
  let aborted = after(firstOwner('a'), 1, 0, 3)
  for (let time = 0; time < 2 * MAX_KEPT_RANGES; time++) {
    aborted = abort(aborted, { migration: `m${time}`, epoch: newestRange(aborted).epoch, host: 'a' }).record
  }
  expect(accept(aborted, outputs(1, 3, 5)).accepted).toHaveLength(2)
  // A claim ahead of what is accepted: the steps before it are its source's.
  let behind = firstOwner('a')
  behind = claim(behind, { ...CLAIM, fromStep: 5 }).record
  for (let time = 0; time < 2 * MAX_KEPT_RANGES; time++) {
    const { epoch, host } = newestRange(behind)
    behind = claim(behind, {
      migration: `n${time}`,
      epoch,
      host: host === 'a' ? 'b' : 'a',
      fromStep: 5,
    }).record
  }
  expect(accept(behind, outputs(1, 0, 5)).accepted).toHaveLength(5)
})

test('the oracle sees violations', () => {
  const granted = {
    type: 'granted',
    operation: 'claim',
    migration: 'm',
    epoch: 2,
    host: 'b',
    fromStep: 1,
  } as const
  const abort = { type: 'granted', operation: 'abort', migration: 'm', epoch: 2, host: 'a' } as const
  const giveBack = { type: 'granted', operation: 'return', migration: 'm', epoch: 3, host: 'a' } as const
  const accepted = (step: number, epoch: number): Happening => ({
    type: 'accepted',
    output: outputOf(step, epoch),
  })
  const violations: [string, Happening[]][] = [
    ['I1', [accepted(0, 1), { ...abort }, accepted(0, 2)]],
    ['I1', [accepted(0, 7)]],
    ['I1', [{ ...abort }, accepted(0, 2), accepted(1, 1)]],
    ['I2', [accepted(0, 1), accepted(0, 1)]],
    ['I2', [accepted(0, 1), accepted(2, 1)]],
    ['I2', [accepted(0, 1), accepted(1, 1), granted]],
    ['I4', [granted, accepted(0, 1), accepted(1, 1)]],
    ['I4', [granted, { ...abort }]],
    ['I4', [{ ...granted, epoch: 3 }]],
    ['I4', [granted, accepted(0, 1), accepted(1, 2), giveBack]],
    ['I4', [granted, giveBack, granted]],
    ['I4', [granted, giveBack, { ...granted, epoch: 4 }]],
  ]
  for (const [invariant, history] of violations) {
    expect(() => judgeOwnership(history), JSON.stringify(history)).toThrow(invariant)
  }
  judgeOwnership([granted, accepted(0, 1), giveBack, accepted(1, 3)])
})

test('a restart owns what is neither accepted nor in the checkpoint, and a spool keeps its stamps', () => {
  const ask = { restart: 'r', epoch: 1, host: 'a', checkpointStep: 1 }
  const behind = restart(THREE, ask)
  expect(behind).toMatchObject({ granted: true, epoch: 2 })
  expect(newestRange(behind.record)).toMatchObject({ host: 'a', fromStep: 3 })
  // What was recomputed is not published, and what the lost owner may still have said is not either.
  expect(accept(behind.record, [...outputs(2, 1, 3), ...outputs(1, 3, 5)]).accepted).toEqual([])
  expect(accept(behind.record, outputs(2, 1, 5)).accepted.map(({ step }) => step)).toEqual([3, 4])
  // The checkpoint is further than what had arrived.
  const ahead = restart(THREE, { ...ask, checkpointStep: 6 }).record
  const { accepted } = accept(ahead, [...outputs(1, 2, 8), ...outputs(2, 5, 8)])
  expect(accepted.map(({ step, epoch }) => [step, epoch])).toEqual(
    [3, 4, 5, 6, 7].map((step) => [step, step < 6 ? 1 : 2]),
  )
})

test('a restart is granted once, repeated while it is the newest, and ends whatever was to be', () => {
  const ask = { restart: 'r', epoch: 1, host: 'a', checkpointStep: 0 }
  const restarted = restart(THREE, ask).record
  expect(restart(restarted, ask)).toEqual({ record: restarted, granted: true, epoch: 2 })
  expect(restart(restarted, { ...ask, restart: 's' })).toMatchObject({ granted: false, epoch: 2 })
  // Loaded again, and less this time: what lies between is nobody's to report any more.
  const ahead = restart(THREE, { ...ask, checkpointStep: 6 }).record
  expect(restart(ahead, { ...ask, checkpointStep: 6 }).granted).toBe(true)
  expect(restart(ahead, { ...ask, checkpointStep: 0 }).granted).toBe(false)
  expect(claim(restarted, CLAIM).granted).toBe(false)
  expect(abort(restarted, SOURCE).granted).toBe(false)
  const moved = claim(restarted, { migration: 'n', epoch: 2, host: 'b', fromStep: 4 }).record
  expect(restart(moved, ask).granted).toBe(false)
})

test('a target that is lost before its own first step, with its source, leaves no step to nobody', () => {
  const claimed = claim(THREE, { ...CLAIM, fromStep: 9 }).record
  const { record } = restart(claimed, { restart: 'r', epoch: 2, host: 'b', checkpointStep: 0 })
  expect(record.ranges.map(({ fromStep }) => fromStep)).toEqual([0, 3, 3])
  expect(accept(record, outputs(3, 0, 12)).record.acceptedSteps).toBe(12)
})

/** What anybody could ask for, mostly sensible: numbers are relative to where the record stands. */
const near = (reach: number) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: -reach, max: reach }))
const request = fc.record({
  kind: fc.constantFrom('claim', 'abort', 'return', 'recover', 'restart', 'outputs', 'outputs'),
  migration: fc.constantFrom('m1', 'm2'),
  host: fc.constantFrom('a', 'b'),
  epochsBack: near(2),
  stepsAhead: near(3),
  count: fc.integer({ min: 1, max: 5 }),
})

test('I1, I2 and I4 hold whatever is asked in whatever order', () => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 60 }), (requests) => {
      let record = firstOwner('a')
      const history: Happening[] = []
      for (const { kind, migration, host, epochsBack, stepsAhead, count } of requests) {
        const epoch = Math.max(1, newestRange(record).epoch - epochsBack)
        const step = Math.max(0, record.acceptedSteps + stepsAhead)
        if (kind === 'outputs') {
          const { accepted, record: next } = accept(record, outputs(epoch, step, step + count))
          for (const output of accepted) history.push({ type: 'accepted', output })
          record = next
          continue
        }
        const ask = { migration, epoch, host, fromStep: step }
        const decisions = {
          claim,
          abort,
          return: giveBack,
          recover,
          restart: (record: OwnershipRecord) =>
            restart(record, { restart: migration, epoch, host, checkpointStep: step }),
        }
        const decision: Decision = decisions[kind](record, ask)
        if (decision.granted) {
          const operation = newestRange(decision.record).by?.operation ?? 'claim'
          history.push({ type: 'granted', operation, migration, epoch: decision.epoch, host, fromStep: step })
        } else expect(decision.record).toBe(record)
        record = decision.record
      }
      judgeOwnership(history)
      const { ranges } = record
      for (const [index, range] of ranges.entries()) {
        expect(range.epoch).toBe((ranges[0]?.epoch ?? 0) + index)
        expect(range.fromStep).toBeGreaterThanOrEqual(ranges[index - 1]?.fromStep ?? 0)
      }
    }),
    { numRuns: 1000 },
  )
})

/** One migration of an honest world: how far the source got, what of that had arrived, and how it ended. */
const episode = fc.record({
  applied: fc.integer({ min: 0, max: 4 }),
  arrived: fc.integer({ min: 0, max: 4 }),
  end: fc.constantFrom('claimed', 'aborted', 'given back', 'given up early', 'claimed, answer lost'),
})

test('honest workers never get stuck: every step is accepted in the end, once', () => {
  fc.assert(
    fc.property(fc.array(episode, { maxLength: 12 }), (episodes) => {
      let record = firstOwner('a')
      let owner = { host: 'a', epoch: 1 }
      let applied = 0
      const history: Happening[] = []
      /** Not acknowledged yet; the owner's, and it moves with the workload. */
      let spool: Output[] = []

      const arrive = (outputs: readonly Output[]): void => {
        const result = accept(record, outputs)
        for (const output of result.accepted) history.push({ type: 'accepted', output })
        record = result.record
        spool = spool.filter(({ step }) => step > result.acknowledgedStep)
      }
      const decide = (decision: Decision, migration: string, fromStep: number): void => {
        expect(decision.granted).toBe(true)
        record = decision.record
        const { by, host } = newestRange(record)
        const operation = by?.operation ?? 'claim'
        history.push({ type: 'granted', operation, migration, epoch: decision.epoch, host, fromStep })
      }

      for (const [index, { applied: more, arrived, end }] of episodes.entries()) {
        for (let step = applied; step < applied + more; step++) spool.push(outputOf(step, owner.epoch))
        applied += more
        arrive(spool.slice(0, arrived))
        const migration = `m${index}`
        const other = owner.host === 'a' ? 'b' : 'a'
        const ask = { migration, epoch: owner.epoch, host: other, fromStep: applied }
        const back = { migration, epoch: owner.epoch, host: owner.host }
        if (end === 'given up early') continue
        if (end === 'aborted') {
          decide(recover(record, back), migration, applied)
          expect(claim(record, ask).granted).toBe(false)
        } else {
          decide(claim(record, ask), migration, applied)
          if (end === 'claimed, answer lost') decide(claim(record, ask), migration, applied)
          if (end === 'given back') decide(recover(record, back), migration, applied)
        }
        owner = newestRange(record)
        // What an owner before would do past its border, if it had not frozen; and the spool, once more.
        const past = end === 'aborted' ? [] : outputs(owner.epoch - 1, applied, applied + 2)
        arrive([...past, ...spool.slice(-1), ...spool.slice(0, arrived)])
      }
      spool.push(outputOf(applied, owner.epoch))
      arrive(spool)
      judgeOwnership(history)
      expect(record.acceptedSteps).toBe(applied + 1)
    }),
    { numRuns: 1000 },
  )
})
