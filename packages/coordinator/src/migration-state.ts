/**
 * The words of one migration as the coordinator sees it: what it knows, what can happen, what it may do about it.
 * How they hang together is in migration-machine.ts.
 *
 * The states, and who holds the workload in each:
 *
 *     preparing ──▶ opening ──▶ moving ──▶ claimed ──▶ accepted ──▶ completed
 *         │            │          │           │
 *         │            └────┬─────┴───────────┘ (given back)
 *         ▼                 ▼
 *       ended ◀──────── cancelling
 *
 * - `queued` comes before all of them: as many moves as are allowed are under way. Nobody knows of it but we; where the job
 *   is, and where it can go, is found out anew when its turn has come (`admitted`).
 * - `preparing`: the target's worker starts; the source knows nothing yet.
 * - `opening`: the source was asked to listen. From here on it is *engaged*: it must be told of the end, or tell us.
 * - `moving`: the two talk to each other; the source says how far they are. It owns the workload. Should its worker end
 *   now, the target may hold everything already: its claim is waited for.
 * - `claimed`: the target owns the workload; the source is frozen and can still have it back.
 * - `accepted`: a step of the target counts, there is no way back; the source's report is outstanding.
 * - `cancelling`: how it ends is decided, the target is killed, the source has yet to say that it trains on.
 * - `completed`, `ended`: over; only late words of the source are still answered.
 */
import type {
  ErrorReport,
  FromWorker,
  MigrationOptions,
  MigrationProgress,
  MigrationReport,
  MigrationStatus,
  MigrationView,
  ToWorker,
} from '@godwit/protocol'
import { LIMITS } from '@godwit/protocol'

/** What is fixed when the migration is written down. */
export interface MigrationPlan {
  readonly id: string
  readonly workload: string
  readonly from: string
  readonly to: string
  /** Where the target reaches the source's workers. */
  readonly sourceAddress: string
  readonly sourceWorker: string
  readonly targetWorker: string
  /** That owns the workload as the migration begins. */
  readonly epoch: number
  /** Single use, 64 hex digits. */
  readonly secret: string
  readonly options: MigrationOptions
  /** On the coordinator's monotonic clock. */
  readonly startedAtMs: number
  /** Milliseconds since 1970. */
  readonly askedAtMs?: number
  /** The maintenance that asked for it. */
  readonly maintenance?: string
  /** Nobody named the target: should it not do any more when its turn has come, another one will. */
  readonly isChosen?: boolean
  /** The longest of the job's latest steps; undefined where none was seen. */
  readonly longestStepMs?: number
  /** What the target may take to bring the job's bundle, besides all other limits. */
  readonly bringMs?: number
}

interface Known {
  readonly plan: MigrationPlan
  /** Ready or not, it does not switch over before somebody lets it go. */
  readonly isHeld?: boolean
  /** Who wants it to send nothing for now. */
  readonly pausedBy?: string | undefined
  /** The source's latest word. */
  readonly progress?: MigrationProgress
  /** The source's, once it has sent it. */
  readonly report?: MigrationReport
}

export interface Outcome {
  readonly status: 'cancelled' | 'failed'
  readonly error: ErrorReport
}

interface Decided {
  readonly outcome: Outcome
  /** The epoch under which a source that was frozen goes on. */
  readonly recoveredEpoch?: number
}

export type MigrationState = Known &
  (
    | { readonly name: 'queued' }
    | { readonly name: 'preparing' }
    | { readonly name: 'opening' }
    | {
        readonly name: 'moving'
        readonly status: 'setup' | 'active' | 'preSwitchover' | 'switchover'
        /** Where the source listens. */
        readonly port: number
        /** The source's worker has ended: only the target's claim can save the workload. */
        readonly sourceGone?: { readonly error: ErrorReport; readonly sinceMs: number } | undefined
        /** When the source's agent came back, until the source is heard again. */
        readonly sourceBackMs?: number | undefined
        /** When this coordinator took it over from one before it: from then on it has the time of a setup to be heard of. */
        readonly restoredMs?: number | undefined
        /** When it last said that it is ready or paused; and how long it was in all, which the timeout does not count. */
        readonly readyMs?: number | undefined
        readonly heldMs?: number | undefined
      }
    | {
        readonly name: 'claimed'
        readonly epoch: number
        readonly sourceGone: boolean
        /** When the target's agent went, while it is away. */
        readonly targetLostMs?: number | undefined
        /** When the source first called the migration completed: from then on it asks nobody. */
        readonly handedOverMs?: number | undefined
      }
    | { readonly name: 'accepted'; readonly epoch: number; readonly sinceMs: number }
    | ({ readonly name: 'cancelling'; readonly sinceMs: number } & Decided)
    | { readonly name: 'completed'; readonly epoch: number }
    | ({ readonly name: 'ended' } & Decided)
  )

