/**
 * A worker in the place of one that was lost: it loads the host's checkpoint, or keeps the first steps from `init` where there is none that can be
 * used, says which, and waits. Its steps are the job's once the coordinator says so, under the epoch that it says.
 *
 * From `init` the three steps of the rehearsal *are* the job's first steps, as they are a fresh worker's: their reports were kept.
 *
 * Invariants: nothing of the job is published, and no step is taken, before `resume`; `resume` counts once; outputs that the checkpoint
 * carries go out before any of our own, with the stamps that they had.
 */
import { crashPoint } from '@godwit/channel'
import { type CheckpointManifest, type ErrorReport, GodwitError, toErrorReport } from '@godwit/protocol'
import { CheckpointFolder } from './checkpoint-folder.ts'
import { loadCheckpoint } from './checkpoint-reader.ts'
import type { Job } from './job.ts'

export class Restored {
  readonly #resumed: () => void
  #job: Job | undefined
  #checkpoint: CheckpointManifest | undefined
  #isReady = false
  #epoch: number | undefined
  #hasResumed = false

  /** `resumed` is called when the thread was told to go on. */
  constructor(resumed: () => void) {
    this.#resumed = resumed
  }

  /**
   * Steps applied in what was loaded, and the epoch that wrote it or why it is no checkpoint. Throws when memory holds neither, or the disk
   * doesn't say which.
   */
  async load(job: Job): Promise<{ step: number; epoch?: number; error?: ErrorReport }> {
    const { launch, identity, dirtyPages, paged } = job
    const expected = {
      workload: launch.workloadId,
      identity,
      pageCount: dirtyPages.pageCount,
      steps: launch.steps,
    }
    this.#job = job
    try {
      this.#checkpoint = await loadCheckpoint(new CheckpointFolder(launch.checkpointFolder), expected, paged)
      const { step, epoch } = this.#checkpoint
      return { step, epoch }
    } catch (error) {
      if (!(error instanceof GodwitError) || error.kind !== 'checkpoint-unusable') throw error
      return { step: 0, error: toErrorReport(error) }
    }
  }

  /** What was loaded was said. */
  ready(): void {
    this.#isReady = true
    this.#goOn()
  }

  /** One that comes too early counts when all is ready. */
  resume(epoch: number): void {
    this.#epoch ??= epoch
    this.#goOn()
  }

  #goOn(): void {
    const job = this.#job
    if (job === undefined || !this.#isReady || this.#epoch === undefined || this.#hasResumed) return
    this.#hasResumed = true
    crashPoint('before-resume')
    job.epoch = this.#epoch
    if (this.#checkpoint === undefined) job.startOver()
    else {
      const { step, smallState, spool } = this.#checkpoint
      job.takeOver({ type: 'takeOver', step, smallState }, spool)
    }
    crashPoint('after-resume')
    this.#checkpoint = undefined
    this.#resumed()
  }
}
