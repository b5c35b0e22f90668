/**
 * Cells of the transition tables that chance meets too seldom, and for each what leads to it: a seed that aims at one has a single
 * job, a move of it, and these faults. What is held back, stopped or asked for is nothing that could not happen by
 * itself; only that it happens at this moment is arranged.
 *
 * The usual way: what carries the event is held on its way (`hold`) until the state has been entered (`until`).
 */
import { LIMITS, type MigrationOptions } from '@godwit/protocol'
import type { PointAction } from './plan.ts'

export interface AimedFault {
  readonly at: string
  readonly action: PointAction
  readonly until?: string
  readonly forMs?: number
  readonly nth?: number
}

export interface Aim {
  readonly cells: readonly string[]
  readonly faults: readonly AimedFault[]
  readonly options?: Partial<MigrationOptions>
  /** The job takes its last step so long after its move was asked for. */
  readonly endsAfterMs?: readonly [from: number, to: number]
  readonly bytesPerMs?: number
  readonly checkpointEveryMs?: number
  /** A person changes his mind so long after the move was asked for. */
  readonly cancelAfterMs?: readonly [from: number, to: number]
  /** Another job's move goes first, over the same link, and is held for so long. */
  readonly waitsForAnotherMs?: number
  readonly computeMs?: number
}

const verify = { verify: true } as const
/** Not within what one step dirties. */
const neverMoves = { downtimeLimitMs: 1, parkPoint: 'boundary' } as const
const said = (message: string): string => `agent/before-send:fromWorker.${message}`
const ordered = (message: string): string => `coordinator/before-send:toWorker.${message}`
const sent = (message: string): string => `worker/before-send:${message}`
const source = (state: string): string => `worker/entered:source.${state}`
const target = (state: string): string => `worker/entered:target.${state}`
const entering = (state: string): string => `coordinator/entering:migration.${state}`
const entered = (state: string): string => `coordinator/entered:migration.${state}`
const hears = (message: string): string => `coordinator/hears:${message}`

/** Longer than a claim, a recovery or an end is said again after. */
const SAID_AGAIN_MS = 2_500
/** Longer than a migration waits for what does not come. */
const GIVEN_UP_MS = 25_000
/** As long as a report is waited for. */
const HANDED_OVER_MS = LIMITS.handoverTimeoutMs
/** Shorter than a silence that counts. */
const WHILE_MS = 5_000

/** The agent says its last orders again to a worker that it had lost: that the move goes on is among them. */
function goesOnAgainIn(state: string): AimedFault[] {
  return [
    { at: source('active'), action: 'pauseMove' },
    { at: source('paused'), action: 'resumeMove' },
    { at: source(state), action: 'unplugWorker' },
  ]
}

