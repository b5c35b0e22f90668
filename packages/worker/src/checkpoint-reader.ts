/**
 * Brings a checkpoint back into paged memory.
 *
 * It is read twice. The first time nothing is installed, so that one which turns out to be torn in its last byte leaves memory as it was, and the
 * job can begin anew; what was read then is mostly still in the kernel's cache.
 *
 * Invariant: nothing is installed before every frame of every segment was found whole, inside the arena, and all pages
 * of the arena among them.
 */
import {
  type CheckpointManifest,
  difference,
  GodwitError,
  type Identity,
  PageSet,
  toErrorReport,
} from '@godwit/protocol'
import { type PagesFrame, SegmentFrames, unusable } from './checkpoint-file.ts'
import type { CheckpointFolder } from './checkpoint-folder.ts'
import { installPages } from './install.ts'

const PIECE_BYTES = 1024 * 1024

/** What a checkpoint must agree with to be this job's. */
export interface Expected {
  readonly workload: string
  readonly identity: Identity
  readonly pageCount: number
  readonly steps: number
}

/**
 * Loads the checkpoint into `paged`. Throws `checkpoint-unusable` when there is none that can be used and nothing was installed; `internal` when
 * the disk doesn't say, so that it is tried again later; and `bad-checksum` when half of it was installed, because the disk gave other bytes the
 * second time. After the latter two what is in memory may be no state of any job.
 */
export async function loadCheckpoint(
  folder: CheckpointFolder,
  expected: Expected,
  paged: Uint8Array,
): Promise<CheckpointManifest> {
  const manifest = await checkCheckpoint(folder, expected)
  try {
    for await (const frame of framesOf(folder, manifest, expected.pageCount)) installPages(frame, paged)
  } catch (cause) {
    if (!(cause instanceof GodwitError)) throw unreadable(cause)
    const why = toErrorReport(cause).message
    throw new GodwitError('bad-checksum', `the checkpoint changed while it was read: ${why}`, { cause })
  }
  return manifest
}

/** Reads all of it and installs nothing. */
async function checkCheckpoint(folder: CheckpointFolder, expected: Expected): Promise<CheckpointManifest> {
  try {
    const manifest = await folder.manifest()
    checkManifest(manifest, expected)
    const pages = new PageSet(expected.pageCount)
    for await (const frame of framesOf(folder, manifest, expected.pageCount))
      for (const run of frame.runs) pages.addRun(run)
    if (!pages.isFull) unusable(`${pages.pageCount - pages.size} of ${pages.pageCount} pages are not in it`)
    return manifest
  } catch (error) {
    if (error instanceof GodwitError) throw error
    throw unreadable(error)
  }
}

/** The checkpoint may be there and whole: the job must not begin anew over it. */
function unreadable(cause: unknown): GodwitError {
  const why = toErrorReport(cause).message
  return new GodwitError('internal', `the checkpoint can't be read from disk: ${why}`, { cause })
}

function checkManifest(manifest: CheckpointManifest, { workload, identity, steps }: Expected): void {
  if (manifest.workload !== workload) unusable(`it is workload ${manifest.workload}'s, not ${workload}'s`)
  const differs = difference(manifest.identity, identity)
  if (differs !== undefined)
    unusable(`it was written by another job than this host would run: ${differs.message}`)
  if (manifest.step > steps) unusable(`it is of step ${manifest.step} and the job has ${steps}`)
  const { spool } = manifest
  const first = manifest.step - spool.length
  if (spool.some(({ step }, index) => step !== first + index))
    unusable('its outputs are not those before its step')
}

async function* framesOf(
  folder: CheckpointFolder,
  { segments }: CheckpointManifest,
  pageCount: number,
): AsyncGenerator<PagesFrame> {
  for (const segment of segments) {
    const frames = new SegmentFrames(pageCount)
    for await (const piece of folder.pieces(segment, PIECE_BYTES)) yield* frames.read(piece)
    frames.end()
  }
}
