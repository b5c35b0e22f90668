/** A workload that is not over, as placement and maintenance see it, from what the coordinator knows of it. */
import type { CheckpointView, FromWorker } from '@godwit/protocol'
import type { HostedJob } from './host-view.ts'
import type { MovableJob } from './maintenance-plan.ts'
import type { OutputHistory } from './output-history.ts'
import type { WorkloadMoves } from './workload-moves.ts'
import { speedOf, type WorkloadSpec } from './workload-view.ts'

export type PlacedJob = MovableJob & HostedJob

type Prepared = Extract<FromWorker, { type: 'prepared' }>

export interface PlacedFacts {
  readonly spec: WorkloadSpec
  readonly host: string
  /** What the owner said as it was ready. */
  readonly prepared: Prepared | undefined
  readonly moves: Pick<WorkloadMoves, 'open' | 'busy'>
  readonly checkpoint: CheckpointView | undefined
  readonly history: OutputHistory
}

export function placedJob({ spec, host, prepared, moves, checkpoint, history }: PlacedFacts): PlacedJob {
  const { open } = moves
  return {
    id: spec.id,
    host,
    move: open?.plan,
    queued: open?.isQueued === true ? (open.view().waitingFor ?? 'others go first') : undefined,
    memoryBytes: prepared === undefined ? 0 : memoryOf(prepared),
    rules: spec.rules ?? {},
    checkpointHost: checkpoint?.host,
    // Found out when somebody wants to know: of ten thousand jobs mostly nobody does.
    get busy() {
      return moves.busy
    },
    get stepsPerSecond() {
      return speedOf(history) ?? 0
    },
  }
}

/** Paged memory, with its shadow. */
function memoryOf({ memoryBytes, identity }: Prepared): number {
  return memoryBytes ?? identity.arenaBytes * (identity.tracker === 'compare' ? 2 : 1)
}
