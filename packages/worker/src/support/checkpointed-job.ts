/** A job of a few pages, for what is done to its checkpoints: each step writes some pages, so that each has an image of its own. */
import {
  type CheckpointManifest,
  type CheckpointSegment,
  encodePagesFrame,
  type Identity,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
} from '@godwit/protocol'
import { identityLike } from '@godwit/protocol/testing'
import { FRAME_VERSION } from '../checkpoint-file.ts'
import type { CheckpointFolder } from '../checkpoint-folder.ts'
import type { Expected } from '../checkpoint-reader.ts'

export const PAGES = 5
export const identity: Identity = identityLike({ program: 'few-pages', arenaBytes: PAGES * PAGE_BYTES })

export const expected: Expected = { workload: 'job', identity, pageCount: PAGES, steps: 1000 }

/** The page that step number `step` writes. */
function pageOf(step: number): number {
  return (step * 3) % PAGES
}

/** Numbers below a limit that follow from a seed (a linear congruential generator, Numerical Recipes' constants). */
export function drawsFrom(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

export function imageAt(step: number): Buffer {
  const image = Buffer.alloc(PAGES * PAGE_BYTES, 1)
  for (let taken = 0; taken < step; taken++)
    image.fill(taken + 2, pageOf(taken) * PAGE_BYTES, (pageOf(taken) + 1) * PAGE_BYTES)
  return image
}

export function manifestAt(
  step: number,
  segments: readonly CheckpointSegment[],
  epoch = 1,
): CheckpointManifest {
  const output = { step: step - 1, epoch, loss: -0, stepMs: 1 }
  return {
    workload: 'job',
    identity,
    step,
    epoch,
    smallState: new Uint8Array([step]),
    spool: step === 0 ? [] : [output],
    segments: [...segments],
  }
}

/** Writes the checkpoint of `step`; on top of `before`, which is of `from` steps, where there is one. */
export async function writeAt(
  folder: CheckpointFolder,
  step: number,
  before: { step: number; segments: readonly CheckpointSegment[] } = { step: 0, segments: [] },
  published: () => void = () => {},
  epoch = 1,
): Promise<readonly CheckpointSegment[]> {
  const image = imageAt(step)
  const dirtied =
    before.segments.length === 0
      ? Array.from({ length: PAGES }, (_, page) => page)
      : Array.from({ length: step - before.step }, (_, taken) => pageOf(before.step + taken))
  const segment = await folder.newSegment(epoch, before.segments)
  for (const [sequence, firstPage] of dirtied.entries()) {
    const header = { version: FRAME_VERSION, stream: 0, round: 0, sequence }
    const runs = [{ firstPage, pageCount: 1, encoding: 'raw' as const }]
    await segment.write(encodePagesFrame(Buffer.alloc(MAX_FRAME_BYTES), header, { runs, image }))
  }
  const segments = [...before.segments, await segment.finish()]
  const manifest = manifestAt(step, segments, epoch)
  await folder.publish(manifest)
  published()
  await folder.clean(manifest)
  return segments
}
