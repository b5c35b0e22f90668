/**
 * What a person types to find something: words, all of which have to be found in a host's or job's names, program, labels, domain or state.
 */
import type { HostView, WorkloadView } from '@godwit/protocol'

export interface Query {
  readonly words: readonly string[]
  readonly isEmpty: boolean
}

export function queryOf(text: string): Query {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  return { words, isEmpty: words.length === 0 }
}

export function hostMatches(query: Query, { name, address, faultDomain, state, labels }: HostView): boolean {
  if (query.isEmpty) return true
  const tags = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`)
  return holds(query, [name, address, faultDomain, state, ...tags])
}

export function jobMatches(query: Query, { id, program, status, host }: WorkloadView): boolean {
  return query.isEmpty || holds(query, [id, program, status, host])
}

function holds({ words }: Query, texts: readonly string[]): boolean {
  const lower = texts.map((text) => text.toLowerCase())
  return words.every((word) => lower.some((text) => text.includes(word)))
}
