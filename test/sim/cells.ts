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
  switchover: true,
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

const BEFORE_FINAL = ['listening', 'connecting', 'active', 'holding', 'parking', 'draining', 'verifying']
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
    ['listening', 'connecting', 'active', 'holding', 'draining', 'verifying', ...AFTER_FINAL, 'ended'],
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
    ['trainingEnded', 'cancel', 'switchover', 'recoverResult'],
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
  [
    'migration',
    ['claimed', 'accepted', 'completed'],
    ['targetPrepared'],
    'the target owns the workload by then, and is heard as its owner',
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

/** Can be reached, and so seldom that a run of two thousand seeds may miss it. Each has a unit test beside its table. */
export const RARE: Readonly<Record<string, string>> = {
  'source: listening x switchover':
    'an agent that was cut off says its latest orders again, in this one moment',
  'source: connecting x switchover': 'the same',
  'source: holding x roundStopped': 'the timeout forces a park that was given up while its last round stops',
  'source: verifying x switchover':
    'said a second time, and heard within the milliseconds in which memory is hashed',
  'source: handedOver x switchover': 'the same, heard after the target runs',
  'source: recovering x switchover': 'the same, heard after the target was lost',
  'source: verifying x cancel': 'a cancel within the milliseconds in which memory is hashed',
  'source: verifying x lost': 'the same of a lost connection',
  'source: ended x memoryHashed': 'a migration that ended while memory was hashed',
  'source: frozen x recoverResult': 'the target dies after its claim while nothing of it reaches the source',
  'source: frozen x release': 'a step is accepted while nothing of the target reaches the source',
  'source: ended x release': 'told twice to go, within the moment in which it goes',
  'ownership: claim x refused':
    'a target whose claim would be refused is mostly killed, and heard no more, before',
  'target: verifying x lost': 'the source dies while the target hashes',
  'target: ended x memoryHashed': 'the same, and the target is not gone yet',
  'target: ended x claimResult': 'a second refusal within the millisecond in which the target ends',
  'migration: claimed x targetFailed': 'no simulated program fails: a target that holds the workload goes on',
  'migration: accepted x targetFailed': 'the same, within the moment until the report comes',
  'migration: cancelling x targetFailed':
    'said before the order to kill it came, and heard after it was given',
  'migration: cancelling x claim': 'the same of a claim',
  'migration: ended x claim': 'the same, in a migration that ends at once',
  'migration: accepted x claim': 'a claim said again, within the moment until the report comes',
  'migration: accepted x outgoingOpened': 'an answer to a question that was asked twice, as late as this',
  'migration: claimed x outgoingOpened': 'the same, before the first step of the target',
  'migration: completed x outgoingOpened': 'the same, after all',
  'migration: completed x progress': 'told by a source before its release, heard after it',
  'migration: ended x progress': 'the same of one that has given up',
  'migration: accepted x recover': 'the source asks within the moment until it is told to go',
  'migration: completed x recover': 'the same of one that misses its release',
  'migration: ended x recover': 'a source that was given up for silent is frozen after all',
  'migration: ended x recoverDecided': 'the answer to it',
  'migration: moving x workloadEnded': 'the job is over before its source has said that the migration is',
  'migration: claimed x cancel': 'a stop between a claim and the first step of the target',
  'migration: accepted x cancel': 'a stop between that and the report',
  'migration: completed x sourceExited': 'a stop that waited for a source that has gone',
  'migration: cancelling x targetPrepared':
    'said before the order to kill it came, and heard after it was given',
  'migration: opening x sourceEnded': 'the source gives up before its port is heard of',
  'source: ended x hello': 'a target that dials a source that has just given up',
  'migration: accepted x sourceExited': 'the source goes within the moment until its report is heard',
  'migration: opening x progress': 'a source that listens, and whose word of it is lost, is heard sending',
  'migration: ended x targetHostBack':
    'a host that comes back within the moment in which its worker is killed',
  'migration: cancelling x targetHostBack': 'the same, before the source has given up',
  'migration: ended x targetPrepared': 'said before the order to kill it came, of a migration that has ended',
  'migration: ended x outgoingOpened': 'an answer that comes after the source has given up',
  'migration: completed x claim': 'a claim said again, and heard after all is over',
  'migration: claimed x tick': 'nothing is heard of a target for long after its claim',
  'migration: accepted x tick': 'nothing is heard of a source for long after the first step of the target',
  'source: draining x lost': 'a target that goes in the milliseconds in which its last bytes leave',
  'source: connecting x trainingEnded': 'a job whose last step comes while its target dials',
  'migration: completed x tick': 'a timer that runs out while what ends the migration is being written',
}
