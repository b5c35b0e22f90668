/**
 * Goal: the target takes over once, when and only when everything is there, and ends on anything that breaks the rules.
 * Method: real sequences of frames in every interleaving of their streams, and the same with one thing wrong.
 */
import { type BulkFrame, type EncodedRun, PAGE_BYTES } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { startTarget, stepTarget, type TargetEffect, type TargetEvent, type TargetState } from './target.ts'

const pageCount = 12
const streams = 3

function frame(stream: number, sequence: number, runs: EncodedRun[] | undefined): BulkFrame {
  const header = { version: 1, stream, round: 0, sequence }
  if (runs === undefined) return { kind: 'roundEnd', ...header }
  return { kind: 'pages', ...header, runs, payload: Buffer.alloc(runs.length * PAGE_BYTES) }
}

/** Each stream sends its third of the pages one by one, then an end of round. */
function framesOf(stream: number): BulkFrame[] {
  const pages = Array.from({ length: 4 }, (_, index) => stream * 4 + index)
  const list = pages.map((firstPage, sequence) =>
    frame(stream, sequence, [{ firstPage, pageCount: 1, encoding: 'raw' }]),
  )
  return [...list, frame(stream, 4, undefined)]
}

const final = { attempt: 1, step: 7, lastSequences: [4, 4, 4], deltaBytes: 0 }

/** A merge of the streams' frames, in each stream's order, with `final` anywhere. */
const interleaving: fc.Arbitrary<TargetEvent[]> = fc
  .tuple(
    fc.shuffledSubarray(
      [0, 1, 2].flatMap((stream) => new Array<number>(5).fill(stream)),
      { minLength: 15 },
    ),
    fc.nat(15),
  )
  .map(([order, finalAt]) => {
    const queues = [0, 1, 2].map(framesOf)
    const events: TargetEvent[] = order.map((stream) => ({
      type: 'frame',
      frame: queues[stream]?.shift() as BulkFrame,
    }))
    events.splice(finalAt, 0, { type: 'final', final })
    return events
  })

function run(events: readonly TargetEvent[]): { state: TargetState; effects: TargetEffect[] } {
  let state = stepTarget(startTarget(pageCount, 1000), { type: 'welcome', streams }).state
  const effects: TargetEffect[] = []
  for (const event of events) {
    const next = stepTarget(state, event)
    state = next.state
    effects.push(...next.effects)
  }
  return { state, effects }
}

test('takes over exactly once, after the last frame, in every interleaving', () => {
  fc.assert(
    fc.property(interleaving, (events) => {
      const { state, effects } = run(events)
      expect(state.name).toBe('claiming')
      expect(effects.map(({ type }) => type)).toEqual([...new Array(15).fill('install'), 'takeOver'])
    }),
  )
})

test('a missing, repeated or swapped frame ends it before anything is taken over', () => {
  fc.assert(
    fc.property(interleaving, fc.nat(15), fc.constantFrom('drop', 'repeat'), (events, at, what) => {
      const broken =
        what === 'drop' ? events.toSpliced(at, 1) : events.toSpliced(at, 0, events[at] as TargetEvent)
      const { state, effects } = run(broken)
      const wasLast = what === 'repeat' && at === 15
      if (wasLast) return
      if (state.name === 'receiving') expect(what).toBe('drop')
      else expect(state.name).toBe('ended')
      expect(effects.some(({ type }) => type === 'takeOver')).toBe(false)
    }),
  )
})

test('final before every page was ever sent is refused', () => {
  const { state, effects } = run([
    { type: 'frame', frame: frame(0, 0, [{ firstPage: 0, pageCount: 11, encoding: 'zero' }]) },
    { type: 'final', final: { ...final, lastSequences: [0, -1, -1], deltaBytes: 0 } },
  ])
  expect(state.name).toBe('ended')
  expect(effects.at(-1)).toMatchObject({
    type: 'exit',
    error: { kind: 'out-of-order', message: expect.stringContaining('1 pages') },
  })
})