export type StateName = MigrationState['name']
export type StateOf<Name extends StateName> = Extract<MigrationState, { name: Name }>

type Said<Type extends FromWorker['type']> = Extract<FromWorker, { type: Type }>

export type MigrationEvent =
  /** Its turn has come: the plan as it is now. */
  | { readonly type: 'admitted'; readonly plan: MigrationPlan }
  /** Its turn has come, and it can't be moved any more. */
  | { readonly type: 'refused'; readonly error: ErrorReport }
  /** The target's worker is ready; `difference` says why it must not take over, if so. */
  | { readonly type: 'targetPrepared'; readonly difference?: ErrorReport | undefined }
  | { readonly type: 'targetFailed'; readonly error: ErrorReport }
  | { readonly type: 'targetExited'; readonly error: ErrorReport }
  /** The agents' connections, not the workers': these may go on undisturbed. */
  | { readonly type: 'targetHostLost' }
  | { readonly type: 'targetHostBack' }
  | { readonly type: 'sourceHostBack' }
  | { readonly type: 'outgoingOpened'; readonly port: number }
  | {
      readonly type: 'progress'
      readonly status: MigrationStatus
      readonly progress: MigrationProgress
    }
  | { readonly type: 'claim'; readonly fromStep: number }
  /** The answer to `askClaim`; comes before any other event. */
  | { readonly type: 'claimDecided'; readonly granted: boolean; readonly epoch: number }
  /** A step of the epoch that the claim made has been accepted, or the workload's end has. */
  | { readonly type: 'stepAccepted' }
  | { readonly type: 'recover'; readonly error: ErrorReport }
  /** The answer to `askRecover`; comes before any other event. */
  | {
      readonly type: 'recoverDecided'
      readonly granted: boolean
      readonly epoch: number
      readonly error: ErrorReport
    }
  | ({ readonly type: 'sourceEnded' } & Pick<Said<'migrationEnded'>, 'status' | 'report' | 'error'>)
  | { readonly type: 'sourceExited'; readonly error: ErrorReport }
  /** The job is done, or its program failed, while the source owns it. */
  | { readonly type: 'workloadEnded' }
  | { readonly type: 'cancel'; readonly error: ErrorReport }
  | { readonly type: 'hold' }
  | { readonly type: 'letGo' }
  /** By whom; undefined: it may go on. */
  | { readonly type: 'pause'; readonly by: string | undefined }
  | { readonly type: 'tick' }

export type EventType = MigrationEvent['type']
export type EventOf<Type extends EventType> = Extract<MigrationEvent, { type: Type }>

export type MigrationEffect =
  | { readonly type: 'launchTarget' }
  | { readonly type: 'toSource'; readonly message: ToWorker }
  | { readonly type: 'toTarget'; readonly message: ToWorker }
  | { readonly type: 'killTarget' }
  /** It is ready: to be told when no other switches over on its link. It says so again until then. */
  | { readonly type: 'askTurn' }
  /** Compare-and-set, then `claimDecided`. */
  | { readonly type: 'askClaim'; readonly fromStep: number }
  /** Compare-and-set, then `recoverDecided` with the same error. */
  | { readonly type: 'askRecover'; readonly error: ErrorReport }
  /** The worker that owns the workload from now on. */
  | { readonly type: 'own'; readonly side: 'source' | 'target' }
  /** Tells the frozen source that it is not needed any more, and sees to it that it goes. */
  | { readonly type: 'releaseSource' }
  /** Neither side can go on. */
  | { readonly type: 'workloadLost'; readonly error: ErrorReport }

export interface MigrationStep {
  readonly state: MigrationState
  readonly effects: readonly MigrationEffect[]
}

export function migrationStatus(state: MigrationState): MigrationStatus {
  switch (state.name) {
    case 'queued':
      return 'queued'
    case 'preparing':
    case 'opening':
      return 'setup'
    case 'moving':
      return state.status
    case 'claimed':
    case 'accepted':
      return 'switchover'
    case 'completed':
    case 'cancelling':
      return state.name
    case 'ended':
      return state.outcome.status
  }
}

/** Nothing but late words can come. */
export function isOver(state: MigrationState): boolean {
  return state.name === 'completed' || state.name === 'ended'
}

