/**
 * Runs what moves a job before there is a job to move.
 *
 * A small job is sent in a few dozen frames: that is over before the code which plans, encodes, decodes and installs them has been
 * optimized, and what happens at the switchover happens once. So each worker moves a small arena of its own, to itself,
 * when a migration is near: a target before it says that it is prepared, a source before it is said where to dial. Not later: while pages
 * are sent it keeps them waiting (`mnist-mlp`: 28 ms of downtime with the source's beside its rounds, 10 before them).
 * (Single moves of a job that writes nothing: 8 to 10 ms of downtime without, 3 to 7 with.)
 */
import { HEADER_ROOM } from '@godwit/channel'
import { startSource, startTarget, stepSource, stepTarget } from '@godwit/engine'
import {
  checkMessage,
  decodeFrame,
  decodeValue,
  encodeValue,
  type FromSource,
  type FromTarget,
  fromSource,
  fromTarget,
  type Identity,
  migrationOptions,
  PAGE_BYTES,
  PageSet,
  type RoundReport,
} from '@godwit/protocol'
import { finalDigest } from './final-digest.ts'
import { FrameEncoder } from './frame-encoder.ts'
import { installPages } from './install.ts'
import { PageSender } from './page-sender.ts'

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
  const sender = senderTo(new Uint8Array(new SharedArrayBuffer(image.length)))
  const staged = new SharedArrayBuffer(PAGE_BYTES)
  const delta = { memory: staged, byteLength: PAGE_BYTES, stagedBytes: () => PAGE_BYTES }
  for (let round = 0; round < ROUNDS; round++) {
    await sender.sendRound(round, dirtyIn(round), { image, isParked: round % 2 === 1 })
    await sender.sendDelta(round, delta)
    switchOver()
    decide()
  }
}

/** A sender whose target is an arena in this process. */
function senderTo(arena: Uint8Array): PageSender {
  let installedBytes = 0
  const sender: PageSender = new PageSender(
    [
      {
        send: (piece, gone) => {
          const frame = piece.subarray(HEADER_ROOM)
          installPages(decodeFrame(frame, ARENA_PAGES, VERSION), arena)
          gone?.()
          installedBytes += frame.length
          queueMicrotask(() => sender.inFlight.installed(0, installedBytes))
        },
      },
    ],
    VERSION,
    { encoder: new FrameEncoder(ARENA_PAGES, 'raw', 0) },
  )
  return sender
}

/** Sometimes in one piece, sometimes scattered. */
function dirtyIn(round: number): PageSet {
  if (round % 2 === 0) return PageSet.full(ARENA_PAGES)
  const pages = new PageSet(ARENA_PAGES)
  for (let firstPage = 0; firstPage < ARENA_PAGES; firstPage += 3)
    pages.addRun({ firstPage, pageCount: 2 - (firstPage % 2) })
  return pages
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

const digest = '0'.repeat(64)
const identity: Identity = {
  program: 'none',
  programDigest: digest,
  parametersDigest: digest,
  layoutDigest: digest,
  dataDigests: {},
  mathDigests: {},
  rehearsalDigest: digest,
  arenaBytes: PAGE_BYTES,
  tracker: 'compare',
}
const round: RoundReport = {
  pages: 1,
  pageBytes: PAGE_BYTES,
  wireBytes: PAGE_BYTES,
  durationMs: 1,
  steps: 1,
  codec: 'raw',
}

/** Both ends' decisions of a whole migration; nobody carries them out. */
function decide(): void {
  const config = {
    migrationId: 'none',
    workload: 'none',
    from: 'a',
    to: 'b',
    tracker: identity.tracker,
    pageCount: 1,
    splits: true,
    identity,
    options: migrationOptions.parse({}),
    elapsedMs: 0,
  }
  const shape = { computeMs: 1, deltaBytes: 0 }
  const roundSent = { type: 'roundSent', round, pendingPages: 1, bytesPerMs: 1e5, shape } as const
  let source = startSource(config, 0)
  for (const event of [
    { type: 'hello', versions: { min: VERSION, max: VERSION }, identity, roundTripMs: 1 },
    { type: 'streamsOpen' },
    { type: 'clock', roundTripMs: 1, clock: { offsetMs: 0, errorMs: 1 } },
    { type: 'installed' },
    roundSent,
    roundSent,
    { type: 'tick', bytesInFlight: 1 },
    { type: 'parked', step: 1, parkedMs: 1, deltaBytes: 0 },
    { type: 'roundStopped', round },
    { type: 'finalRoundSent', round, scannedMs: 1, maxInFlightBytes: 0 },
    { type: 'targetReady', installedMs: 1 },
    { type: 'targetRunning', epoch: 1, claimRoundTripMs: 1, target: { runningMs: 1, claimWaitMs: 0 } },
  ] as const) {
    source = stepSource(source, event, 1).state
  }
  const header = { version: VERSION, stream: 0, round: 0 }
  const runs = [{ firstPage: 0, pageCount: 1, encoding: 'zero' }] as const
  let target = startTarget(1, 0)
  for (const event of [
    { type: 'welcome', streams: 1 },
    { type: 'frame', frame: { kind: 'pages', ...header, sequence: 0, runs, payload: new Uint8Array() } },
    { type: 'frame', frame: { kind: 'roundEnd', ...header, sequence: 1 } },
    { type: 'final', final: { attempt: 1, step: 1, lastSequences: [1], deltaBytes: 0 } },
    { type: 'claimResult', granted: true, epoch: 1 },
  ] as const) {
    target = stepTarget(target, event).state
  }
}
