/**
 * Judges a history of one workload's ownership without knowing how it was decided.
 *
 * It is told what was granted and what was accepted, in order, and keeps its own books: by arithmetic on that
 * history, never by looking at a record. It throws an error that begins with the invariant's number.
 */
import type { Output } from '@godwit/protocol'

export type Happening =
  | {
      readonly type: 'granted'
      readonly operation: 'claim' | 'abort' | 'return' | 'restart'
      readonly migration: string
      /** What the operation made. */
      readonly epoch: number
      readonly host: string
      /** Of a claim. */
      readonly fromStep?: number
    }
  | { readonly type: 'accepted'; readonly output: Output }

interface Claim {
  readonly migration: string
  readonly epoch: number
  readonly fromStep: number
}

/** Throws at the first violation of I1, I2 or I4 (numbers as in the design). */
export function judgeOwnership(history: readonly Happening[]): void {
  const epochOfStep = new Map<number, number>()
  const makerOfEpoch = new Map<number, string>([[1, 'start']])
  const claims: Claim[] = []
  let newestEpoch = 1
  let lastEpoch = 0

  for (const happening of history) {
    if (happening.type === 'granted') {
      const { operation, migration, epoch, fromStep } = happening
      const maker = `${migration} ${operation}`
      const known = makerOfEpoch.get(epoch)
      if (known === undefined && [...makerOfEpoch.values()].includes(maker)) {
        fail('I4', `${maker} was done a second time`)
      }
      if (known !== undefined && known !== maker)
        fail('I4', `epoch ${epoch} was given to ${known} and to ${maker}`)
      if (known === undefined && epoch !== newestEpoch + 1)
        fail('I4', `${maker} made epoch ${epoch} after ${newestEpoch}`)
      if (known !== undefined && epoch !== newestEpoch)
        fail('I4', `${maker} was granted epoch ${epoch} again under ${newestEpoch}`)
      if (known === undefined && operation === 'return') {
        const undone = claims.find((claim) => claim.migration === migration)
        const published = [...epochOfStep.values()].includes(undone?.epoch ?? -1)
        if (undone === undefined || undone.epoch !== newestEpoch || published) {
          fail('I4', `${maker} took back a claim that counted or never was`)
        }
      }
      if (known === undefined && operation === 'claim' && fromStep !== undefined) {
        if (fromStep < epochOfStep.size) fail('I2', `${maker} would repeat steps from ${fromStep}`)
        claims.push({ migration, epoch, fromStep })
      }
      makerOfEpoch.set(epoch, maker)
      newestEpoch = Math.max(newestEpoch, epoch)
      continue
    }
    const { step, epoch } = happening.output
    const before = epochOfStep.get(step)
    if (before !== undefined)
      fail(before === epoch ? 'I2' : 'I1', `step ${step} was accepted of epoch ${before} and ${epoch}`)
    if (step !== epochOfStep.size) fail('I2', `step ${step} was accepted after ${epochOfStep.size - 1}`)
    if (!makerOfEpoch.has(epoch)) fail('I1', `step ${step} was accepted of epoch ${epoch}, which nobody owns`)
    if (epoch < lastEpoch) fail('I1', `step ${step} is of epoch ${epoch}, the one before it of ${lastEpoch}`)
    for (const claim of claims) {
      if (step >= claim.fromStep && epoch < claim.epoch) {
        fail(
          'I4',
          `step ${step} of epoch ${epoch} counts although epoch ${claim.epoch} owns from ${claim.fromStep}`,
        )
      }
    }
    epochOfStep.set(step, epoch)
    lastEpoch = epoch
  }
}

function fail(invariant: string, what: string): never {
  throw new Error(`${invariant}: ${what}`)
}
