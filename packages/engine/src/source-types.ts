/**
 * The vocabulary of the source's end of a migration: what can happen to it, what it can be in, what it asks for.
 * The rules are in source.ts.
 */
import type {
  ErrorReport,
  Identity,
  MigrationOptions,
  MigrationReport,
  RoundReport,
  TrackerKind,
  VersionRange,
} from '@godwit/protocol'
import type { ClockOffset } from './clock-offset.ts'
import type { SourceInstants, TargetInstants } from './downtime.ts'
import type { Forecast } from './forecast.ts'

export interface SourceConfig {
  readonly migrationId: string
  readonly workload: string
  readonly from: string
  readonly to: string
  readonly tracker: TrackerKind
  readonly pageCount: number
  readonly identity: Identity
  readonly options: MigrationOptions
  /** How long ago the migration was asked for when the source heard of it. */
  readonly elapsedMs: number
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
  readonly nextRound: number
  /** Parks so far; also the number of the current attempt. */
  readonly parks: number
  readonly parkReason: string
  readonly predicted: { readonly downtimeMs: number; readonly totalMs: number }
  readonly roundTripMs: number
  readonly clock: ClockOffset | undefined
  /** When the target last installed something, or a round began. */
  readonly progressMs: number
}

/** `phase` names in errors are those of the status people see. */
export type SourceState =
  /** Waiting for the target to dial and say hello. */
  | { readonly name: 'listening'; readonly run: SourceRun }
  /** Hello was good; waiting for its bulk connections. */
  | { readonly name: 'connecting'; readonly run: SourceRun }
  /** Sending rounds while training runs. */
  | { readonly name: 'active'; readonly run: SourceRun }
  /** The thread was asked to park and still steps. */
  | { readonly name: 'parking'; readonly run: SourceRun }
  /** The thread is parked, the last pages go over. */
  | {
      readonly name: 'draining'
      readonly run: SourceRun
      readonly step: number
      readonly parkedMs: number
      readonly awakeMs: number
    }
  /** `final` was sent, the commit point: frozen until somebody else's word. */
  | {
      readonly name: 'frozen'
      readonly run: SourceRun
      readonly step: number
      readonly instants: SourceInstants
      readonly installedMs: number | undefined
    }
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
  | { readonly type: 'hello'; readonly versions: VersionRange; readonly identity: Identity }
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
    }
  /** `nowMs` of the event is when the pager woke up. `step` steps are applied. */
  | { readonly type: 'parked'; readonly step: number; readonly parkedMs: number }
  /** The last pages were handed to the sockets. */
  | { readonly type: 'finalRoundSent'; readonly round: RoundReport; readonly scannedMs: number }
  /** The target installed bytes. */
  | { readonly type: 'installed' }
  | { readonly type: 'clock'; readonly roundTripMs: number; readonly clock: ClockOffset | undefined }
  | { readonly type: 'targetReady'; readonly installedMs: number }
  | {
      readonly type: 'targetRunning'
      readonly epoch: number
      readonly claimRoundTripMs: number
      readonly target: Omit<TargetInstants, 'installedMs'>
    }
  /** A connection closed, or what came over it was refused. */
  | { readonly type: 'lost'; readonly error: ErrorReport }
  /** The last step was applied: nothing is left to move. */
  | { readonly type: 'trainingEnded' }
  | { readonly type: 'cancel'; readonly error: ErrorReport }
  | { readonly type: 'recoverResult'; readonly granted: boolean; readonly epoch: number }
  /** The target's first step was accepted. */
  | { readonly type: 'release' }
  | { readonly type: 'tick'; readonly bytesInFlight: number }

export type SourceEffect =
  | { readonly type: 'welcome'; readonly version: number }
  | { readonly type: 'refuse'; readonly error: ErrorReport }
  /** Round 0: every page. Later ones: what is pending. */
  | { readonly type: 'sendRound'; readonly round: number }
  | { readonly type: 'park'; readonly attempt: number }
  /** Collect once more and send all that is pending. */
  | { readonly type: 'sendFinalRound'; readonly round: number }
  /** Stop sending; pages not sent are pending again. */
  | { readonly type: 'abandonFinalRound' }
  /** Send `final`. From here on only the coordinator lets the thread go on. */
  | { readonly type: 'sendFinal'; readonly attempt: number; readonly step: number }
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
