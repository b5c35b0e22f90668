/**
 * `key=value` as people write it, on the command line and in the console: parameters of a program, and labels of hosts. No schema is needed to read
 * it: the console takes it along.
 */
import { GodwitError } from './errors.ts'
import { LIMITS } from './limits.ts'

export type ParameterValue = number | boolean | string

/**
 * Numbers and `true` or `false` are taken as such, `"text in double quotes"` as text whatever it looks like, everything else as text. Errors: `bad-arguments`
 * with what to write.
 */
export function parseParameter(text: string): readonly [name: string, value: ParameterValue] {
  const at = text.indexOf('=')
  if (at <= 0) throw new GodwitError('bad-arguments', 'write key=value, like rate=0.1')
  const name = text.slice(0, at)
  const value = parameterValue(text.slice(at + 1))
  const longest = Math.max(name.length, typeof value === 'string' ? value.length : 0)
  if (longest > LIMITS.maxNameLength)
    throw new GodwitError(
      'bad-arguments',
      `write no more than ${LIMITS.maxNameLength} characters on each side of =`,
    )
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new GodwitError(
      'bad-arguments',
      `write a number that is at most ${Number.MAX_VALUE}, or text in double quotes`,
    )
  return [name, value]
}

function parameterValue(text: string): ParameterValue {
  if (text === 'true' || text === 'false') return text === 'true'
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text)
  if (/^".*"$/.test(text)) return text.slice(1, -1)
  return text
}

/** As `parseParameter` takes it back. */
export function sayParameter(name: string, value: ParameterValue): string {
  const isPlain = typeof value !== 'string' || parameterValue(value) === value
  return `${name}=${isPlain ? value : `"${value}"`}`
}

/** Errors: `bad-arguments` with what to write. */
export function parseLabel(text: string): readonly [key: string, value: string] {
  const [, key, value] = /^([A-Za-z0-9][A-Za-z0-9._-]*)=([A-Za-z0-9][A-Za-z0-9._-]*)$/.exec(text) ?? []
  if (key === undefined || value === undefined || Math.max(key.length, value.length) > LIMITS.maxNameLength)
    throw new GodwitError('bad-arguments', 'write key=value, like disk=fast')
  return [key, value]
}
