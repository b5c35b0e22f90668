/**
 * The vocabulary of the source's end of a migration: what can happen to it, what it can be in, what it asks for.
 * The rules are in source.ts.
 */
import type {
  ErrorReport,
  Identity,
  MigrationOptions,
  MigrationReport,
  ParkPoint,
  RoundReport,
  TrackerKind,
  VersionRange,
} from '@godwit/protocol'
import type { ClockOffset } from './clock-offset.ts'
import type { SourceInstants, TargetInstants } from './downtime.ts'
import type { Forecast, StepShape } from './forecast.ts'

export interface SourceConfig {
  readonly migrationId: string
  readonly workload: string
  readonly from: string
  readonly to: string
  readonly tracker: TrackerKind
  readonly pageCount: number
  /** Whether the program splits its step: another one parks at the boundary, whatever was asked. */
  readonly splits: boolean
  readonly identity: Identity
  readonly options: MigrationOptions
  /** How long ago the migration was asked for when the source heard of it. */
  readonly elapsedMs: number
  /** It parks only when it is let go, which it asks for when it is ready. */
  readonly asksForTurn?: boolean
  /** The program wants to be told before it is parked. */
  readonly tellsProgram?: boolean
  /** What was said of this migration before it was asked for. */
  readonly estimated?: MigrationReport['estimated']
}

/** What the program was told, once for each attempt to switch over. */
export interface Notice {
  /** It is not waited for any longer than this. */
  readonly untilMs: number
  readonly isReady: boolean
  /** What it did wrong with it, for people. */
  readonly problem: string | undefined
}

/** What is known of a migration under way, whatever state it is in. */
export interface SourceRun {
  readonly config: SourceConfig
  /** When the migration was asked for, on the source's clock. */
  readonly startedMs: number
  /** When round 0 began; undefined during setup. */
  readonly activeMs: number | undefined
  readonly forecast: Forecast
  /** As they stand in the report; the last entry is the last round. */
  readonly rounds: readonly RoundReport[]
  /** Rounds begun so far: the number of the next. */
  /** Bulk connections; 0 before the target said hello. */
  readonly streams: number
  readonly nextRound: number
  /** Parks so far; also the number of the current attempt. */
  readonly parks: number
  /** Where the thread is asked to park, or parked. */
  readonly parkPoint: ParkPoint
  readonly parkReason: string
  readonly predicted: { readonly downtimeMs: number; readonly totalMs: number }
  readonly roundTripMs: number
  readonly clock: ClockOffset | undefined
  /** When the target last installed something, or a round began. */
  readonly progressMs: number
  /** What a switchover may take now: the option's, or more once stalled rounds raised it. */
  readonly limitMs: number
  /** The timeout passed and the person chose to move all the same: no limit on the downtime holds any more. */
  readonly isForced: boolean
  /** How much of its time the thread is made to idle, in percent. */
  readonly throttlePercent: number
  /** How long it was paused, or ready and not let go: that is nobody's fault, and the timeout does not count it. */
  readonly heldMs: number
  /** It is to send nothing, as soon and as long as it is before its park. */
  readonly isPaused: boolean
  /** Stalled rounds at which the limit was last raised, or the throttle. */
  readonly stallsAnswered: number
  /** Undefined until the program is told of the next attempt. */
  readonly notice: Notice | undefined
}

/** What went over while the thread was parked. */
export interface SentState {
  readonly step: number
  readonly deltaBytes: number
  readonly maxInFlightBytes: number
  readonly stepSlowdown: number | undefined
}

/** `phase` names in errors are those of the status people see. */
export type SourceState =
  /** Waiting for the target to dial and say hello. */
  | { readonly name: 'listening'; readonly run: SourceRun }
  /** Hello was good; waiting for its bulk connections. */
  | { readonly name: 'connecting'; readonly run: SourceRun }
  /** Sending rounds while training runs. */
  | { readonly name: 'active'; readonly run: SourceRun }
  /** It would park now, and waits to be let go; rounds go on, so that as little is left when it is. */
  | {
      readonly name: 'holding'
      readonly run: SourceRun
      readonly reason: string
      /** Since when it waits, as far as that is not in `heldMs` yet. */
      readonly sinceMs: number
      /** From then on its rounds are far apart: whoever holds it does so for long. */
      readonly awakeUntilMs: number
      /** So much is pending by now that one more round comes before a park. */
      readonly isResting: boolean
    }
  /** It sends nothing; the tracker stays armed, and connections open. Training goes on as if nothing moved. */
  | {
      readonly name: 'paused'
      readonly run: SourceRun
      readonly pausedMs: number
      /** Since when, as far as that is not in `heldMs` yet. */
      readonly sinceMs: number
    }
  /** The thread was asked to park and still steps; rounds go on, so that less is left when it does. */
  | { readonly name: 'parking'; readonly run: SourceRun }
  /** The thread is parked, the last pages go over. */
  | {
      readonly name: 'draining'
      readonly run: SourceRun
      readonly step: number
      readonly deltaBytes: number
      readonly parkedMs: number
      readonly awakeMs: number
    }
  /** All pages went over; paged memory is hashed before `final` is sent. */
  | ({
      readonly name: 'verifying'
      readonly run: SourceRun
      readonly instants: Omit<SourceInstants, 'sentMs'>
    } & SentState)
  /** `final` was sent, the commit point: frozen until somebody else's word. */
  | ({
      readonly name: 'frozen'
      readonly run: SourceRun
      readonly instants: SourceInstants
      readonly installedMs: number | undefined
      /** What hashing paged memory took; undefined where nobody asked for it. */
      readonly verifyMs: number | undefined
    } & SentState)
  /** The target runs; frozen until it is released. */
  | {
      readonly name: 'handedOver'
      readonly run: SourceRun
      readonly report: MigrationReport
      readonly saidMs: number
    }
  /** The target was lost after `final`: the coordinator decides. */
  | {
      readonly name: 'recovering'
      readonly run: SourceRun
      readonly status: 'cancelled' | 'failed'
      readonly error: ErrorReport
      readonly askedMs: number
    }
  | { readonly name: 'ended' }

