/**
 * The checkpoints of this host: a folder for each workload that has one, below `checkpoints` in the data folder. They outlive
 * their workers, since that is what they are for, and go when the coordinator says so.
 *
 * The order to delete one may find a worker of its workload that still runs here, and may be writing to it: then it waits for
 * that worker's end. It is void when the worker has written a newer checkpoint by then, or another one has been started for
 * the workload: those came after the order's reason.
 *
 * Invariant: nothing outside of `checkpoints` is ever deleted, whatever a name looks like.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { GodwitError, LIMITS } from '@godwit/protocol'
import { diskError } from './disk.ts'

export const CHECKPOINTS_NAME = 'checkpoints'
const WORKLOAD = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

export class CheckpointFolders {
  readonly #path: string
  /** Workloads whose checkpoint goes with their last worker. */
  readonly #doomed = new Set<string>()

  constructor(dataDir: string) {
    this.#path = join(dataDir, CHECKPOINTS_NAME)
  }

  /** Where a worker that is about to be started keeps the workload's checkpoint. Errors: those of the disk. */
  prepare(workloadId: string): string {
    const folder = this.#folderOf(workloadId)
    this.#doomed.delete(workloadId)
    try {
      mkdirSync(this.#path, { mode: 0o700 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw diskError(error, dirname(this.#path))
    }
    return folder
  }

  /** Workloads that have one. */
  list(): string[] {
    try {
      return readdirSync(this.#path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && WORKLOAD.test(entry.name))
        .map(({ name }) => name)
        .slice(0, LIMITS.maxWorkers)
    } catch {
      return []
    }
  }

  /** `isInUse`: a worker of the workload runs here. Errors: `bad-arguments`, and those of the disk. */
  delete(workloadId: string, isInUse: boolean): void {
    const folder = this.#folderOf(workloadId)
    if (isInUse) {
      this.#doomed.add(workloadId)
      return
    }
    this.#doomed.delete(workloadId)
    try {
      rmSync(folder, { recursive: true, force: true })
    } catch (error) {
      throw diskError(error, this.#path)
    }
  }

  /** A worker of the workload has written a newer one. */
  written(workloadId: string): void {
    this.#doomed.delete(workloadId)
  }

  /** The workload's last worker here is gone. Errors: those of the disk. */
  left(workloadId: string): void {
    if (this.#doomed.has(workloadId)) this.delete(workloadId, false)
  }

  #folderOf(workloadId: string): string {
    if (!WORKLOAD.test(workloadId))
      throw new GodwitError('bad-arguments', `${workloadId} is no name of a workload`)
    return join(this.#path, workloadId)
  }
}
