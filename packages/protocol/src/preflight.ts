/**
 * What a move would meet, looked at before it is asked for: one check for each thing that could stand in its way. Nothing moves.
 */
import { z } from 'zod'
import { count, errorReport, label, name } from './common.ts'
import { estimateView } from './estimate.ts'
import { LIMITS } from './limits.ts'

/** In the order in which a move meets them. */
export const PREFLIGHT_CHECKS = [
  /** It takes steps, and has no move under way. */
  'job',
  /** The target's agent is connected, and the job is not there already. */
  'host',
  'maintenance',
  'labels',
  'rules',
  /** How many jobs the target takes. */
  'jobs',
  /** Whether the move would begin at once. */
  'queue',
  'protocol',
  /** What was bundled with the job is there, or is brought. */
  'bundle',
  'memory',
  /** The target has the same program, with the same packages. */
  'program',
  /** And the data files that it reads. */
  'data',
  /** The job's first steps give the same bits there. */
  'runtime',
  'tracker',
  /** The target reaches the source, and what the way carries. */
  'link',
  /** Expected, against what is allowed. */
  'downtime',
] as const

export const preflightCheck = z.strictObject({
  check: z.enum(PREFLIGHT_CHECKS),
  /** A move meets a blocker and ends; a warning it may get over, or it could not be found out. */
  verdict: z.enum(['pass', 'warning', 'blocker']),
  message: z.string().max(LIMITS.maxErrorLength),
  /** What to do about it. */
  advice: z.string().max(LIMITS.maxReasonLength).optional(),
})
export type PreflightCheck = z.infer<typeof preflightCheck>

export const preflightView = z.strictObject({
  workload: label,
  from: label,
  /** The host that was named, or would be chosen; left out where none may take the job. */
  to: label.optional(),
  checks: z.array(preflightCheck).max(PREFLIGHT_CHECKS.length),
  /** Where the job and the link could be watched. */
  estimate: estimateView.optional(),
})
export type PreflightView = z.infer<typeof preflightView>

/** What a host says of itself, without running anything. */
export const hostCheck = z.strictObject({
  /** Of Node, as it says it: `v20.19.0`. */
  node: name,
  /** As Node calls it: `x64`, `arm64`. */
  arch: name,
  /** Of the machine or the container: what nothing uses. */
  freeMemoryBytes: count,
  /** Of the bundle that was asked about: bytes of all its files, and of those that are missing; or why that can't be said. */
  bundle: z.strictObject({ bytes: count, missingBytes: count }).optional(),
  bundleError: errorReport.optional(),
})
export type HostCheck = z.infer<typeof hostCheck>
