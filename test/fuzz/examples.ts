/**
 * Valid values of any schema, so that a message which somebody adds is fuzzed without a word here. Each is checked against the schema
 * itself: what this file does not understand is an error, not a gap.
 */
import fc from 'fast-check'
import { z } from 'zod'

type Random = (limit: number) => number

/** Deterministic; not for secrets (Marsaglia's xorshift, 32 bits). */
export function randomFrom(seed: number): Random {
  let state = seed | 0 || 1
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** `count` values of each alternative of `schema`. */
export function examplesOf(schema: z.ZodType, count: number, seed: number): unknown[] {
  const random = randomFrom(seed)
  const alternatives = optionsOf(schema) ?? [schema]
  return alternatives.flatMap((alternative) =>
    Array.from({ length: count }, () => {
      const value = example(alternative, random)
      const parsed = schema.safeParse(value)
      if (!parsed.success)
        throw new Error(`no example: ${z.prettifyError(parsed.error)}\n${JSON.stringify(value)}`)
      return value
    }),
  )
}

function optionsOf(schema: z.ZodType): z.ZodType[] | undefined {
  return schema instanceof z.ZodUnion ? (schema.options as z.ZodType[]) : undefined
}

function example(schema: z.ZodType, random: Random): unknown {
  if (schema instanceof z.ZodObject) {
    const fields: Record<string, unknown> = {}
    for (const [key, field] of Object.entries(schema.shape as Record<string, z.ZodType>)) {
      const isLeftOut = field instanceof z.ZodOptional && random(2) === 0
      if (!isLeftOut) fields[key] = example(field, random)
    }
    return fields
  }
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable)
    return example(schema.unwrap() as z.ZodType, random)
  if (schema instanceof z.ZodPipe) return example(schema.out as z.ZodType, random)
  if (schema instanceof z.ZodUnion) return example(oneOf(schema.options as z.ZodType[], random), random)
  if (schema instanceof z.ZodLiteral) return oneOf([...schema.values], random)
  if (schema instanceof z.ZodEnum) return oneOf(schema.options, random)
  if (schema instanceof z.ZodBoolean) return random(2) === 0
  if (schema instanceof z.ZodNumber) return numberOf(schema, random)
  if (schema instanceof z.ZodString) return stringOf(schema, random)
  if (schema instanceof z.ZodArray) {
    const length = Math.max(limitsOf(schema).min, random(4))
    return Array.from({ length }, () => example(schema.element as z.ZodType, random))
  }
  if (schema instanceof z.ZodTuple)
    return (schema._zod.def.items as z.ZodType[]).map((item) => example(item, random))
  if (schema instanceof z.ZodRecord) {
    const keys = Array.from({ length: random(4) }, () => String(example(schema.keyType as z.ZodType, random)))
    return Object.fromEntries(keys.map((key) => [key, example(schema.valueType as z.ZodType, random)]))
  }
  if (schema instanceof z.ZodUnknown) return { anything: random(100) }
  // `z.instanceof`: bytes, wherever it is used.
  if (schema instanceof z.ZodCustom) return Uint8Array.from({ length: random(20) }, () => random(256))
  throw new Error(`nobody has written how an example of ${schema._zod.def.type} is made`)
}

function oneOf<Item>(items: readonly Item[], random: Random): Item {
  return items[random(items.length)] as Item
}

interface Limits {
  readonly min: number
  readonly max: number
  readonly isInt: boolean
  readonly pattern: RegExp | undefined
}

/** What its checks say, of a length or a number. */
function limitsOf(schema: z.ZodType): Limits {
  const { checks = [], format } = schema._zod.def as {
    checks?: { _zod: { def: CheckDef } }[]
    format?: string
  }
  let limits: Limits = { min: 0, max: 1000, isInt: format === 'safeint', pattern: undefined }
  for (const { _zod } of checks) {
    const { check, minimum, maximum, value = 0, inclusive, pattern } = _zod.def
    if (check === 'min_length') limits = { ...limits, min: minimum ?? 0 }
    if (check === 'max_length') limits = { ...limits, max: maximum ?? 0 }
    if (check === 'greater_than') limits = { ...limits, min: value + (inclusive ? 0 : 0.5) }
    if (check === 'less_than') limits = { ...limits, max: value }
    if (check === 'number_format') limits = { ...limits, isInt: true }
    if (check === 'string_format' && pattern !== undefined) limits = { ...limits, pattern }
  }
  return limits
}

interface CheckDef {
  readonly check: string
  readonly minimum?: number
  readonly maximum?: number
  readonly value?: number
  readonly inclusive?: boolean
  readonly pattern?: RegExp
}

function numberOf(schema: z.ZodNumber, random: Random): number {
  const { min, max, isInt } = limitsOf(schema)
  const low = isInt ? Math.ceil(min) : min
  const span = Math.max(0, Math.min(1000, max - low))
  return Math.min(max < low ? low : max, low + random(Math.floor(span) + 1))
}

const STRINGS = new Map<string, string[]>()

function stringOf(schema: z.ZodString, random: Random): string {
  const { min, max, pattern } = limitsOf(schema)
  const letters = 'abcdefghijklmnopqrstuvwxyz /-_.0123456789'
  if (pattern === undefined)
    return letters.slice(0, min + random(Math.max(1, Math.min(max, letters.length) - min)))
  const known = STRINGS.get(pattern.source) ?? fc.sample(fc.stringMatching(pattern), { numRuns: 40, seed: 1 })
  STRINGS.set(pattern.source, known)
  const fitting = known.filter((text) => text.length <= max)
  return oneOf(fitting, random)
}
