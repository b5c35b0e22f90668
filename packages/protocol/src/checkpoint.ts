/** A checkpoint: a migration to a file, from which the job goes on when its worker is lost. */
import { z } from 'zod'
import { count, milliseconds, step } from './common.ts'

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
