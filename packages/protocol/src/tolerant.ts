/**
 * How an agent and a worker read a coordinator of the next release: what they don't know they leave out, and what they know they check as ever.
 *
 * Only they do. Coordinators are upgraded first, so nobody else hears from a newer one (docs/adr/0011-coordinators-are-upgraded-first.md).
 */
import { z } from 'zod'

/** Unknown fields of one message; more than these are no newer release. */
const MAX_UNKNOWN = 100

/** As `schema`, but unknown fields are left out wherever they stand, and a message with an unknown `type` is `null`. */
export function tolerant<Schema extends z.ZodType>(
  schema: Schema,
): z.ZodType<z.output<Schema> | null, unknown> {
  return z.unknown().transform((value, context) => {
    const parsed = schema.safeParse(value)
    if (parsed.success) return parsed.data
    const { issues } = parsed.error
    if (issues.some((issue) => isUnknownType(issue, value))) return null
    const known = issues.every(({ code }) => code === 'unrecognized_keys')
      ? without(value, issues)
      : undefined
    const again = known === undefined ? parsed : schema.safeParse(known)
    if (again.success) return again.data
    for (const issue of again.error.issues) context.addIssue({ ...issue, code: 'custom' })
    return z.NEVER
  }) as z.ZodType<z.output<Schema> | null, unknown>
}

type Issue = z.core.$ZodIssue

/** Of a message, or of the one that it carries. */
function isUnknownType({ code, path }: Issue, value: unknown): boolean {
  const at = path.join('.')
  if (code !== 'invalid_union' || (at !== 'type' && at !== 'message.type')) return false
  return typeof valueAt(value, path) === 'string'
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((object, key) => (object as Record<PropertyKey, unknown>)[key], value)
}

/** A copy; undefined where too much is unknown. */
function without(value: unknown, issues: readonly Issue[]): unknown {
  const copy = structuredClone(value)
  let left = MAX_UNKNOWN
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue
    const at = valueAt(copy, issue.path) as Record<string, unknown>
    for (const key of issue.keys) delete at[key]
    left -= issue.keys.length
  }
  return left < 0 ? undefined : copy
}
