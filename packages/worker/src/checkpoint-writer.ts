/**
 * Writes one checkpoint: a migration to a file.
 *
 * Rounds are written while training runs, like those of a migration, until what is left is small or no longer shrinks. Then the thread stands
 * at a boundary for as long as it takes to *copy* the last pages into memory of our own, and goes on; what is slow, checksums and the
 * disk, comes after. The copy is a second image of the arena of which only the pages that are in it were ever touched: address
 * space costs nothing.
 *
 * Invariants: pages are taken from what the tracker names as its image, never from behind its back (dirty-tracker.ts); small state, spool and the last
 * pages are of one instant, at which the thread stood; `taken` names every page that was taken from the subscription, so that a checkpoint that
 * fails can put them back; nothing is published before all of it is on disk.
 */
import { copyBytes, type Subscription } from '@godwit/memory'
import {
  type CheckpointManifest,
  type CheckpointReport,
  type CheckpointSegment,
  type EncodedRun,
  encodePagesFrame,
  GodwitError,
  LIMITS,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
  type PageSet,
} from '@godwit/protocol'
import { FRAME_VERSION } from './checkpoint-file.ts'
import type { CheckpointFolder, SegmentWriter } from './checkpoint-folder.ts'
import { nowMs } from './clock.ts'
import { planFrames } from './frame-plan.ts'
import type { Job, Parked } from './job.ts'

export interface CheckpointPlan {
  readonly job: Job
  readonly folder: CheckpointFolder
  readonly subscription: Subscription
  /** What the checkpoint before consists of, to which this one adds; empty when everything is written. */
  readonly before: readonly CheckpointSegment[]
  /** Every page, or those dirtied since the checkpoint before. Grows by what is taken on the way. */
  readonly taken: PageSet
  /** Passes when work may go on; rejects when it must end. */
  readonly mayGoOn: () => Promise<void>
  /** Called as soon as the state that is being written is fixed. */
  readonly copied: () => void
}

export interface WrittenCheckpoint {
  readonly segments: readonly CheckpointSegment[]
  readonly report: CheckpointReport
}

/** Bytes that are encoded and written in one go: a millisecond of the pager's time. */
const BATCH_BYTES = 4 * MAX_FRAME_BYTES
/** A round that leaves more than this share of what it wrote was no use. */
const SHRINKS_BELOW = 0.8

/** Whether `pages` are worth a round while training runs, or are copied while it stands. `before`: of the rounds so far. */
export function isWorthRound(pages: number, before: readonly number[]): boolean {
  if (pages * PAGE_BYTES <= LIMITS.checkpointCopyBytes) return false
  if (before.length >= LIMITS.maxCheckpointRounds) return false
  const last = before.at(-1)
  return last === undefined || pages < last * SHRINKS_BELOW
}

/** Throws `disk-full` and others of the disk's as they come, `out-of-memory`, and what `mayGoOn` rejects with. */
export async function writeCheckpoint(plan: CheckpointPlan): Promise<WrittenCheckpoint> {
  const { job, folder, subscription, before, taken } = plan
  const beganMs = nowMs()
  const segment = await folder.newSegment()
  try {
    const writer = new RoundWriter(segment, plan.mayGoOn)
    const rounds: number[] = []
    let rest = taken.copy()
    while (isWorthRound(rest.size, rounds)) {
      rounds.push(rest.size)
      await writer.write(rest, subscription.image())
      rest = take(subscription, taken)
    }
    const image = await roomFor(rest, plan)
    const last = await job.parks.forCheckpoint((parked) => {
      for (const run of take(subscription, taken).runs()) rest.addRun(run)
      return copyState(rest, { image, parked, plan })
    })
    const stallMs = nowMs() - last.parkedMs
    plan.copied()
    await writer.write(rest, image)
    const segments = [...before, await segment.finish()]
    await plan.mayGoOn()
    const manifest: CheckpointManifest = { ...last.state, segments }
    const manifestBytes = await folder.publish(manifest)
    await folder.clean(manifest)
    const pages = rounds.reduce((sum, round) => sum + round, rest.size)
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
    return { segments, report }
  } catch (error) {
    await segment.close().catch(() => {})
    await folder.discard(segment).catch(() => {})
    throw error
  }
}

/** What was dirtied since, noted as taken. */
function take(subscription: Subscription, taken: PageSet): PageSet {
  const pages = subscription.take()
  taken.addAll(pages)
  return pages
}

/** An image of the arena that takes in the last pages; those that are likely to be among them are there already. */
async function roomFor(likely: PageSet, { job, mayGoOn }: CheckpointPlan): Promise<Buffer> {
  await mayGoOn()
  const image = Buffer.allocUnsafeSlow(job.paged.length)
  for (const { firstPage, pageCount } of likely.runs()) {
    for (let page = firstPage; page < firstPage + pageCount; page++) {
      image[page * PAGE_BYTES] = 0
      if (page % TOUCHED_AT_ONCE === 0) await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }
  return image
}

const TOUCHED_AT_ONCE = 4096

/** While the thread stands. */
function copyState(
  pages: PageSet,
  { image, parked, plan }: { image: Buffer; parked: Parked; plan: CheckpointPlan },
): { parkedMs: number; state: Omit<CheckpointManifest, 'segments'> } {
  const { job, subscription } = plan
  const neededBytes = pages.size * PAGE_BYTES
  if (neededBytes > job.spareBytes)
    throw new GodwitError(
      'out-of-memory',
      `a checkpoint copies what a step writes, ${neededBytes} bytes here, and the host has ${job.spareBytes} to give besides the job: give it more`,
    )
  const from = subscription.image()
  for (const { firstPage, pageCount } of pages.runs()) {
    const [start, end] = [firstPage * PAGE_BYTES, (firstPage + pageCount) * PAGE_BYTES]
    copyBytes(image.subarray(start), from.subarray(start, end))
  }
  const { step, parkedMs, smallState } = parked
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
