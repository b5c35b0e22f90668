/**
 * The bits of `Math`: its transcendental functions are only approximated, and differently between CPUs and releases of
 * Node. A program that calls one directly may compute other bits elsewhere. For each `Math` function that a program's
 * own code names, this is the hash of its values on fixed inputs, so that a refusal can name the culprit.
 */
import { createHash } from 'node:crypto'

const POINTS = 2000

/** By function name. Functions without a numeric result (and constants) are left out. */
export function mathDigests(code: string): Record<string, string> {
  const names = new Set([...code.matchAll(/\bMath\.([a-z0-9]+)\b/gi)].map((match) => match[1] as string))
  const digests: Record<string, string> = {}
  for (const name of [...names].sort()) {
    const fn = (Math as unknown as Record<string, unknown>)[name]
    if (typeof fn === 'function' && name !== 'random')
      digests[name] = digest(fn as (x: number, y: number) => number)
  }
  return digests
}

function digest(fn: (x: number, y: number) => number): string {
  const values = new Float64Array(POINTS)
  for (let point = 0; point < POINTS; point++) {
    // Points of both signs over ten orders of magnitude, by arithmetic whose bits are the same everywhere.
    const x = ((point * 2654435761) % 4294967296) / 4294967296 - 0.5
    values[point] = fn(x * 10 ** (point % 6), x + 1)
  }
  return createHash('sha256').update(values).digest('hex')
}
