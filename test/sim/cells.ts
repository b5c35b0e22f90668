/**
 * The cells of the transition tables, and those that cannot be reached, each with the reason. A cell that is listed
 * here and reached all the same is an error as well: the list stays honest.
 */
import type { SourceEvent, SourceState, TargetEvent, TargetState } from '@godwit/engine'

/** Each name once: one that is missing does not compile. */
function all<Name extends string>(names: Record<Name, true>): Name[] {
  return Object.keys(names) as Name[]
}

const SOURCE_STATES = all<SourceState['name']>({
  listening: true,
  connecting: true,
  active: true,
  parking: true,
  draining: true,
  verifying: true,
  frozen: true,
  handedOver: true,
  recovering: true,
  ended: true,
})

const SOURCE_EVENTS = all<SourceEvent['type']>({
  hello: true,
  streamsOpen: true,
  roundSent: true,
  roundStopped: true,
  parked: true,
  finalRoundSent: true,
  memoryHashed: true,
  installed: true,
  clock: true,
  targetReady: true,
  targetRunning: true,
  lost: true,
  trainingEnded: true,
  cancel: true,
  recoverResult: true,
  release: true,
  tick: true,
})

const TARGET_STATES = all<TargetState['name']>({
  dialling: true,
  receiving: true,
  verifying: true,
  claiming: true,
  running: true,
  ended: true,
})

const TARGET_EVENTS = all<TargetEvent['type']>({
  welcome: true,
  refused: true,
  frame: true,
  final: true,
  memoryHashed: true,
  claimResult: true,
  lost: true,
})

const cellsOf = (table: string, states: readonly string[], events: readonly string[]): string[] =>
  states.flatMap((state) => events.map((event) => `${table}: ${state} x ${event}`))

export const CELLS: readonly string[] = [
  ...cellsOf('source', SOURCE_STATES, SOURCE_EVENTS),
  ...cellsOf('target', TARGET_STATES, TARGET_EVENTS),
  ...cellsOf('ownership', ['claim', 'recover'], ['granted', 'granted again', 'refused']),
  ...cellsOf('ownership', ['claim', 'abort', 'return', 'restart'], ['stored']),
  'ownership: restart x granted',
]

const BEFORE_FINAL = ['listening', 'connecting', 'active', 'parking', 'draining', 'verifying']
const AFTER_FINAL = ['frozen', 'handedOver', 'recovering']

