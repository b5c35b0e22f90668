/**
 * Safety: all oracles over what happened, in order. Each knows the invariants of the design and none of the code that
 * keeps them.
 */
import type { Happening } from '../happenings.ts'
import { type ProgramShape, Reference } from '../program.ts'
import { judgeEpochs } from './epochs.ts'
import { judgeMemory } from './memory.ts'
import { judgeNet } from './net.ts'
import { judgeOutputs } from './outputs.ts'

/** What is known of the workloads apart from what happened to them. */
export interface Expected {
  /** By workload. */
  readonly shapes: Readonly<Record<string, ProgramShape>>
}

export type Oracle = (happenings: readonly Happening[], references: References) => string | undefined

export class References {
  readonly #byWorkload = new Map<string, Reference>()
  readonly #shapes: Expected['shapes']

  constructor(shapes: Expected['shapes']) {
    this.#shapes = shapes
  }

  of(workload: string): Reference {
    let reference = this.#byWorkload.get(workload)
    if (reference === undefined) {
      const shape = this.#shapes[workload]
      if (shape === undefined) throw new Error(`nobody knows what ${workload} computes`)
      reference = new Reference(shape)
      this.#byWorkload.set(workload, reference)
    }
    return reference
  }
}

/** The first violation, in a sentence that begins with the invariant's number; undefined when there is none. */
export function judge(happenings: readonly Happening[], expected: Expected): string | undefined {
  const references = new References(expected.shapes)
  for (const happening of happenings) {
    if (happening.type === 'bug') return `a bug in ${happening.party}: ${happening.text}`
  }
  for (const oracle of [judgeOutputs, judgeEpochs, judgeMemory, judgeNet]) {
    const violation = oracle(happenings, references)
    if (violation !== undefined) return violation
  }
  return undefined
}