export type SourceEvent =
  | {
      readonly type: 'hello'
      readonly versions: VersionRange
      readonly identity: Identity
      readonly roundTripMs: number
    }
  | { readonly type: 'streamsOpen' }
  /**
   * All of a round was handed to the sockets; `pendingPages` were dirtied since it was collected.
   * `bytesPerMs` is what the target installed while bytes were under way; undefined when nothing was yet.
   */
  | {
      readonly type: 'roundSent'
      readonly round: RoundReport
      readonly pendingPages: number
      readonly bytesPerMs: number | undefined
      /** Of the last step, for a program that splits it. */
      readonly shape?: StepShape | undefined
    }
  /** A round that was stopped: what of it left. The rest is pending again. */
  | { readonly type: 'roundStopped'; readonly round: RoundReport }
  /** `nowMs` of the event is when the pager woke up. `step` steps are applied. */
  | { readonly type: 'parked'; readonly step: number; readonly parkedMs: number; readonly deltaBytes: number }
  /** The last pages were handed to the sockets. */
  | {
      readonly type: 'finalRoundSent'
      readonly round: RoundReport
      readonly scannedMs: number
      readonly maxInFlightBytes: number
      readonly stepSlowdown?: number | undefined
    }
  /** SHA-256 of all paged memory, and what that took. */
  | { readonly type: 'memoryHashed'; readonly digest: string; readonly verifyMs: number }
  /** The target installed bytes. */
  | { readonly type: 'installed' }
  | { readonly type: 'clock'; readonly roundTripMs: number; readonly clock: ClockOffset | undefined }
  | { readonly type: 'targetReady'; readonly installedMs: number }
  | {
      readonly type: 'targetRunning'
      readonly epoch: number
      readonly claimRoundTripMs: number
      readonly target: Omit<TargetInstants, 'installedMs'>
      /** What the target's hashing took. */
      readonly verifyMs?: number | undefined
    }
  /** A connection closed, or what came over it was refused. */
  | { readonly type: 'lost'; readonly error: ErrorReport }
  /** The last step was applied: nothing is left to move. */
  | { readonly type: 'trainingEnded' }
  | { readonly type: 'cancel'; readonly error: ErrorReport }
  /** The program was told, and has had the time that it asked for. `problem`: it threw, or answered something else. */
  | { readonly type: 'noticed'; readonly problem?: string | undefined }
  /** Its turn has come. */
  | { readonly type: 'switchover' }
  /** It is to send nothing, or to go on. */
  | { readonly type: 'pause'; readonly isPaused: boolean }
  | { readonly type: 'recoverResult'; readonly granted: boolean; readonly epoch: number }
  /** The target's first step was accepted. */
  | { readonly type: 'release' }
  | { readonly type: 'tick'; readonly bytesInFlight: number }

export type SourceEffect =
  | { readonly type: 'welcome'; readonly version: number; readonly streams: number }
  | { readonly type: 'refuse'; readonly error: ErrorReport }
  /** Round 0: every page. Later ones: what is pending. */
  | { readonly type: 'sendRound'; readonly round: number; readonly pauseMs?: number }
  /** End the pause before the round. */
  | { readonly type: 'hurry' }
  /** Tell the program that its job is about to move; training goes on. */
  | { readonly type: 'notify' }
  /** Say at once that it is ready: whoever lets it go should not wait to hear of it. */
  | { readonly type: 'askTurn' }
  | { readonly type: 'park'; readonly attempt: number; readonly point: ParkPoint }
  /** Collect once more and send all that is pending, or everything if no round was sent; then the delta, if there is one. */
  | { readonly type: 'sendFinalRound'; readonly round: number; readonly attempt: number }
  /** Stop the round that is being sent; pages that did not leave are pending again. */
  | { readonly type: 'stopRound' }
  /** Make the thread idle for this share of its time; 0 takes it back. */
  | { readonly type: 'throttle'; readonly percent: number }
  /** Hash all paged memory, which nobody writes: the thread is parked. */
  | { readonly type: 'hashMemory' }
  /** Send `final`. From here on only the coordinator lets the thread go on. */
  | {
      readonly type: 'sendFinal'
      readonly attempt: number
      readonly step: number
      readonly memoryDigest?: string
    }
  /** Take back the park; under a new epoch where the coordinator made one. */
  | { readonly type: 'resume'; readonly epoch?: number }
  | { readonly type: 'askRecover'; readonly error: ErrorReport }
  /** Close the stream, stop tracking, tell the coordinator. */
  | {
      readonly type: 'finish'
      readonly status: 'completed' | 'cancelled' | 'failed'
      readonly error?: ErrorReport
      readonly report?: MigrationReport
    }
  /** Say again how it ended: the coordinator has not answered. */
  | { readonly type: 'tellAgain'; readonly report: MigrationReport }
  /** The worker's work is over. */
  | { readonly type: 'exit' }
