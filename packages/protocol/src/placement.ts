/**
 * Where a job may be, in the words of those who say so, and why a host was taken or not.
 *
 * A fault domain is a zone, or a rack within one: `east`, `east/rack-1`. Hosts of one rack fail together more often than those of
 * one zone, and these more often than others.
 */
import { z } from 'zod'
import { count, label, recordOf } from './common.ts'
import { LIMITS } from './limits.ts'

/** A zone, or `zone/rack`. */
export const faultDomain = z
  .string()
  .max(LIMITS.maxNameLength)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)?$/,
    'a zone or zone/rack, each of letters, digits, dot, dash and underscore',
  )

/** Undefined where the domain is a zone alone. */
export function rackOf(domain: string): string | undefined {
  return domain.includes('/') ? domain : undefined
}

export function zoneOf(domain: string): string {
  return domain.split('/', 1)[0] as string
}

/** What an operator says of a host, and what a job may ask for: `gpu=none`. */
export const labels = recordOf(label, label, LIMITS.maxLabels)
export type Labels = z.infer<typeof labels>

/** Of a job, for as long as it lives. */
export const placementRules = z.strictObject({
  /** Labels that its host must have. */
  requires: labels.optional(),
  /** Jobs on whose host it must be, and on whose it must not, while they are not over. */
  with: z.array(label).max(LIMITS.maxRules).optional(),
  apartFrom: z.array(label).max(LIMITS.maxRules).optional(),
})
export type PlacementRules = z.infer<typeof placementRules>

/** One host, for one job: why it was taken, could have been, or could not. */
export const verdict = z.strictObject({
  host: label,
  verdict: z.enum(['taken', 'possible', 'refused']),
  /** From 0 to 100; of a host that was refused there is none. */
  score: z.number().optional(),
  reason: z.string().max(LIMITS.maxReasonLength),
})
export type Verdict = z.infer<typeof verdict>

/** What a host's machine does, over the last few seconds. */
export const utilisation = z.strictObject({
  /** Share of all cores that is busy. */
  cpu: z.number().min(0).max(1),
  /** Of the whole machine, and what it has; left out by agents of an earlier release. */
  usedMemoryBytes: count,
  totalMemoryBytes: count.optional(),
  receivedBytesPerSecond: z.number().min(0).max(1e15),
  sentBytesPerSecond: z.number().min(0).max(1e15),
})
export type Utilisation = z.infer<typeof utilisation>
