/** Values of options and arguments as they are typed, checked before anybody is asked. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  GodwitError,
  LIMITS,
  type ParameterValue,
  parseBandwidth,
  parseLabel,
  parseParameter,
} from '@godwit/protocol'
import { InvalidArgumentError } from 'commander'

/** A whole number of at least `least`, and at most `most`. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least || value > most) {
      const bounds = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
      throw new InvalidArgumentError(`Write a whole number ${bounds}.`)
    }
    return value
  }
}

/** A duration above zero, in milliseconds. */
export function positiveMs(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0 || value > LIMITS.maxMigrationMs) {
    throw new InvalidArgumentError(
      `Write a positive number of milliseconds, at most ${LIMITS.maxMigrationMs} (a day).`,
    )
  }
  return value
}

const DURATION_UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `500ms`, `30s`, `5m`, `1h` or `30d`, in milliseconds, from `leastMs` to `mostMs` (a day). */
export function duration(leastMs: number, mostMs: number = LIMITS.maxMigrationMs): (text: string) => number {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim())
    const value = match === null ? Number.NaN : Number(match[1]) * (DURATION_UNITS_MS[match[2] ?? ''] ?? 1)
    if (!(value >= leastMs && value <= mostMs)) {
      const most = mostMs <= LIMITS.maxMigrationMs ? `${mostMs / 3_600_000}h` : `${mostMs / 86_400_000}d`
      throw new InvalidArgumentError(`Write a time like 30s, 5m or 1h, from ${leastMs / 1000}s to ${most}.`)
    }
    return value
  }
}

/** `0.1` or `10%`, from `least` to `most`. */
export function share(least: number, most: number): (text: string) => number {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?|\.\d+)(%?)$/.exec(text.trim())
    const value = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1)
    if (!(value >= least && value <= most)) {
      throw new InvalidArgumentError(`Write a share like 0.1 or 10%, from ${least * 100}% to ${most * 100}%.`)
    }
    return value
  }
}

/** Bytes a second. */
export function bandwidth(text: string): number {
  return asArgument(() => parseBandwidth(text))
}

function asArgument<Value>(parse: () => Value): Value {
  try {
    return parse()
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

/** Adds one `key=value` to those before: `parseParameter`. */
export function collectParameter(
  text: string,
  previous: Record<string, ParameterValue> = {},
): Record<string, ParameterValue> {
  const [name, value] = asArgument(() => parseParameter(text))
  return { ...previous, [name]: value }
}

/** Adds one `key=value` to those before. */
export function collectLabel(text: string, previous: Record<string, string> = {}): Record<string, string> {
  const [key, value] = asArgument(() => parseLabel(text))
  if (previous[key] !== undefined && previous[key] !== value)
    throw new InvalidArgumentError(`No host has both ${key}=${previous[key]} and ${text}.`)
  return { ...previous, [key]: value }
}

/** Adds one to those before. */
export function collect(text: string, previous: string[] = []): string[] {
  return [...previous, text]
}

/**
 * A program that begins with `.` or `/` is a file here, made absolute; another one is a name that the host's agent
 * looks up. Throws `program-missing` for a file that is not there.
 */
export function programArgument(program: string): string {
  if (!/^[./]/.test(program)) return program
  const file = resolve(program)
  if (!existsSync(file)) throw new GodwitError('program-missing', `there is no file ${file}`)
  return file
}
