/** Schema pieces that several messages share: bounded strings, counts, times. Nothing here is a message. */
import { z } from 'zod'
import { ERROR_KIND_NAMES } from './errors.ts'
import { LIMITS } from './limits.ts'

export const name = z.string().min(1).max(LIMITS.maxNameLength)
/** A host's or workload's name: what people type and what becomes part of a file name. */
export const label = name.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, dot, dash and underscore')
export const path = z.string().min(1).max(LIMITS.maxPathLength)
export const count = z.int().min(0)
export const step = z.int().min(0)
/** Numbered from 1; 0 owns nothing. */
export const epoch = z.int().min(1)
export const digest = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hex')
/** A duration or an instant of a monotonic clock, in milliseconds. */
export const milliseconds = z.number()
/** An instant that a peer sends: far from where arithmetic with it would overflow. */
export const instant = z.number().min(-1e12).max(1e12)
/** Of a metric: ASCII, so that its bytes are known. */
export const metricName = z
  .string()
  .max(LIMITS.maxMetricNameLength)
  .regex(/^[A-Za-z][A-Za-z0-9_.-]*$/, 'letters, digits, dot, dash and underscore')
export const port = z.int().min(0).max(65535)
/** A byte of each frame's header. */
export const protocolVersion = z.int().min(1).max(255)
export const secret = z.string().regex(/^[0-9a-f]{64}$/)

export const errorReport = z.strictObject({
  kind: z.enum(ERROR_KIND_NAMES),
  message: z.string().max(LIMITS.maxErrorLength),
  phase: z.string().max(LIMITS.maxNameLength).optional(),
})

/**
 * A record of at most `most` entries. They are counted first: to find a hundred thousand of them wrong, one by one, takes seconds.
 */
export function recordOf<Value extends z.ZodType>(
  key: z.ZodString,
  value: Value,
  most: number,
): z.ZodType<Record<string, z.output<Value>>, Record<string, z.input<Value>>> {
  const isFew = (all: unknown): boolean =>
    typeof all !== 'object' || all === null || Object.keys(all).length <= most
  const few = z.custom<Partial<Record<string, z.input<Value>>>>(isFew, `more than ${most} entries`)
  return few.pipe(z.record(key, value)) as z.ZodType<
    Record<string, z.output<Value>>,
    Record<string, z.input<Value>>
  >
}

export const parameterValue = z.union([z.number(), z.boolean(), z.string().max(LIMITS.maxNameLength)])
export const parameters = recordOf(name, parameterValue, LIMITS.maxParameters)
export type Parameters = z.infer<typeof parameters>

export const trackerKind = z.enum(['userfaultfd', 'compare'])
export type TrackerKind = z.infer<typeof trackerKind>

/** What one step reported, stamped with the epoch of whoever applied it. */
export const output = z.strictObject({
  step,
  epoch,
  loss: z.number(),
  metrics: recordOf(metricName, z.number(), LIMITS.maxMetrics).optional(),
  /** The runtime's own measure; never compared between runs. */
  stepMs: milliseconds,
})
export type Output = z.infer<typeof output>

/** A certificate, or a request for one: text between BEGIN and END lines. */
export const pem = z
  .string()
  .max(LIMITS.maxPemLength)
  .regex(/^-----BEGIN [A-Z ]+-----\n[A-Za-z0-9+/=\n]+-----END [A-Z ]+-----\n?$/, 'PEM')
