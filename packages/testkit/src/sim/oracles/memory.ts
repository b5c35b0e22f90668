/**
 * I3, and no page lost: what a target holds when it takes over, what a frozen source holds when it goes on, and what was
 * loaded from a checkpoint, is to the bit what the steps applied so far leave behind.
 */
import type { Oracle } from './judge.ts'

const WHO = {
  installed: ['no page lost', 'the target'],
  thawed: ['I3', 'the source'],
  restored: ['I5', 'the restored'],
} as const

export const judgeMemory: Oracle = (happenings, references) => {
  for (const happening of happenings) {
    if (!('digest' in happening)) continue
    const { worker, workload, step, digest, type, atMs } = happening
    if (digest === references.of(workload).digestAfter(step)) continue
    const [invariant, who] = WHO[type]
    return `${invariant}: ${who} ${worker} of ${workload} does not hold what ${step} steps leave (at ${atMs.toFixed(1)} ms)`
  }
  return undefined
}
