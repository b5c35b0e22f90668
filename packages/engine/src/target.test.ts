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

const final = { attempt: 1, step: 7, lastSequences: [4, 4, 4] }

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
  let state = stepTarget(startTarget(pageCount), { type: 'welcome', streams }).state
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
    { type: 'final', final: { ...final, lastSequences: [0, -1, -1] } },
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

test('errors name the phase in which they happened', () => {
  const error = { kind: 'connection-lost', message: 'gone' } as const
  expect(stepTarget(startTarget(1), { type: 'lost', error }).effects).toMatchObject([
    { error: { phase: 'setup' } },
  ])
  expect(run([{ type: 'lost', error }]).effects).toMatchObject([{ error: { phase: 'active' } }])
})
