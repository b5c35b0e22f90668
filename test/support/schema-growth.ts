/**
 * Whether what one schema allows is understood by who reads by another: both as JSON Schema, as zod writes it. The rules of
 * docs/adr/0011-coordinators-are-upgraded-first.md rest on it.
 *
 * It knows what our schemas are made of, objects, unions, arrays and bounds; whatever else differs counts as not understood.
 */
import { isDeepStrictEqual } from 'node:util'

export interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly [keyword: string]: unknown
}

const WITHIN: Readonly<Record<string, (said: number, read: number) => boolean>> = {
  minimum: (said, read) => said >= read,
  minLength: (said, read) => said >= read,
  minItems: (said, read) => said >= read,
  maximum: (said, read) => said <= read,
  maxLength: (said, read) => said <= read,
  maxItems: (said, read) => said <= read,
}

/** One sentence for each thing that may be said and is not understood. Who reads tolerantly leaves out fields and messages that are unknown. */
export function notUnderstood(said: Schema, read: Schema, isTolerant: boolean, at = ''): string[] {
  if (isDeepStrictEqual(said, read)) return []
  const [choices, known] = [choicesOf(said), choicesOf(read)]
  if (known !== undefined || choices !== undefined)
    return (choices ?? [said]).flatMap((choice) => noneOf(choice, known ?? [read], isTolerant, at))
  const keywords = new Set([...Object.keys(said), ...Object.keys(read)])
  return [...keywords].flatMap((keyword) => {
    if (isDeepStrictEqual(said[keyword], read[keyword])) return []
    if (keyword === 'properties') return fields(said, read, isTolerant, at)
    if (keyword === 'required') return missing(said, read, at)
    if (keyword === 'items' && said.items !== undefined && read.items !== undefined)
      return notUnderstood(said.items, read.items, isTolerant, `${at}[]`)
    if (keyword === 'enum' && said.enum !== undefined && read.enum !== undefined) {
      const others = said.enum.filter((value) => !read.enum?.includes(value))
      return others.length === 0 ? [] : [`${at}: ${others.join(', ')} may be said`]
    }
    if (read[keyword] === undefined && keyword in WITHIN) return []
    const isWithin = WITHIN[keyword]?.(said[keyword] as number, read[keyword] as number)
    return isWithin === true ? [] : [`${at}: another ${keyword}`]
  })
}

function choicesOf(schema: Schema): readonly Schema[] | undefined {
  return schema.oneOf ?? schema.anyOf
}

/** Of messages the one with the same `type` is looked at, of other choices any. */
function noneOf(choice: Schema, known: readonly Schema[], isTolerant: boolean, at: string): string[] {
  const type = choice.properties?.type?.const
  if (typeof type === 'string') {
    const same = known.find((each) => each.properties?.type?.const === type)
    if (same !== undefined) return notUnderstood(choice, same, isTolerant, `${at} ${type}`)
    return isTolerant ? [] : [`${at}: ${type} may be said`]
  }
  const found = known.map((each) => notUnderstood(choice, each, isTolerant, at))
  return found.find((each) => each.length === 0) ?? found[0] ?? [`${at}: nothing is understood`]
}

function fields(said: Schema, read: Schema, isTolerant: boolean, at: string): string[] {
  return Object.entries(said.properties ?? {}).flatMap(([name, field]) => {
    const known = read.properties?.[name]
    if (known !== undefined) return notUnderstood(field, known, isTolerant, `${at}.${name}`)
    return isTolerant ? [] : [`${at}.${name} may be said`]
  })
}

function missing(said: Schema, read: Schema, at: string): string[] {
  return (read.required ?? [])
    .filter((name) => !(said.required ?? []).includes(name))
    .map((name) => `${at}.${name} may be left out`)
}
