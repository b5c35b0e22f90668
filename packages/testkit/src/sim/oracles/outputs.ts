/**
 * I1 and I2, as a follower of the job sees it: each step's output once, in order, without a gap, and with the bits of an
 * undisturbed run. And nothing is told to anybody before it is safe on the disk.
 */
import type { Oracle } from './judge.ts'

export const judgeOutputs: Oracle = (happenings, references) => {
  const next = new Map<string, number>()
  const epochs = new Map<string, number>()
  const stored = new Map<string, number>()
  for (const happening of happenings) {
    if (happening.type === 'stored') stored.set(happening.workload, happening.acceptedSteps)
    if (happening.type !== 'accepted') continue
    const { workload, step, epoch, loss, atMs } = happening
    const due = next.get(workload) ?? 0
    const when = `${workload} at ${atMs.toFixed(1)} ms`
    if (step < due) return `I2: step ${step} was accepted a second time (${when})`
    if (step > due) return `I2: step ${step} was accepted where ${due} is due (${when})`
    if (step >= (stored.get(workload) ?? 0))
      return `I2: step ${step} was told of before it was stored (${when})`
    const expected = references.of(workload).lossOf(step)
    if (loss !== expected)
      return `I2: step ${step} has loss ${loss} where a run on one host has ${expected} (${when})`
    const last = epochs.get(workload) ?? 0
    if (epoch < last) return `I1: step ${step} is of epoch ${epoch}, the one before of ${last} (${when})`
    next.set(workload, step + 1)
    epochs.set(workload, epoch)
  }
  return undefined
}
