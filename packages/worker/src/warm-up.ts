/**
 * Runs what moves pages before there are pages to move.
 *
 * A job of some megabytes is sent in a few dozen frames: that is over before the code which plans, encodes, decodes and
 * installs them has been optimized, and the last of them are the downtime. (Measured: a frame takes two to three times as long
 * in a process that has never sent one.) So each worker does it all on a small arena of its own when a migration is near:
 * in a target before it says that it is prepared, in a source while its target is being prepared.
 */
import { copyBytes } from '@godwit/memory'
import {
  checkMessage,
  decodeFrame,
  decodeValue,
  encodeDeltaFrame,
  encodeRoundEnd,
  encodeValue,
  type FromSource,
  type FromTarget,
  fromSource,
  fromTarget,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
  PageSet,
} from '@godwit/protocol'
import { finalDigest } from './final-digest.ts'
import { FrameEncoder } from './frame-encoder.ts'
import { planFrames } from './frame-plan.ts'
import { installPages } from './install.ts'

const ARENA_PAGES = 256
/** From here on more of it changed nothing. */
const ROUNDS = 40
const VERSION = 1

/** Takes a tenth of a second, in turns of a few milliseconds: the pager has other things to do. Leaves nothing behind but optimized code. */
export async function warmUp(): Promise<void> {
  const image = Buffer.from(new SharedArrayBuffer(ARENA_PAGES * PAGE_BYTES))
  // Pages of numbers and of zeros, as they come.
  for (let page = 0; page < ARENA_PAGES; page++)
    image.fill(page % 8, page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
  const target = new Uint8Array(new SharedArrayBuffer(image.length))
  const into = Buffer.alloc(MAX_FRAME_BYTES)
  const encoder = new FrameEncoder(ARENA_PAGES, 'raw')
  for (let round = 0; round < ROUNDS; round++) {
    encoder.beginRound({ isParked: false })
    for (const runs of planFrames(dirtyIn(round), image, { stream: 0, streams: 1 })) {
      const frame = encoder.encode(into, { version: VERSION, stream: 0, round, sequence: 0 }, runs, image)
      installPages(decodeFrame(frame, ARENA_PAGES, VERSION), target)
    }
    const header = { version: VERSION, stream: 0, round, sequence: 0 }
    const delta = { byteOffset: 0, bytes: image.subarray(0, PAGE_BYTES), copy: copyBytes }
    decodeFrame(encodeRoundEnd(header), ARENA_PAGES, VERSION)
    decodeFrame(encodeDeltaFrame(into, header, delta), ARENA_PAGES, VERSION)
    switchOver()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The messages that pass while the job stands still. */
function switchOver(): void {
  const smallState = encodeValue({ step: 1, cursor: { epoch: 2, at: 3.5 }, seed: 7n })
  const output = { step: 1, epoch: 1, loss: 0.5, stepMs: 2, metrics: { accuracy: 0.25 } }
  const final: FromSource = {
    type: 'final',
    attempt: 1,
    step: 1,
    epoch: 1,
    smallState,
    delta: { arrays: [{ name: 'gradient', elements: 3 }], byteLength: 16, values: smallState, computeMs: 1 },
    spool: [output, output],
    lastSequences: [0],
    smallStateDigest: finalDigest(smallState, smallState),
  }
  checkMessage(fromSource, decodeValue(encodeValue(final)))
  const instants = { runningAtMs: 1, claimWaitMs: 0, claimRoundTripMs: 1 }
  const said: FromTarget[] = [
    { type: 'installed', stream: 0, bytes: 1 },
    { type: 'ready', attempt: 1, installedAtMs: 1 },
    { type: 'running', epoch: 1, ...instants },
  ]
  for (const message of said) checkMessage(fromTarget, decodeValue(encodeValue(message)))
}

/** Sometimes in one piece, sometimes scattered. */
function dirtyIn(round: number): PageSet {
  if (round % 2 === 0) return PageSet.full(ARENA_PAGES)
  const pages = new PageSet(ARENA_PAGES)
  for (let firstPage = 0; firstPage < ARENA_PAGES; firstPage += 3)
    pages.addRun({ firstPage, pageCount: 2 - (firstPage % 2) })
  return pages
}
