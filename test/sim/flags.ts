/** What is left out of the simulation, each with the reason: empty, and to stay so. */
import type { PlanFlags } from '@godwit/testkit/sim'

export const FLAGS: PlanFlags = { leaveOut: new Set() }
