/**
 * What a migration would cost, before anything moves: what was measured of the job and of the link, and what the engine makes
 * of it with the rules by which it would decide.
 */
import { z } from 'zod'
import { count, label, milliseconds, name } from './common.ts'
import { parkPoint } from './migration.ts'

const duration = milliseconds.min(0)

/** Of the path from one host to another, as frames of pages travel on it. */
export const linkMeasure = z.strictObject({ bytesPerMs: z.number().positive(), roundTripMs: duration })
export type LinkMeasure = z.infer<typeof linkMeasure>

/** Of a job that trains, over a few steps with its dirty pages tracked. */
export const jobMeasure = z.strictObject({
  arenaPages: count,
  /** From a sample: pages that would travel without their bytes. */
  zeroPages: count,
  /** What one step writes. */
  stepPages: count,
  /** What all steps that were watched wrote together, and how many they were. */
  watchedPages: count,
  watchedSteps: count,
  stepMs: milliseconds.positive(),
  /** Of a program that splits its step: the part in which nothing is written, and the delta, staged. */
  computeMs: duration.optional(),
  deltaBytes: count.optional(),
  /** How long this worker took from its start to being ready to train, which its like at the target will take too. */
  setupMs: duration,
})
export type JobMeasure = z.infer<typeof jobMeasure>

export const estimate = z.strictObject({
  /** Rounds shrink to what the downtime limit allows. Where not, the times are those of a move that is forced when they stop shrinking. */
  converges: z.boolean(),
  downtimeMs: duration,
  /** Setup included. */
  totalMs: duration,
  rounds: count,
  parkPoint,
  reason: name,
  job: jobMeasure,
  /** With the limits on it taken into account. */
  link: linkMeasure,
})
export type Estimate = z.infer<typeof estimate>

export const estimateView = estimate.extend({
  workload: label,
  from: label,
  to: label,
  downtimeLimitMs: duration,
})
export type EstimateView = z.infer<typeof estimateView>
