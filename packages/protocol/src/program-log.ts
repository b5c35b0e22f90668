/**
 * What a job's program prints: lines, counted from the job's first one, wherever it ran. A host's worker prints to a file of its own, whose
 * agent passes on what is new and goes on once it is told how far the coordinator has it.
 */
import { z } from 'zod'
import { count, label } from './common.ts'
import { LIMITS } from './limits.ts'

export const logLine = z.strictObject({
  /** Counted from 0. */
  line: count,
  /** Where it was printed. */
  host: label,
  /** When the coordinator heard of it, in milliseconds since 1970. */
  atMs: count,
  /** As it was printed: control characters are the program's. */
  text: z.string().max(LIMITS.maxLogLineLength),
})
export type LogLine = z.infer<typeof logLine>

/** A place in a worker's file: the byte, and how often the file has been begun anew because it had grown too long. */
export const logPlace = z.strictObject({ generation: count, at: count })
export type LogPlace = z.infer<typeof logPlace>

/** What stands there in the file. */
export const logBytes = (z.instanceof(Uint8Array) as z.ZodType<Uint8Array>).refine(
  (bytes) => bytes.length <= LIMITS.maxLogChunkBytes,
  `has more than ${LIMITS.maxLogChunkBytes} bytes`,
)