export const AIMS: readonly Aim[] = [
  // ---- the source
  {
    cells: ['source: verifying x cancel'],
    options: verify,
    faults: [
      { at: source('parking'), action: 'cancel' },
      { at: 'agent/before-send:cancelMigration', action: 'hold', until: source('verifying'), forMs: 800 },
      { at: 'coordinator/before-send:kill', action: 'hold', until: source('verifying'), forMs: 800 },
    ],
  },
  {
    cells: ['source: parking x pause'],
    computeMs: 1500,
    faults: goesOnAgainIn('parking'),
  },
  {
    cells: ['source: draining x pause'],
    bytesPerMs: 50,
    options: { downtimeLimitMs: 3_000 },
    faults: goesOnAgainIn('draining'),
  },
  {
    cells: ['source: verifying x pause'],
    options: verify,
    faults: goesOnAgainIn('verifying'),
  },
  {
    cells: ['source: verifying x lost', 'source: ended x memoryHashed'],
    options: verify,
    faults: [{ at: source('verifying'), action: 'lose' }],
  },
  {
    cells: ['source: verifying x clock'],
    options: verify,
    // The third answer is the last one to what is asked as a migration begins.
    faults: [{ at: sent('pong'), nth: 3, action: 'hold', until: source('verifying'), forMs: WHILE_MS }],
  },
  { cells: ['source: draining x lost'], faults: [{ at: source('draining'), action: 'lose' }] },
  {
    cells: ['source: frozen x recoverResult'],
    faults: [
      { at: sent('ready'), action: 'hold', forMs: WHILE_MS },
      { at: sent('running'), action: 'crash' },
    ],
  },
  {
    cells: [
      'migration: accepted x recover',
      'migration: completed x recover',
      'migration: completed x progress',
    ],
    faults: [
      { at: sent('running'), action: 'hold', forMs: WHILE_MS },
      { at: entered('accepted'), action: 'lose' },
      { at: 'agent/before-send:recoverResult', action: 'hold', forMs: SAID_AGAIN_MS },
    ],
  },
  {
    cells: ['source: ended x release'],
    faults: [
      // Two of them, on a connection in whose place there is a newer one by the time they come.
      { at: 'worker/after-send:migrationEnded', action: 'pause', forMs: 1_000 },
      { at: 'agent/before-send:release', action: 'hold', forMs: 1_500 },
      { at: 'agent/after-send:release', action: 'unplug' },
    ],
  },
  {
    cells: ['source: ended x hello'],
    faults: [
      { at: sent('hello'), nth: 2, action: 'hold', until: source('ended'), forMs: WHILE_MS },
      { at: sent('hello'), nth: 2, action: 'cancel' },
    ],
  },
  {
    cells: ['source: connecting x trainingEnded'],
    endsAfterMs: [0, 2_500],
    faults: [{ at: sent('bulkHello'), action: 'hold', until: sent('ended'), forMs: WHILE_MS }],
  },
  {
    cells: ['source: parking x trainingEnded'],
    endsAfterMs: [-700, 0],
    computeMs: 300,
    faults: [],
  },
  // ---- the target
  {
    cells: ['target: verifying x lost', 'target: ended x memoryHashed'],
    options: verify,
    faults: [{ at: target('verifying'), action: 'lose' }],
  },
  // ---- a target that speaks while it is given up
  {
    cells: ['migration: cancelling x claim'],
    faults: [
      { at: said('claim'), action: 'slowDisk', forMs: WHILE_MS },
      { at: said('claim'), action: 'hold', until: entering('cancelling'), forMs: WHILE_MS },
      { at: said('claim'), action: 'cancel' },
    ],
  },
  {
    cells: ['migration: ended x claim'],
    faults: [
      { at: source('frozen'), action: 'crash' },
      { at: said('claim'), action: 'slowDisk', forMs: GIVEN_UP_MS },
      { at: said('claim'), action: 'hold', until: entering('ended'), forMs: GIVEN_UP_MS },
    ],
  },
  {
    cells: ['migration: cancelling x targetFailed'],
    faults: [
      { at: source('active'), action: 'lose' },
      { at: said('failed'), action: 'slowDisk', forMs: WHILE_MS },
      { at: said('failed'), action: 'hold', until: entering('cancelling'), forMs: WHILE_MS },
      { at: said('failed'), action: 'cancel' },
      { at: said('migrationEnded'), action: 'hold', forMs: WHILE_MS },
    ],
  },
  {
    cells: ['migration: cancelling x targetPrepared'],
    faults: [
      { at: hears('prepared'), action: 'double', until: entering('cancelling'), forMs: WHILE_MS },
      { at: source('active'), action: 'slowDisk', forMs: WHILE_MS },
      { at: source('active'), action: 'cancel' },
    ],
  },
  {
    cells: ['migration: ended x targetPrepared'],
    faults: [
      { at: said('prepared'), action: 'slowDisk', forMs: WHILE_MS },
      { at: said('prepared'), action: 'hold', until: entering('ended'), forMs: WHILE_MS },
      { at: said('prepared'), action: 'cancel' },
    ],
  },
  {
    cells: ['migration: cancelling x targetHostBack'],
    faults: [
      { at: 'agent/after-send:dial', action: 'slowDisk', forMs: WHILE_MS },
      { at: 'agent/after-send:dial', action: 'unplug' },
    ],
  },
  {
    cells: ['migration: ended x targetHostBack'],
    faults: [
      { at: 'agent/after-spawn', action: 'slowDisk', forMs: WHILE_MS },
      { at: 'agent/after-spawn', action: 'unplug' },
    ],
  },
  // ---- what is heard twice
  {
    cells: ['migration: accepted x claim'],
    faults: [
      { at: hears('claim'), action: 'double', until: entered('accepted') },
      { at: sent('migrationEnded'), action: 'hold', forMs: WHILE_MS },
    ],
  },
  {
    cells: ['migration: accepted x outgoingOpened'],
    faults: [
      { at: hears('outgoingOpened'), action: 'double', until: entered('accepted'), forMs: WHILE_MS },
      { at: sent('migrationEnded'), action: 'hold', forMs: WHILE_MS },
    ],
  },
  {
    cells: ['migration: claimed x outgoingOpened'],
    faults: [
      { at: hears('outgoingOpened'), action: 'double', until: entered('claimed'), forMs: WHILE_MS },
      { at: sent('running'), action: 'pause', forMs: WHILE_MS },
    ],
  },
  {
    cells: ['migration: completed x claim', 'migration: completed x outgoingOpened'],
    faults: [
      { at: hears('claim'), action: 'double', until: entered('completed'), forMs: WHILE_MS },
      { at: hears('outgoingOpened'), action: 'double', until: entered('completed'), forMs: WHILE_MS },
    ],
  },
  {
    cells: ['migration: ended x outgoingOpened'],
    faults: [
      { at: hears('outgoingOpened'), action: 'double', until: entered('ended'), forMs: WHILE_MS },
      { at: source('active'), action: 'cancel' },
    ],
  },
  // ---- a switchover that stands still
  {
    cells: ['migration: claimed x cancel'],
    faults: [
      { at: sent('running'), action: 'pause', forMs: WHILE_MS },
      { at: entered('claimed'), action: 'stop' },
    ],
  },
  {
    cells: ['migration: claimed x tick', 'migration: claimed x targetHostLost'],
    faults: [{ at: 'agent/after-send:claimResult', action: 'pause', forMs: GIVEN_UP_MS }],
  },
  {
    cells: ['migration: accepted x tick'],
    faults: [{ at: source('frozen'), action: 'pause', forMs: GIVEN_UP_MS }],
  },
  {
    cells: ['migration: completed x tick'],
    faults: [
      { at: source('frozen'), action: 'pause', forMs: HANDED_OVER_MS },
      { at: entered('accepted'), action: 'slowDisk', forMs: GIVEN_UP_MS },
    ],
  },
  {
    cells: ['migration: ended x tick'],
    options: { timeoutMs: 1_500 },
    cancelAfterMs: [1_250, 1_500],
    faults: [
      { at: 'agent/before-spawn', action: 'slowDisk', forMs: WHILE_MS },
      { at: said('prepared'), action: 'hold', forMs: WHILE_MS },
    ],
  },
  {
    cells: ['migration: accepted x cancel'],
    faults: [
      { at: source('frozen'), action: 'pause', forMs: WHILE_MS },
      { at: entered('accepted'), action: 'stop' },
    ],
  },
  {
    cells: ['migration: accepted x sourceExited'],
    faults: [
      { at: source('frozen'), action: 'pause', until: entered('accepted'), forMs: WHILE_MS },
      { at: sent('migrationEnded'), action: 'crash' },
    ],
  },
  {
    cells: ['migration: accepted x targetHostLost', 'migration: accepted x targetHostBack'],
    faults: [
      { at: source('frozen'), action: 'pause', forMs: WHILE_MS },
      { at: entered('accepted'), action: 'unplug' },
    ],
  },
  {
    cells: ['migration: queued x refused'],
    waitsForAnotherMs: WHILE_MS,
    faults: [{ at: entered('queued'), action: 'enterMaintenance' }],
  },
  {
    cells: ['migration: queued x sourceExited'],
    waitsForAnotherMs: GIVEN_UP_MS,
    // The end of the move can't be written down, and so the job is given up.
    faults: [
      { at: entered('queued'), action: 'stop' },
      { at: entering('ended'), action: 'fullDisk' },
    ],
  },
  // ---- a source that is given up
  {
    cells: ['migration: ended x recover', 'migration: ended x recoverDecided'],
    faults: [
      { at: source('frozen'), action: 'pause', forMs: GIVEN_UP_MS },
      { at: sent('claim'), action: 'hold', until: entered('cancelling'), forMs: WHILE_MS },
      { at: target('claiming'), action: 'cancel' },
    ],
  },
  {
    cells: ['migration: ended x progress'],
    faults: [
      { at: said('outgoingOpened'), action: 'cancel' },
      { at: said('outgoingOpened'), action: 'pause', forMs: HANDED_OVER_MS - 500 },
      { at: ordered('cancelMigration'), nth: 2, action: 'hold', forMs: 1_000 },
    ],
  },
  {
    cells: ['migration: opening x progress'],
    faults: [
      { at: said('outgoingOpened'), action: 'crash' },
      { at: ordered('openOutgoing'), nth: 2, action: 'hold', forMs: 1_000 },
    ],
  },
  {
    cells: ['migration: completed x sourceExited'],
    // The first of them that is taken after the move was asked for is the target's.
    checkpointEveryMs: 3_000,
    faults: [
      { at: 'worker/before-write:checkpoint', action: 'stop' },
      { at: 'worker/before-write:checkpoint', action: 'powerCut' },
    ],
  },
  {
    cells: ['migration: opening x sourceEnded'],
    faults: [
      { at: said('outgoingOpened'), action: 'pause', forMs: LIMITS.targetTimeoutMs + 700 },
      { at: ordered('openOutgoing'), nth: 2, action: 'hold', forMs: 1_000 },
    ],
  },
  {
    cells: ['migration: moving x workloadEnded'],
    options: neverMoves,
    endsAfterMs: [0, 2_000],
    bytesPerMs: 100,
    faults: [
      { at: said('migrationEnded'), action: 'crash' },
      { at: said('failed'), action: 'hold', forMs: WHILE_MS },
    ],
  },
]
