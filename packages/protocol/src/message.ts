/** A message from outside: the bit-exact codec reads it (`encodeValue` wrote it), its schema decides whether to believe it. */
import type { z } from 'zod'
import { GodwitError } from './errors.ts'

/** Checks a decoded value. Throws `bad-message` naming the field. */
export function checkMessage<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? 'the message' : issue.path.join('.')
  throw new GodwitError('bad-message', `${where}: ${issue?.message ?? 'does not match its schema'}`)
}