test('nothing is applied unless the claim is granted', () => {
  const claimed = run([
    ...[0, 1, 2].flatMap(framesOf).map((frame): TargetEvent => ({ type: 'frame', frame })),
    { type: 'final', final },
  ]).state
  const granted = stepTarget(claimed, { type: 'claimResult', granted: true, epoch: 5 })
  expect(granted.effects).toEqual([{ type: 'openGate', epoch: 5 }])
  const refused = stepTarget(claimed, { type: 'claimResult', granted: false, epoch: 6 })
  expect(refused.effects).toMatchObject([
    { type: 'exit', error: { kind: 'claim-refused', phase: 'switchover' } },
  ])
  expect(
    stepTarget(claimed, { type: 'lost', error: { kind: 'connection-lost', message: '' } }).state,
  ).toEqual(claimed)
})

test('memory that is to be compared is hashed before anything is taken over', () => {
  const memoryDigest = 'd'.repeat(64)
  const whole = run([
    ...[0, 1, 2].flatMap(framesOf).map((frame): TargetEvent => ({ type: 'frame', frame })),
    { type: 'final', final: { ...final, memoryDigest } },
  ])
  expect(whole.effects.at(-1)).toEqual({ type: 'hashMemory' })
  const same = stepTarget(whole.state, { type: 'memoryHashed', digest: memoryDigest })
  expect(same).toMatchObject({ state: { name: 'claiming' }, effects: [{ type: 'takeOver' }] })
  const other = stepTarget(whole.state, { type: 'memoryHashed', digest: 'e'.repeat(64) })
  expect(other).toMatchObject({
    state: { name: 'ended' },
    effects: [{ type: 'exit', error: { kind: 'memory-differs', phase: 'switchover' } }],
  })
  // The source was lost meanwhile: the hash is of no more use.
  const lost = stepTarget(whole.state, {
    type: 'lost',
    error: { kind: 'connection-lost', message: '' },
  }).state
  expect(stepTarget(lost, { type: 'memoryHashed', digest: memoryDigest })).toEqual({
    state: lost,
    effects: [],
  })
})

test('errors name the phase in which they happened', () => {
  const error = { kind: 'connection-lost', message: 'gone' } as const
  expect(stepTarget(startTarget(1, 0), { type: 'lost', error }).effects).toMatchObject([
    { error: { phase: 'setup' } },
  ])
  expect(run([{ type: 'lost', error }]).effects).toMatchObject([{ error: { phase: 'active' } }])
})

/** All pages as zeros, so that what is left is about deltas. */
const everyPage: TargetEvent = {
  type: 'frame',
  frame: frame(0, 0, [{ firstPage: 0, pageCount, encoding: 'zero' }]),
}

function delta(sequence: number, attempt: number, byteOffset: number, byteLength: number): TargetEvent {
  const header = { version: 1, stream: 0, round: attempt, sequence }
  return {
    type: 'frame',
    frame: { kind: 'delta', ...header, byteOffset, payload: Buffer.alloc(byteLength) },
  }
}

function finalAfter(sequence: number, attempt: number, deltaBytes: number): TargetEvent {
  return { type: 'final', final: { attempt, step: 7, lastSequences: [sequence, -1, -1], deltaBytes } }
}

test('a delta must be whole, of the attempt that final names, and no larger than declared', () => {
  const whole = [everyPage, delta(1, 1, 0, 600), delta(2, 1, 600, 400)]
  expect(run([...whole, finalAfter(2, 1, 1000)]).effects.at(-1)).toMatchObject({ type: 'takeOver' })
  for (const [events, kind] of [
    [[...whole, finalAfter(2, 1, 999)], 'out-of-order'],
    [[...whole, finalAfter(2, 2, 1000)], 'out-of-order'],
    [[everyPage, finalAfter(0, 1, 10)], 'out-of-order'],
    [[everyPage, delta(1, 1, 600, 401)], 'out-of-range'],
  ] as [TargetEvent[], string][]) {
    expect(run(events).effects.at(-1)).toMatchObject({ type: 'exit', error: { kind } })
  }
})

test('what is left of the delta of a park that was given up does not count, and is not installed over the newer one', () => {
  const { effects } = run([
    everyPage,
    delta(1, 1, 0, 600),
    delta(2, 2, 0, 300),
    delta(3, 1, 600, 400),
    delta(4, 2, 300, 100),
    finalAfter(4, 2, 400),
  ])
  expect(effects.at(-1)).toMatchObject({ type: 'takeOver' })
  const installed = effects.flatMap((effect) => (effect.type === 'install' ? [effect.frame.sequence] : []))
  expect(installed).toEqual([0, 1, 2, 4])
})
