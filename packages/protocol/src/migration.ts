/**
 * A migration as people and programs see it: its options, its progress while it runs, its report afterwards.
 * Field names follow QEMU's migration statistics where it has them.
 */
import { z } from 'zod'
import { count, epoch, errorReport, label, milliseconds, name, step, trackerKind } from './common.ts'
import { LIMITS } from './limits.ts'

export const MIGRATION_STATUSES = [
  /** It waits until it may begin: as many moves as are allowed are under way. */
  'queued',
  'setup',
  'active',
  /** Ready to switch over, and rounds go on: it is held, or another switches over on the same link. */
  'preSwitchover',
  'switchover',
  'completed',
  'cancelling',
  'cancelled',
  'failed',
] as const
export const migrationStatus = z.enum(MIGRATION_STATUSES)
export type MigrationStatus = z.infer<typeof migrationStatus>

export const PRIORITIES = ['high', 'normal', 'low'] as const
export const priority = z.enum(PRIORITIES)
export type Priority = z.infer<typeof priority>

export const migrationOptions = z.strictObject({
  /** Order in the queue and of switchovers, share of the host's bandwidth, and how gently rounds are sent. */
  priority: priority.default('normal'),
  /** It waits before its switchover until somebody lets it go (`switchover`). */
  hold: z.boolean().default(false),
  /** Permission, not the goal: the switchover begins once the forecast is within it and no round would still help. */
  downtimeLimitMs: z.number().positive().max(LIMITS.maxMigrationMs).default(LIMITS.defaultDowntimeLimitMs),
  /** From park to `final`; past it the thread resumes and the migration is active again. Twice the limit by default. */
  maxDowntimeMs: z.number().positive().max(LIMITS.maxMigrationMs).optional(),
  /** Rounds while training runs; or, to compare with: park at once and send everything. */
  method: z.enum(['precopy', 'stopcopy']).default('precopy'),
  /** Where the thread parks: after `apply`, before it, or at the one from which less is left to send. */
  parkPoint: z.enum(['auto', 'boundary', 'preApply']).default('auto'),
  /** `auto` takes, for each round, what the link and the processor were measured to do best with. */
  codec: z.enum(['auto', 'raw', 'xor']).default('auto'),
  /** Bulk connections; left out, as many as the link's round trip wants. */
  streams: z.int().min(1).max(LIMITS.maxStreams).optional(),
  /** Most bytes a second on the wire, over all streams and in every phase; no limit unless given. */
  maxBandwidth: z.number().min(LIMITS.minBandwidth).max(Number.MAX_SAFE_INTEGER).optional(),
  /** How much longer steps may become while rounds are sent, as a share; 1 and more is no limit. 0.1 where cores are free. */
  maxSlowdown: z.number().min(0.01).max(100).optional(),
  /** What to do about rounds that no longer shrink and leave more than the downtime limit allows. */
  onStall: z.enum(['wait', 'raiseLimit', 'throttle', 'giveUp']).default('wait'),
  /**
   * A migration that hasn't reached its switchover by then is cancelled, or forced whatever the downtime. Time in the queue
   * doesn't count, nor does time in which it is ready and held, or waits for its turn.
   */
  timeoutMs: z.number().positive().max(LIMITS.maxMigrationMs).default(LIMITS.defaultMigrationTimeoutMs),
  onTimeout: z.enum(['cancel', 'force']).default('cancel'),
  /** The target must have the job's program and data: nothing of its bundle is brought there. */
  computeOnly: z.boolean().default(false),
  /** Both sides hash all paged memory at the switchover, and the target compares before it claims. Inside the downtime. */
  verify: z.boolean().default(false),
})
export type MigrationOptions = z.infer<typeof migrationOptions>

export const roundCodec = z.enum(['raw', 'xor'])
export type RoundCodec = z.infer<typeof roundCodec>
export const parkPoint = z.enum(['boundary', 'preApply'])
export type ParkPoint = z.infer<typeof parkPoint>

