/**
 * The cells of the transition tables, and those that cannot be reached, each with the reason. A cell that is listed
 * here and reached all the same is an error as well: the list stays honest.
 */
import type { MigrationEventType, MigrationStateName } from '@godwit/coordinator'
import type { SourceEvent, SourceState, TargetEvent, TargetState } from '@godwit/engine'

/** Each name once: one that is missing does not compile. */
function all<Name extends string>(names: Record<Name, true>): Name[] {
  return Object.keys(names) as Name[]
}

const SOURCE_STATES = all<SourceState['name']>({
  listening: true,
  connecting: true,
  active: true,
  holding: true,
  paused: true,
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
  noticed: true,
  switchover: true,
  pause: true,
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

const MIGRATION_STATES = all<MigrationStateName>({
  queued: true,
  preparing: true,
  opening: true,
  moving: true,
  claimed: true,
  accepted: true,
  cancelling: true,
  completed: true,
  ended: true,
})

const MIGRATION_EVENTS = all<MigrationEventType>({
  admitted: true,
  refused: true,
  targetPrepared: true,
  targetFailed: true,
  targetExited: true,
  targetHostLost: true,
  targetHostBack: true,
  sourceHostBack: true,
  outgoingOpened: true,
  progress: true,
  claim: true,
  claimDecided: true,
  stepAccepted: true,
  recover: true,
  recoverDecided: true,
  sourceEnded: true,
  sourceExited: true,
  workloadEnded: true,
  cancel: true,
  hold: true,
  letGo: true,
  pause: true,
  tick: true,
})

const cellsOf = (table: string, states: readonly string[], events: readonly string[]): string[] =>
  states.flatMap((state) => events.map((event) => `${table}: ${state} x ${event}`))

export const CELLS: readonly string[] = [
  ...cellsOf('source', SOURCE_STATES, SOURCE_EVENTS),
  ...cellsOf('target', TARGET_STATES, TARGET_EVENTS),
  ...cellsOf('migration', MIGRATION_STATES, MIGRATION_EVENTS),
  ...cellsOf('ownership', ['claim', 'recover'], ['granted', 'granted again', 'refused']),
  ...cellsOf('ownership', ['claim', 'abort', 'return', 'restart'], ['stored']),
  'ownership: restart x granted',
]

const BEFORE_FINAL = [
  'listening',
  'connecting',
  'active',
  'holding',
  'paused',
  'parking',
  'draining',
  'verifying',
]
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
    ['listening', 'connecting', 'paused', 'draining', 'verifying', ...AFTER_FINAL, 'ended'],
    ['roundSent'],
    'rounds are asked for while active or parking, and the edge reports none after that',
  ],
  [
    'source',
    ['listening', 'connecting', 'holding', 'parking', 'verifying', ...AFTER_FINAL, 'ended'],
    ['roundStopped'],
    'a round is stopped by the park, and is over before the final one begins',
  ],
  [
    'source',
    [
      'listening',
      'connecting',
      'active',
      'holding',
      'paused',
      'draining',
      'verifying',
      ...AFTER_FINAL,
      'ended',
    ],
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
  [
    'source',
    ['frozen'],
    ['release'],
    'without its word the coordinator waits for longer than a source that hears nothing does before it asks',
  ],
  ['source', AFTER_FINAL, ['pause'], 'the edge drops what is said to one that has parked for good'],
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
    ['trainingEnded', 'cancel', 'switchover', 'pause', 'recoverResult'],
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
  ['target', ['ended'], ['claimResult'], 'whoever is told no has been killed, and asks no second time'],
  ['target', ['running'], ['claimResult'], 'the edge drops the answer to a claim that was granted before'],
  [
    'target',
    ['dialling', 'receiving', 'claiming', 'running'],
    ['memoryHashed'],
    'asked for in verifying alone, which is left for claiming by it, or for ended',
  ],
  [
    'migration',
    ['preparing', 'opening', 'moving', 'claimed', 'accepted', 'cancelling', 'completed', 'ended'],
    ['admitted', 'refused'],
    'asked of one that is queued alone, and in the queue of its job',
  ],
  [
    'source',
    [...BEFORE_FINAL.filter((state) => state !== 'holding'), ...AFTER_FINAL],
    ['switchover'],
    'the edge drops what is said to one that is not ready',
  ],
  [
    'source',
    [...BEFORE_FINAL.filter((state) => state !== 'active' && state !== 'paused'), ...AFTER_FINAL, 'ended'],
    ['noticed'],
    'the edge drops what comes when the program is waited for no more',
  ],
  [
    'migration',
    ['claimed', 'accepted', 'cancelling', 'completed', 'ended'],
    ['hold', 'letGo', 'pause'],
    'not said of one that can switch over no more, or has',
  ],
  [
    'migration',
    ['queued'],
    [
      ...[
        'targetPrepared',
        'targetFailed',
        'targetExited',
        'targetHostBack',
        'outgoingOpened',
        'progress',
        'claim',
      ],
      ...['claimDecided', 'recover', 'recoverDecided', 'sourceEnded', 'stepAccepted', 'tick'],
    ],
    'it has no workers, and no time to keep',
  ],
  [
    'migration',
    ['claimed', 'accepted', 'completed'],
    ['targetPrepared'],
    'the target owns the workload by then, and is heard as its owner',
  ],
  [
    'ownership',
    ['claim'],
    ['refused'],
    'what changes the record under a migration ends it, and a target that was killed is heard no more',
  ],
  [
    'migration',
    ['claimed', 'accepted'],
    ['targetFailed'],
    'no simulated program fails, and a target that has claimed gives up only when it is told no',
  ],
  [
    'migration',
    ['preparing', 'opening'],
    ['targetFailed'],
    'no simulated program fails, and a target that has not dialled can do nothing else wrong',
  ],
  ['migration', ['completed', 'ended'], ['targetFailed', 'targetExited'], 'an open migration alone is told'],
  [
    'migration',
    ['preparing'],
    ['outgoingOpened', 'progress', 'recover', 'sourceEnded'],
    'the source was not asked for anything',
  ],
  ['migration', ['preparing', 'opening'], ['claim'], 'the target was not told where to dial'],
  ['migration', ['opening'], ['recover'], 'a source that nobody has dialled sends no final'],
  [
    'migration',
    ['preparing', 'opening', 'accepted', 'cancelling', 'completed', 'ended'],
    ['claimDecided'],
    'asked for in moving and claimed alone, and answered before anything else happens',
  ],
  [
    'migration',
    ['preparing', 'opening', 'accepted', 'completed'],
    ['recoverDecided'],
    'asked for in moving, claimed, cancelling and ended alone, and answered before anything else happens',
  ],
  [
    'migration',
    ['preparing', 'opening', 'moving', 'cancelling'],
    ['stepAccepted'],
    "no step is the target's while the source owns the workload",
  ],
  [
    'migration',
    ['claimed', 'accepted', 'completed', 'ended'],
    ['workloadEnded'],
    'the end of a workload that the target owns is told as an accepted step',
  ],
]

/** By cell: why it can't be reached in a simulation of parties that behave. */
export const UNREACHABLE: Readonly<Record<string, string>> = Object.fromEntries(
  NEVER.flatMap(([table, states, events, why]) => cellsOf(table, states, events).map((cell) => [cell, why])),
)
