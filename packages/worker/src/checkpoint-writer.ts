/**
 * Writes one checkpoint: a migration to a file.
 *
 * Rounds are written while training runs, like those of a migration, until what is left is small or no longer shrinks. What is left is *copied* into
 * memory (state-copy.ts), for the end of which the thread stands; what is slow, checksums and the disk, comes after.
 *
 * Invariants: pages are taken from what the tracker names as its image, never from behind its back (dirty-tracker.ts); small state, spool and the last
 * pages are of one instant, at which the thread stood; `taken` names every page that was taken from the subscription, so that a checkpoint that
 * fails can put them back; nothing is published before all of it is on disk; what may be published is not discarded.
 */
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { copyBytes, type Subscription } from '@godwit/memory'
import {
  type CheckpointManifest,
  type CheckpointReport,
  type CheckpointSegment,
  type EncodedRun,
  encodePagesFrame,
  type GodwitError,
  LIMITS,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
  type PageSet,
} from '@godwit/protocol'
import { FRAME_VERSION } from './checkpoint-file.ts'
import type { CheckpointFolder, SegmentWriter } from './checkpoint-folder.ts'
import { nowMs } from './clock.ts'
import { planFrames } from './frame-plan.ts'
import type { Job } from './job.ts'
import { StateCopy } from './state-copy.ts'

export interface CheckpointPlan {
  readonly job: Job
  readonly folder: CheckpointFolder
  readonly subscription: Subscription
  /** What the checkpoint before consists of, to which this one adds; empty when everything is written. */
  readonly before: readonly CheckpointSegment[]
  /** Every page, or those dirtied since the checkpoint before. Grows by what is taken on the way. */
  readonly taken: PageSet
  /** What the last round of the checkpoint before had: so much may be dirty whatever is done. */
  readonly usualRest: number
  /** Passes when work may go on; rejects when it must end. */
  readonly mayGoOn: () => Promise<void>
  /** Called as soon as the state that is being written is fixed. */
  readonly copied: () => void
  /** Called with what the next one may add to, as soon as that is no longer `before`, even if this one fails; empty when it isn't known. */
  readonly named: (segments: readonly CheckpointSegment[]) => void
}

export interface WrittenCheckpoint {
  readonly report: CheckpointReport
  /** Of the last round. */
  readonly copiedPages: number
}

/** Bytes that are encoded and written in one go: a millisecond of the pager's time. */
const BATCH_BYTES = 4 * MAX_FRAME_BYTES
/** How often it is looked whether a step has written. */
const POLL_MS = 1
/** A round that leaves more than this share of what it wrote was no use. */
const SHRINKS_BELOW = 0.8

/** Whether `pages` are worth a round on disk, or are copied for the last one. `before`: of the rounds so far. */
export function isWorthRound(pages: number, before: readonly number[], usualRest = 0): boolean {
  if (pages * PAGE_BYTES <= LIMITS.checkpointCopyBytes) return false
  // It would leave what there is now.
  if (usualRest > pages * SHRINKS_BELOW) return false
  if (before.length >= LIMITS.maxCheckpointRounds) return false
  const last = before.at(-1)
  return last === undefined || pages < last * SHRINKS_BELOW
}

/** Throws `disk-full` and others of the disk's as they come, `out-of-memory`, and what `mayGoOn` rejects with. */
export async function writeCheckpoint(plan: CheckpointPlan): Promise<WrittenCheckpoint> {
  const { job, folder, subscription, before, taken } = plan
  const beganMs = nowMs()
  const segment = await folder.newSegment(job.epoch, before)
  let mayBeNamed = false
  try {
    const writer = new RoundWriter(segment, plan.mayGoOn)
    const rounds: number[] = []
    let rest = taken.copy()
    while (isWorthRound(rest.size, rounds, plan.usualRest)) {
      rounds.push(rest.size)
      await writer.write(rest, subscription.image())
      rest = take(subscription, taken)
    }
    await plan.mayGoOn()
    const copy = new StateCopy(subscription, { pages: rest, taken, mostBytes: job.spareBytes })
    const last = await copyState(copy, plan)
    const stallMs = nowMs() - last.parkedMs
    plan.copied()
    await writer.write(copy.pages, copy.image)
    const segments = [...before, await segment.finish()]
    await plan.mayGoOn()
    const manifest: CheckpointManifest = { ...last.state, segments }
    const manifestBytes = await folder.publish(manifest, (isDone) => {
      mayBeNamed = true
      plan.named(isDone ? segments : [])
    })
    await folder.clean(manifest)
    const pages = rounds.reduce((sum, round) => sum + round, copy.pages.size)
    const report: CheckpointReport = {
      step: manifest.step,
      rounds: rounds.length + 1,
      incremental: before.length > 0,
      pages,
      writtenBytes: bytesOf(segments.slice(before.length)) + manifestBytes,
      fileBytes: bytesOf(segments) + manifestBytes,
      stallMs,
      totalMs: nowMs() - beganMs,
    }
    return { report, copiedPages: copy.pages.size }
  } catch (error) {
    await segment.close().catch(() => {})
    // One that nobody names after all goes with the next checkpoint.
    if (!mayBeNamed) await folder.discard(segment).catch(() => {})
    throw error
  }
}

