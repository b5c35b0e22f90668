/**
 * Goal: whatever happens, in any order, I3, I4 and I6 hold. Method: random events of the peer, the coordinator and time, against an oracle
 * that looks at nothing but the effects.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { startSource, stepSource } from './source.ts'
import type { SourceEffect, SourceEvent, SourceState } from './source-types.ts'
import {
  asking,
  config,
  error,
  finalRoundSent,
  goOn,
  hashed,
  hello,
  letGo,
  noticed,
  pauseIt,
  roundSent,
  running,
  TICK,
  telling,
  verified,
} from './support/source-story.ts'

/** Events of the peer, the coordinator and time: nothing is known of their order. */
const hostile: fc.Arbitrary<SourceEvent> = fc.constantFrom<SourceEvent>(
  hello,
  { ...hello, versions: { min: 5, max: 5 } },
  { type: 'installed' },
  { type: 'targetReady', installedMs: 5000 },
  running,
  { type: 'lost', error },
  { type: 'cancel', error },
  letGo,
  noticed,
  pauseIt,
  goOn,
  TICK,
  { type: 'clock', roundTripMs: 2, clock: undefined },
)

/** What our own edge says next, after the effects it was given; it always answers. */
function edgeAnswers(effect: SourceEffect, state: SourceState): SourceEvent[] {
  switch (effect.type) {
    case 'welcome':
      return [{ type: 'streamsOpen' }]
    case 'sendRound':
      return [roundSent]
    case 'park':
      return state.name === 'parking' ? [{ type: 'parked', step: 3, parkedMs: 1000, deltaBytes: 0 }] : []
    case 'sendFinalRound':
      return [finalRoundSent]
    case 'hashMemory':
      return [hashed]
    case 'askRecover':
      return [{ type: 'recoverResult', granted: true, epoch: 9 }]
    default:
      return []
  }
}

test('whatever happens, in any order: I3, I4 and I6 hold', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.option(hostile, { freq: 2 }), fc.nat(3000)), { maxLength: 60 }),
      fc.constantFrom(config, verified, asking, telling),
      (script, given) => {
        let state = startSource(given, 1000)
        let nowMs = 1000
        const answers: SourceEvent[] = []
        let [parked, committed, finished, exited, told] = [false, false, 0, false, false]
        const feed = (event: SourceEvent): void => {
          const next = stepSource(state, event, nowMs)
          state = next.state
          for (const effect of next.effects) {
            if (effect.type === 'notify') {
              expect(told, 'once for each attempt').toBe(false)
              told = true
            }
            if (effect.type === 'park') {
              expect(told).toBe(given.tellsProgram === true)
              ;[parked, told] = [true, false]
            }
            if (effect.type === 'sendFinal') committed = true
            if (effect.type === 'resume') {
              // I4: after the commit point the thread goes on only under a newer epoch.
              expect(committed ? effect.epoch : 0).toBeDefined()
              ;[parked, committed] = [false, false]
            }
            if (effect.type === 'finish') {
              finished += 1
              // I6: whoever gives up has resumed the thread.
              if (effect.status !== 'completed') expect(parked).toBe(false)
            }
            if (effect.type === 'exit') exited = true
            answers.push(...edgeAnswers(effect, state))
          }
        }
        for (const [event, passedMs] of script) {
          nowMs += passedMs
          if (event !== null) feed(event)
          // The edge answers what still makes sense: a round that was abandoned is not reported.
          else {
            const answer = answers.shift()
            if (answer !== undefined && asks(state, answer)) feed(answer)
          }
        }
        expect(finished).toBeLessThanOrEqual(2)
        expect(exited).toBe(false)
      },
    ),
    { numRuns: 2000 },
  )
})

function asks(state: SourceState, event: SourceEvent): boolean {
  const expected: Partial<Record<SourceEvent['type'], SourceState['name'][]>> = {
    streamsOpen: ['connecting'],
    roundSent: ['active', 'holding', 'parking'],
    parked: ['parking'],
    finalRoundSent: ['draining'],
    memoryHashed: ['verifying', 'ended'],
  }
  return expected[event.type]?.includes(state.name) ?? true
}
