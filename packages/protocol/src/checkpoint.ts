/** A checkpoint: a migration to a file, from which the job goes on when its worker is lost. */
import { z } from 'zod'
import { count, digest, epoch, label, milliseconds, output, step } from './common.ts'
import { identity } from './identity.ts'
import { LIMITS } from './limits.ts'

/** A file of pages: frames as on a bulk stream, one after the other; a later one writes over an earlier. */
export const checkpointSegment = z.strictObject({
  file: z.string().regex(/^pages-(?:[1-9]\d{0,15}-)?[1-9]\d{0,9}\.bin$/, 'pages-<epoch>-<number>.bin'),
  byteLength: count,
  digest,
})
export type CheckpointSegment = z.infer<typeof checkpointSegment>

/** What a checkpoint consists of: everything that is not pages, and the files which are, in the order in which they are installed. */
export const checkpointManifest = z.strictObject({
  workload: label,
  identity,
  /** Steps applied. */
  step,
  /** The epoch under which the last of them was taken. */
  epoch,
  smallState: z.instanceof(Uint8Array) as z.ZodType<Uint8Array>,
  /** Outputs that were not acknowledged yet, with their stamps. */
  spool: z.array(output).max(LIMITS.maxSpooledOutputs),
  segments: z.array(checkpointSegment).min(1).max(LIMITS.maxCheckpointSegments),
})
export type CheckpointManifest = z.infer<typeof checkpointManifest>

export const checkpointReport = z.strictObject({
  /** Steps applied in the state that was written. */
  step,
  /** Rounds that were written while training ran, and the last one, of what was copied while it stood. */
  rounds: count,
  /** Only what changed since the checkpoint before; otherwise everything. */
  incremental: z.boolean(),
  pages: count,
  writtenBytes: count,
  /** On disk, all of what the checkpoint is made of. */
  fileBytes: count,
  /** For how long the training thread stood. */
  stallMs: milliseconds,
  totalMs: milliseconds,
})
export type CheckpointReport = z.infer<typeof checkpointReport>
