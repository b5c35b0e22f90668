/** A workload as clients see it, from what the coordinator knows of it. */
import {
  type BundleProgress,
  type CheckpointView,
  type Divergence,
  type ErrorReport,
  type FromWorker,
  type Launch,
  LIMITS,
  type PlacementRules,
  type RestartPolicy,
  type WorkloadView,
} from '@godwit/protocol'
import type { OutputHistory } from './output-history.ts'
import { MAX_KEPT_RANGES, newestRange, type OwnershipRecord } from './ownership.ts'

/** What was asked for. */
export type WorkloadSpec = Pick<
  Launch,
  'program' | 'bundle' | 'parameters' | 'steps' | 'tracker' | 'checkpointEveryMs'
> & {
  readonly id: string
  readonly restartPolicy: RestartPolicy
  readonly rules?: PlacementRules | undefined
}

/** Steps over which the speed is averaged. */
const SPEED_STEPS = 20

export interface WorkloadFacts {
  readonly spec: WorkloadSpec
  readonly status: WorkloadView['status']
  readonly startedAtMs: number | undefined
  readonly host: string
  readonly record: OwnershipRecord
  readonly history: OutputHistory
  /** What the owner said as it was ready. */
  readonly prepared: Extract<FromWorker, { type: 'prepared' }> | undefined
  /** How far the bundle is that its worker waits for. */
  readonly fetching: BundleProgress | undefined
  /** Under way. */
  readonly migration: string | undefined
  readonly stateDigest: string | undefined
  readonly restarts: number
  readonly checkpoint: CheckpointView | undefined
  readonly diverged: Divergence | undefined
  readonly error: ErrorReport | undefined
}

export function viewOfWorkload(facts: WorkloadFacts): WorkloadView {
  const { spec, startedAtMs, record, prepared, fetching, migration } = facts
  const { stateDigest, checkpoint, diverged, error } = facts
  const latest = facts.history.latest
  const stepsPerSecond = speedOf(facts.history)
  return {
    id: spec.id,
    program: spec.program,
    ...(spec.bundle === undefined ? {} : { bundle: spec.bundle }),
    ...(fetching === undefined ? {} : { fetching }),
    parameters: spec.parameters,
    steps: spec.steps,
    status: facts.status,
    host: facts.host,
    epoch: newestRange(record).epoch,
    ranges: record.ranges
      .slice(-MAX_KEPT_RANGES)
      .map(({ epoch, host, fromStep }) => ({ epoch, host, fromStep })),
    acceptedSteps: record.acceptedSteps,
    ...(spec.rules === undefined ? {} : { rules: spec.rules }),
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
    restartPolicy: spec.restartPolicy,
    restarts: facts.restarts,
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(diverged === undefined ? {} : { diverged }),
    ...(latest === undefined ? {} : { loss: latest.loss }),
    ...(latest?.metrics === undefined ? {} : { metrics: latest.metrics }),
    ...(stepsPerSecond === undefined ? {} : { stepsPerSecond }),
    ...(prepared === undefined ? {} : { tracker: prepared.identity.tracker }),
    ...(prepared?.trackerReason === undefined ? {} : { trackerReason: prepared.trackerReason }),
    ...(migration === undefined ? {} : { migration }),
    ...(stateDigest === undefined ? {} : { stateDigest }),
    ...(error === undefined ? {} : { error }),
  }
}

/** As it stands in a list: of a long error the beginning. */
export function listedView(view: WorkloadView): WorkloadView {
  const { error } = view
  return error === undefined ? view : { ...view, error: listedError(error) }
}

/** The beginning of its sentence. */
export function listedError(error: ErrorReport): ErrorReport {
  if (error.message.length <= LIMITS.maxListedErrorLength) return error
  return { ...error, message: `${error.message.slice(0, LIMITS.maxListedErrorLength - 1)}…` }
}

export function speedOf(history: OutputHistory): number | undefined {
  const stepMs = history.latestStepMs(SPEED_STEPS)
  const totalMs = stepMs.reduce((sum, each) => sum + each, 0)
  return totalMs > 0 ? (1000 * stepMs.length) / totalMs : undefined
}
