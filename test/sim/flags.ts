/** What is left out of the simulation, and why: the list is to become empty. */
import type { PlanFlags } from '@godwit/testkit/sim'

export const FLAGS: PlanFlags = {
  leaveOut: new Set([
    // A workload's status changes before it is written down (#ends, #ownerLost in workload.ts): when the write fails, what
    // should have followed never does, and the job is left starting, or restarting, for ever.
    'full disk',
  ] as const),
}
