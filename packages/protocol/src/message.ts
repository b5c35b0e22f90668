/** A message from outside: the bit-exact codec reads it (`encodeValue` wrote it), its schema decides whether to believe it. */
import type { z } from 'zod'
import { GodwitError } from './errors.ts'

/** Characters of what is wrong, and of where: both may quote the sender. */
const MAX_QUOTED_LENGTH = 200

/** Checks a decoded value. Throws `bad-message` naming the field, in few words however much was sent: it will be logged. */
export function checkMessage<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? 'the message' : issue.path.join('.')
  throw new GodwitError(
    'bad-message',
    `${quoted(where)}: ${quoted(issue?.message ?? 'does not match its schema')}`,
  )
}

function quoted(text: string): string {
  return text.length > MAX_QUOTED_LENGTH ? `${text.slice(0, MAX_QUOTED_LENGTH - 1)}…` : text
}
