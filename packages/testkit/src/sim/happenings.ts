/**
 * What really happened in the simulated world, as somebody who sees everything would write it down. The oracles are
 * told this and nothing else: no state of the code under test.
 */
import type { MigrationView, WorkloadView } from '@godwit/protocol'

/** A range of the ownership record, as it is on the disk. */
export interface StoredRange {
  readonly epoch: number
  readonly host: string
  readonly fromStep: number
}

export type Happening = {
  readonly atMs: number
} /** A person asked for it to run: under a name that was used before, if that came to nothing. */ & (
  | { readonly type: 'ran'; readonly workload: string }
  /** A process came to be. */
  | {
      readonly type: 'launched'
      readonly worker: string
      readonly host: string
      readonly workload: string
      readonly mode: 'fresh' | 'incoming' | 'restored'
    }
  /** A process is gone. `why` says whether somebody meant it. */
  | {
      readonly type: 'gone'
      readonly worker: string
      readonly workload: string
      /** `fault`: killed by the simulation. The others are the code's own doing. */
      readonly why: 'fault' | 'killed' | 'released' | 'stopped' | 'gave up' | 'orphaned'
    }
  /** A process sent an output of its own towards the coordinator, under this stamp. */
  | {
      readonly type: 'published'
      readonly worker: string
      readonly workload: string
      readonly step: number
      readonly epoch: number
      /** False for one that came with the state. */
      readonly isOwn: boolean
    }
  /** A follower of the workload was told of an accepted step. */
  | {
      readonly type: 'accepted'
      readonly workload: string
      readonly step: number
      readonly epoch: number
      readonly loss: number
    }
  /** The ownership record, once it is safe on the disk. */
  | {
      readonly type: 'stored'
      readonly workload: string
      readonly ranges: readonly StoredRange[]
      readonly acceptedSteps: number
    }
  /** A source sent `final`: it steps no more until somebody else says so. */
  | {
      readonly type: 'froze'
      readonly worker: string
      readonly workload: string
      readonly step: number
      readonly epoch: number
    }
  /** A source that was frozen steps again. `digest` is of what it holds. */
  | {
      readonly type: 'thawed'
      readonly worker: string
      readonly workload: string
      readonly step: number
      readonly epoch: number | undefined
      readonly digest: string
    }
  /** A worker in the place of one that was lost goes on, from a checkpoint or from the start. */
  | {
      readonly type: 'restored'
      readonly worker: string
      readonly workload: string
      readonly step: number
      readonly epoch: number
      readonly digest: string
    }
  /** A target has everything: what is in its memory, and the step at which it goes on. */
  | {
      readonly type: 'installed'
      readonly worker: string
      readonly workload: string
      readonly step: number
      readonly digest: string
    }
  /** A client was told so. */
  | { readonly type: 'workload'; readonly view: WorkloadView }
  | { readonly type: 'migration'; readonly view: MigrationView }
  /** A person asked for it. */
  | { readonly type: 'stopAsked'; readonly workload: string }
  /** What must never be: an assertion failed somewhere. */
  | { readonly type: 'bug'; readonly party: string; readonly text: string }
)

/** Everything but the time, which the world adds. */
export type Told = Happening extends infer One ? (One extends Happening ? Omit<One, 'atMs'> : never) : never
