/**
 * Maintenance of a host, as people and programs see it. While it lasts the host takes neither new jobs nor incoming moves, and its
 * jobs leave.
 */
import { z } from 'zod'
import { count, label } from './common.ts'
import { LIMITS } from './limits.ts'

export const maintenanceJob = z.strictObject({
  workload: label,
  /**
   * `waiting`: it will be moved once it can be, or its turn has come. `stuck`: no host may take it, or its moves failed; looked at again
   * as hosts change. `moved`: because of this maintenance, or back after it.
   */
  state: z.enum(['waiting', 'moving', 'stuck', 'moved']),
  /** Where it is going, or went. */
  to: label.optional(),
  /** Of the move that is under way, or was the latest. */
  migration: label.optional(),
  reason: z.string().max(LIMITS.maxListedErrorLength).optional(),
})
export type MaintenanceJob = z.infer<typeof maintenanceJob>

export const maintenanceView = z.strictObject({
  host: label,
  /** `evacuated`: no job is on the host, and no worker. `over`: it takes jobs again, and all that were to come back have, or can't. */
  phase: z.enum(['evacuating', 'evacuated', 'returning', 'over']),
  /** Those that can move do, though others can't. */
  force: z.boolean(),
  waiting: count,
  moving: count,
  stuck: count,
  moved: count,
  /** Those that are not where they should be first; `maxListedJobs` of them. */
  jobs: z.array(maintenanceJob).max(LIMITS.maxListedJobs),
})
export type MaintenanceView = z.infer<typeof maintenanceView>
