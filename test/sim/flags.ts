/** What is left out of the simulation, and why: the list is to become empty. */
import type { PlanFlags } from '@godwit/testkit/sim'

export const FLAGS: PlanFlags = { leaveOut: new Set(['crash coordinator', 'full disk'] as const) }
