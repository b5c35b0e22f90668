/**
 * Control messages of a migration, between the two workers. The target dials the source: one control connection
 * for these, and the bulk connections for frames (bulk-frame.ts). PROTOCOL.md shows the sequence.
 *
 * `attempt` numbers the parks of one migration from 1. What belongs to an earlier attempt is discarded.
 */
import { z } from 'zod'
import { count, digest, epoch, errorReport, instant, label, name, output, secret, step } from './common.ts'
import { identity } from './identity.ts'
import { LIMITS } from './limits.ts'

const versions = z.strictObject({ min: z.int(), max: z.int() })
const attempt = z.int().min(1)

/** First message on the control connection. The secret is single use. */
export const streamHello = z.strictObject({
  type: z.literal('hello'),
  versions,
  migrationId: label,
  secret,
  identity,
  /** As the target measured it: from it the source takes how many streams, where nobody said. */
  roundTripMs: instant,
})

/** First message on each bulk connection: `bulkToken` came with `welcome`. */
export const bulkHello = z.strictObject({
  type: z.literal('bulkHello'),
  migrationId: label,
  bulkToken: secret,
  stream: count,
})

const ping = z.strictObject({ type: z.literal('ping'), id: count, sentAtMs: instant })
const pong = z.strictObject({
  type: z.literal('pong'),
  id: count,
  sentAtMs: instant,
  atMs: instant,
})
const failed = z.strictObject({ type: z.literal('failed'), error: errorReport })

/**
 * What `compute` found out, for the target to apply. The arrays' bytes come in delta frames of this attempt, in this order,
 * each array from the next multiple of 8 on.
 */
export const sentDelta = z.strictObject({
  arrays: z.array(z.strictObject({ name, elements: count })).max(LIMITS.maxDeltaArrays),
  byteLength: count,
  /** `delta.values`, in the codec of small states. */
  values: z.instanceof(Uint8Array) as z.ZodType<Uint8Array>,
  /** What `compute` took, for the step's time. */
  computeMs: instant,
})
export type SentDelta = z.infer<typeof sentDelta>

export const fromSource = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('welcome'),
    version: z.int(),
    streams: z.int().min(1).max(LIMITS.maxStreams),
    bulkToken: secret,
  }),
  z.strictObject({ type: z.literal('refused'), error: errorReport }),
  ping,
  /** Everything that is not pages, sent when the last page frame is on its way: the commit point. */
  z.strictObject({
    type: z.literal('final'),
    attempt,
    step,
    /** The epoch that owns the workload until the claim. */
    epoch,
    smallState: z.instanceof(Uint8Array) as z.ZodType<Uint8Array>,
    /** Parked before `apply`: the step's delta, which the target applies. */
    delta: sentDelta.optional(),
    /** Outputs that the coordinator has not acknowledged yet. */
    spool: z.array(output).max(LIMITS.maxSpooledOutputs),
    /** By stream: the last frame's sequence number. */
    lastSequences: z.array(z.int().min(0)).max(LIMITS.maxStreams),
    /** Of the small state, and after it the delta's values. */
    smallStateDigest: digest,
    /** SHA-256 of all paged memory, where the migration is to be verified. */
    memoryDigest: digest.optional(),
  }),
  failed,
])
export type FromSource = z.infer<typeof fromSource>

export const fromTarget = z.discriminatedUnion('type', [
  streamHello,
  bulkHello,
  pong,
  /** Cumulative: bytes of frames installed on a stream. Opens the source's window. */
  z.strictObject({ type: z.literal('installed'), stream: count, bytes: count }),
  /** All of `final` is in place. Instants are of the target's clock. */
  z.strictObject({ type: z.literal('ready'), attempt, installedAtMs: instant }),
  /** The claim was granted and the thread goes on: what the report needs. Instants are of the target's clock. */
  z.strictObject({
    type: z.literal('running'),
    epoch,
    runningAtMs: instant,
    claimWaitMs: instant,
    claimRoundTripMs: instant,
    /** What comparing all paged memory took. */
    verifyMs: instant.optional(),
  }),
  failed,
])
export type FromTarget = z.infer<typeof fromTarget>