export const roundReport = z.strictObject({
  pages: count,
  /** Bytes of the pages as they lie in memory. */
  pageBytes: count,
  /** Bytes of the frames that carried them: zero pages have no payload. */
  wireBytes: count,
  durationMs: milliseconds,
  /** When it began, since the move was asked for; left out in a report of an earlier release. */
  startMs: milliseconds.optional(),
  /** Steps applied while the round was sent: none in the last one, which is sent parked. */
  steps: count,
  codec: roundCodec,
})
export type RoundReport = z.infer<typeof roundReport>

/** The parts that add up to `downtimeMs`; DESIGN: from the park at the source to the thread going on at the target. */
export const downtimeParts = z.strictObject({
  /** The thread parked, the pager awake. */
  parkMs: milliseconds,
  /** The last collection of dirty pages. */
  finalScanMs: milliseconds,
  /** To the last byte handed to the socket. */
  finalSendMs: milliseconds,
  /** To everything installed at the target, network included. */
  installMs: milliseconds,
  /** What the target waited for its claim, also after it had gone on. */
  claimMs: milliseconds,
  /** To the training thread running at the target. */
  resumeMs: milliseconds,
})
export type DowntimeParts = z.infer<typeof downtimeParts>

export const migrationProgress = z.strictObject({
  round: count,
  /** Pages sent in this round and pages in it. */
  roundPagesSent: count,
  roundPages: count,
  /** Left to send as far as is known: the rest of this round. */
  remainingBytes: count,
  sentBytes: count,
  bytesPerSecond: z.number().min(0),
  /** How far it is, for people: it never becomes less. */
  percent: z.number().min(0).max(100).optional(),
  /** Until it is over; left out where nobody can know. */
  timeLeftMs: milliseconds.min(0).optional(),
  /** Undefined until a round has been measured. */
  expectedDowntimeMs: milliseconds.optional(),
  /** It sends nothing until it is told to go on, or is to as soon as it would. */
  isPaused: z.literal(true).optional(),
  step,
})
export type MigrationProgress = z.infer<typeof migrationProgress>

const predicted = z.strictObject({ downtimeMs: milliseconds, totalMs: milliseconds })

/** The one report of a migration, wherever it is shown. */
export const migrationReport = z.strictObject({
  id: label,
  workload: label,
  from: label,
  to: label,
  status: migrationStatus,
  parkPoint,
  /** Steps applied in the state that was sent: the number of the first step at the target. */
  step,
  /** The epoch that owns the workload since. */
  epoch,
  tracker: trackerKind,
  /** `xor` when any round was sent so. */
  codec: roundCodec,
  streams: count,
  rounds: z.array(roundReport).max(LIMITS.maxRounds),
  pageBytes: count,
  /** Of all frames, those that carried the delta included. */
  wireBytes: count,
  /** Of the delta that went over in place of the pages its `apply` writes; 0 at the boundary. */
  deltaBytes: count,
  /** Most bytes that were sent and not yet installed at any time. */
  maxInFlightBytes: count,
  /** How much longer the median step became while rounds were sent, as a share of the one before; left out where too few steps were seen. */
  stepSlowdown: z.number().optional(),
  setupMs: milliseconds,
  totalMs: milliseconds,
  downtimeMs: milliseconds,
  downtime: downtimeParts,
  /** When the thread stood, since the move was asked for: its parts follow on each other from there. Left out in a report of an earlier release. */
  downtimeStartMs: milliseconds.optional(),
  /** Half the width of the interval in which the offset between the two clocks lies, and its middle. */
  clockErrorMs: milliseconds,
  clockOffsetMs: milliseconds,
  /** As the thread was asked to park. */
  predicted,
  /** Before anything moved, when an estimate of this move was asked for last. */
  estimated: predicted.optional(),
  /** Why the engine parked when it did, and where. */
  parkReason: name,
  /** How often the thread was parked: one unless a switchover was given up. */
  parks: count,
  claimRoundTripMs: milliseconds,
  /** What hashing all paged memory took, at the source and then at the target: part of the downtime. */
  verifyMs: milliseconds.optional(),
  /** Sum over the migration's steps and the ten after, of step time less the median before. Null until those ten are done. */
  lostTimeMs: milliseconds.nullable(),
  error: errorReport.optional(),
})
export type MigrationReport = z.infer<typeof migrationReport>