/** The source owns the workload and can go on with it: a cancel still means something. */
export function isCancellable(state: MigrationState): boolean {
  if (state.name === 'moving') return state.sourceGone === undefined
  return state.name === 'queued' || state.name === 'preparing' || state.name === 'opening'
}

/** It can be held and paused, and is if it was: nobody has told it to switch over. */
function isBeforeSwitchover(state: MigrationState): boolean {
  return isCancellable(state) && migrationStatus(state) !== 'switchover'
}

/** The record names the source, and no claim has been granted that still counts. */
export function isSourceOwner(state: MigrationState): boolean {
  return isCancellable(state) || state.name === 'moving' || state.name === 'cancelling'
}

/** So many times its longest step a target may take for its first. */
const STALLED_STEPS = 20

/**
 * When `tick` is due, on the coordinator's clock; undefined where the two workers themselves keep the time: a source
 * that has switched over asks (`recover`) when its target doesn't go on.
 */
export function deadlineMs(state: MigrationState): number | undefined {
  const { options, bringMs = 0 } = state.plan
  const startedAtMs = state.plan.startedAtMs + bringMs
  const heldMs = state.name === 'moving' ? (state.heldMs ?? 0) : 0
  const byTimeout = startedAtMs + options.timeoutMs + heldMs
  switch (state.name) {
    case 'preparing':
    case 'opening':
      return Math.min(startedAtMs + LIMITS.setupTimeoutMs, byTimeout)
    case 'moving': {
      if (state.sourceGone !== undefined) return state.sourceGone.sinceMs + LIMITS.handoverTimeoutMs
      // A source that lives says how far it is many times a second.
      const bySilence = (state.sourceBackMs ?? Number.POSITIVE_INFINITY) + LIMITS.heartbeatTimeoutMs
      if (state.status === 'switchover' || state.status === 'preSwitchover' || state.progress?.isPaused)
        return state.sourceBackMs === undefined ? undefined : bySilence
      const begunMs = state.restoredMs ?? startedAtMs
      const byStatus = state.status === 'setup' ? begunMs + LIMITS.setupTimeoutMs : byTimeout
      return Math.min(byStatus, byTimeout, bySilence)
    }
    case 'claimed': {
      // Without the source there is nobody else to have the workload: its host may come back.
      if (state.sourceGone) return undefined
      const dueMs = Math.min(lostDeadlineMs(state), stallDeadlineMs(state))
      return dueMs === Number.POSITIVE_INFINITY ? undefined : dueMs
    }
    case 'accepted':
    case 'cancelling':
      return state.sinceMs + LIMITS.handoverTimeoutMs
    case 'queued':
    case 'completed':
    case 'ended':
      return undefined
  }
}

/** When a target whose agent went is given up. */
function lostDeadlineMs({ targetLostMs }: StateOf<'claimed'>): number {
  return targetLostMs === undefined ? Number.POSITIVE_INFINITY : targetLostMs + LIMITS.heartbeatTimeoutMs
}

/** When a target that said that it runs, and of which no step came, is given up: it hangs, and the source holds everything. */
export function stallDeadlineMs({ plan, handedOverMs }: StateOf<'claimed'>): number {
  if (handedOverMs === undefined || plan.longestStepMs === undefined) return Number.POSITIVE_INFINITY
  return handedOverMs + LIMITS.handoverTimeoutMs + STALLED_STEPS * plan.longestStepMs
}

/** As clients see it; `lostTimeMs` is what only the coordinator can fill in. */
export function viewOf(state: MigrationState, lostTimeMs: number | null): MigrationView {
  const { id, workload, from, to, options, maintenance, askedAtMs } = state.plan
  const { progress, report, isHeld, pausedBy } = state
  const isBefore = isBeforeSwitchover(state)
  const error = state.name === 'ended' || state.name === 'cancelling' ? state.outcome.error : undefined
  return {
    id,
    workload,
    from,
    to,
    status: migrationStatus(state),
    options,
    ...(maintenance === undefined ? {} : { maintenance }),
    ...(askedAtMs === undefined ? {} : { startedAtMs: askedAtMs }),
    ...(progress === undefined ? {} : { progress }),
    ...(report === undefined ? {} : { report: { ...report, lostTimeMs } }),
    ...(isBefore && isHeld === true ? { isHeld } : {}),
    ...(isBefore && pausedBy !== undefined ? { pausedBy } : {}),
    ...(error === undefined ? {} : { error }),
  }
}