/** So many states at a time have the same reason. */
const NEVER: readonly (readonly [
  table: string,
  states: readonly string[],
  events: readonly string[],
  why: string,
])[] = [
  [
    'source',
    ['listening', ...BEFORE_FINAL.slice(2), ...AFTER_FINAL],
    ['streamsOpen'],
    'streams are opened once, after the welcome',
  ],
  [
    'source',
    ['listening', 'connecting', 'draining', 'verifying', ...AFTER_FINAL, 'ended'],
    ['roundSent'],
    'rounds are asked for while active or parking, and the edge reports none after that',
  ],
  [
    'source',
    ['listening', 'connecting', 'parking', 'verifying', ...AFTER_FINAL, 'ended'],
    ['roundStopped'],
    'a round is stopped by the park, and is over before the final one begins',
  ],
  [
    'source',
    ['listening', 'connecting', 'active', 'draining', 'verifying', ...AFTER_FINAL, 'ended'],
    ['parked'],
    'the edge drops parks that were taken back',
  ],
  [
    'source',
    [...BEFORE_FINAL.filter((state) => state !== 'draining'), ...AFTER_FINAL, 'ended'],
    ['finalRoundSent'],
    'asked for once, on parking; the edge reports none that was given up',
  ],
  [
    'source',
    [...BEFORE_FINAL.slice(0, -1), ...AFTER_FINAL],
    ['memoryHashed'],
    'asked for in verifying alone, which is left for frozen by it, or for ended',
  ],
  [
    'source',
    [...BEFORE_FINAL.slice(1), ...AFTER_FINAL],
    ['hello'],
    'the door lets one target in, and hears its hello once',
  ],
  [
    'source',
    ['listening'],
    ['installed', 'clock', 'targetReady', 'targetRunning', 'lost'],
    'nobody is let in yet',
  ],
  ['source', ['connecting'], ['installed'], 'no frame was sent'],
  [
    'source',
    BEFORE_FINAL.slice(1),
    ['targetReady', 'targetRunning'],
    'a target that behaves says so after final',
  ],
  [
    'source',
    BEFORE_FINAL,
    ['recoverResult', 'release'],
    'said of a migration that was frozen; one of another migration is dropped by its id',
  ],
  ['source', ['draining', 'verifying', ...AFTER_FINAL], ['trainingEnded'], 'the thread is parked'],
  [
    'source',
    ['handedOver'],
    ['installed', 'clock', 'targetReady', 'targetRunning'],
    'the connections are closed with the hand-over',
  ],
  ['source', ['handedOver'], ['cancel'], 'a coordinator that cancels grants no claim, so no target runs'],
  [
    'source',
    ['ended'],
    ['installed', 'clock', 'targetReady', 'targetRunning'],
    'connections are closed at the end, and nothing is delivered after that',
  ],
  [
    'source',
    ['ended'],
    ['trainingEnded', 'cancel', 'recoverResult'],
    'the worker forgets a migration with its end, and answers by itself',
  ],
  [
    'target',
    ['dialling', 'receiving', 'verifying', 'claiming', 'running', 'ended'],
    ['refused'],
    'all simulated hosts have the same program and speak one version',
  ],
  ['target', ['dialling'], ['frame', 'final'], 'a source sends neither before the welcome'],
  [
    'target',
    ['receiving', 'verifying', 'claiming', 'running', 'ended'],
    ['welcome'],
    'a source says welcome once',
  ],
  [
    'target',
    ['verifying', 'claiming', 'running', 'ended'],
    ['frame', 'final'],
    'nothing follows final, or a close',
  ],
  [
    'target',
    ['dialling', 'receiving', 'verifying'],
    ['claimResult'],
    'a coordinator answers claims, and there was none',
  ],
  ['target', ['running'], ['claimResult'], 'the edge drops the answer to a claim that was granted before'],
  [
    'target',
    ['dialling', 'receiving', 'claiming', 'running'],
    ['memoryHashed'],
    'asked for in verifying alone, which is left for claiming by it, or for ended',
  ],
]

/** By cell: why it can't be reached in a simulation of parties that behave. */
export const UNREACHABLE: Readonly<Record<string, string>> = Object.fromEntries(
  NEVER.flatMap(([table, states, events, why]) => cellsOf(table, states, events).map((cell) => [cell, why])),
)

/** Can be reached, and so seldom that a run of two thousand seeds may miss it. Each has a unit test in the engine. */
export const RARE: Readonly<Record<string, string>> = {
  'source: verifying x cancel': 'a cancel within the milliseconds in which memory is hashed',
  'source: verifying x lost': 'the same of a lost connection',
  'source: verifying x tick': 'hashing is over between two ticks mostly',
  'source: ended x memoryHashed': 'a migration that ended while memory was hashed',
  'source: frozen x recoverResult': 'the target dies after its claim while nothing of it reaches the source',
  'source: frozen x release': 'a step is accepted while nothing of the target reaches the source',
  'source: recovering x clock': 'the source asks although the target still answers its pings',
  'source: ended x release': 'told twice to go, within the moment in which it goes',
  'ownership: claim x refused':
    'a target whose claim would be refused is mostly killed, and heard no more, before',
  'target: verifying x lost': 'the source dies while the target hashes',
  'target: ended x memoryHashed': 'the same, and the target is not gone yet',
  'target: ended x claimResult': 'a second refusal within the millisecond in which the target ends',
}
