/**
 * The bits of `Math`: its transcendental functions are only approximated, and differently between CPUs and releases of
 * Node. A program that calls one directly may compute other bits elsewhere. For each `Math` function that a program's
 * own code names, this is the hash of its values on fixed inputs, so that a refusal can name the culprit.
 */
import { createHash } from 'node:crypto'

const POINTS = 2000
/** Written out: `**` is `Math.pow`, one of the suspects. */
const DECADES = [1, 10, 100, 1000, 10_000, 100_000] as const

/** By function name. Constants, and functions that take no plain numbers, are left out. */
export function mathDigests(code: string): Record<string, string> {
  const names = new Set([...code.matchAll(/\bMath\.([a-z0-9]+)\b/gi)].map((match) => match[1] as string))
  const digests: Record<string, string> = {}
  for (const name of [...names].sort()) {
    const fn = (Math as unknown as Record<string, unknown>)[name]
    if (typeof fn !== 'function' || name === 'random') continue
    const found = digest(fn as (x: number, y: number) => number)
    if (found !== undefined) digests[name] = found
  }
  return digests
}

/** Undefined for a function of something else than numbers (`Math.sumPrecise`, in newer releases, adds up a list). */
function digest(fn: (x: number, y: number) => number): string | undefined {
  const values = new Float64Array(POINTS)
  for (let point = 0; point < POINTS; point++) {
    // Points of both signs over several orders of magnitude, by arithmetic whose bits are the same everywhere.
    const x = ((point * 2654435761) % 4294967296) / 4294967296 - 0.5
    const value = call(fn, x * (DECADES[point % DECADES.length] as number), x + 1)
    if (value === undefined) return undefined
    // The sign of a NaN that arithmetic made differs between x86-64 and arm64, and no program can see it.
    values[point] = Number.isNaN(value) ? Number.NaN : value
  }
  return createHash('sha256').update(values).digest('hex')
}

function call(fn: (x: number, y: number) => number, x: number, y: number): number | undefined {
  try {
    const value: unknown = fn(x, y)
    return typeof value === 'number' ? value : undefined
  } catch {
    return undefined
  }
}