/** What was dirtied since, noted as taken. */
function take(subscription: Subscription, taken: PageSet): PageSet {
  const pages = subscription.take()
  taken.addAll(pages)
  return pages
}

/** Copies the last pages, some before the thread stands and the rest while it does, with what belongs to them. */
async function copyState(
  copy: StateCopy,
  { job, mayGoOn }: CheckpointPlan,
): Promise<{ parkedMs: number; state: Omit<CheckpointManifest, 'segments'> }> {
  // Also what the step under way will write again: memory that is there already is copied to in half the time.
  while (copy.copySome()) {
    await turn()
    await mayGoOn()
  }
  let isOver = false
  const point = job.maxDeltaBytes === undefined ? 'boundary' : 'quiet'
  const parked = job.parks.forCheckpoint(point, ({ step, parkedMs, smallState }) => {
    copy.finish()
    const { identity, epoch, launch, outputs } = job
    const state = {
      workload: launch.workloadId,
      identity,
      step,
      epoch,
      smallState,
      spool: [...outputs.spooled],
    }
    return { parkedMs, state }
  })
  const over = parked.then(
    () => {
      isOver = true
    },
    () => {
      isOver = true
    },
  )
  try {
    for (let step = -1; !isOver; ) {
      if (job.parks.isSwitchingOver) await Promise.race([over, job.parks.free()])
      // What a step has written stays as it is until the next one's `apply`.
      if (step !== job.control.step) copy.collect()
      step = job.control.step
      while (!isOver && copy.copySome()) await turn()
      await Promise.race([over, delay(POLL_MS)])
    }
  } catch (error) {
    job.parks.giveUp(error as GodwitError)
  }
  return parked
}

function bytesOf(segments: readonly CheckpointSegment[]): number {
  return segments.reduce((bytes, { byteLength }) => bytes + byteLength, 0)
}

/** Encodes pages and writes them, a batch at a time. */
class RoundWriter {
  readonly #segment: SegmentWriter
  readonly #mayGoOn: () => Promise<void>
  readonly #batch = Buffer.alloc(BATCH_BYTES)
  #round = 0
  #sequence = 0
  #filled = 0

  constructor(segment: SegmentWriter, mayGoOn: () => Promise<void>) {
    this.#segment = segment
    this.#mayGoOn = mayGoOn
  }

  async write(pages: PageSet, image: Buffer): Promise<void> {
    await this.#mayGoOn()
    for (const runs of planFrames(pages, image, { stream: 0, streams: 1 })) {
      this.#encode(runs, image)
      if (this.#filled + MAX_FRAME_BYTES > BATCH_BYTES) await this.#flush()
    }
    await this.#flush()
    this.#round += 1
  }

  #encode(runs: readonly EncodedRun[], image: Buffer): void {
    const header = { version: FRAME_VERSION, stream: 0, round: this.#round, sequence: this.#sequence }
    this.#sequence += 1
    const into = this.#batch.subarray(this.#filled)
    this.#filled += encodePagesFrame(into, header, { runs, image, copy: copyBytes }).length
  }

  async #flush(): Promise<void> {
    if (this.#filled > 0) await this.#segment.write(this.#batch.subarray(0, this.#filled))
    this.#filled = 0
    await this.#mayGoOn()
  }
}
