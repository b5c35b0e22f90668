/**
 * Every limit of the project, in one place: what a peer may send, what a person may ask for, how long anybody
 * waits. Relations between them are asserted below, so that changing one can't quietly break another.
 *
 * Bytes are bytes, times are milliseconds.
 */
import { MAX_ERROR_LENGTH } from './errors.ts'
import { PAGE_BYTES } from './pages.ts'

const KiB = 1024
const MiB = 1024 * KiB
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export const LIMITS = {
  /** WebAssembly's 32-bit address space. */
  maxArenaBytes: 4096 * MiB,
  /** Pages copied into one bulk frame: 256 KiB, the size at which a WebSocket carried most bytes a second. */
  maxFramePages: 64,
  /** Runs in one frame: zero runs carry no payload, so a frame may hold more runs than pages of payload. */
  maxFrameRuns: 256,
  maxStreams: 16,
  /** Bytes in flight that the target has not installed yet, over all streams: before the link was measured, and at most. */
  windowBytes: 4 * MiB,
  maxWindowBytes: 64 * MiB,
  /** Bytes a second: a slower limit would not carry a heartbeat's worth of pages. */
  minBandwidth: 64 * KiB,
  /** What a paced sender may be ahead of its rate: timers are late by as much on a busy machine. */
  paceBurstMs: 8,
  /** Below so many bytes a second frames are cut smaller, at so many pages, so that they leave evenly. */
  slowBandwidth: 50_000_000,
  slowFramePages: 16,
  /**
   * What training may be slowed down by, as a share, and on how many cores: on two of them two pagers and a trainer take turns, so
   * that every pace slows steps, and a slower one only does so for longer.
   */
  defaultMaxSlowdown: 0.1,
  slowdownCores: 4,
  /** Arrays of a program's delta, and their bytes together: they are staged at both ends while a migration lasts. */
  maxDeltaArrays: 1024,
  /** Characters of all their names: they travel in `final`. */
  maxDeltaNamesLength: 24 * KiB,
  maxDeltaBytes: 1024 * MiB,

  maxControlMessageBytes: 1 * MiB,
  /** WebSocket fragments of one message (we send one), and reads from the socket in which it comes. */
  maxMessageFragments: 64,
  maxMessageChunks: 8192,
  /** Small state of a program, encoded, with its delta's values. It travels in `final`, inside the downtime. */
  maxSmallStateBytes: 512 * KiB,
  /** Arrays and maps inside each other in one message. */
  maxMessageDepth: 32,
  /** Arrays, maps and typed arrays in one message: each costs a hundred times the byte or two that announce it. */
  maxMessageContainers: 65_536,
  maxNameLength: 200,
  maxPathLength: 4096,
  maxErrorLength: MAX_ERROR_LENGTH,
  maxTensors: 4096,
  maxParameters: 200,
  maxMetrics: 16,
  maxMetricNameLength: 40,
  maxDataFiles: 1000,
  /** Of `Math`, by name. */
  maxMathFunctions: 100,
  /** Entries of a report's list of rounds; more rounds than that share entries. */
  maxRounds: 1000,
  maxOutputsPerMessage: 256,
  /** Outputs that follow a batch within so many milliseconds go together: a step of a millisecond would cost three processes a message each. */
  outputBatchMs: 20,
  /** Outputs a worker keeps while the coordinator has not acknowledged them; a full spool parks the thread. */
  maxSpooledOutputs: 512,
  /** Accepted steps whose losses the coordinator keeps for those who follow from an earlier step. */
  maxKeptSteps: 1_000_000,
  /** Outputs that an agent keeps for a coordinator that is away: full spools of some twenty workers, and less than a connection takes in one go. */
  maxKeptOutputs: 10_000,
  maxHosts: 1000,
  /** Of one host. */
  maxWorkers: 10_000,
  /** Workloads that are not over, and migrations that can be asked about. */
  maxWorkloads: 10_000,
  maxMigrations: 10_000,
  /** Ends of migrations that a worker remembers, for orders about them that are sent again: one of each kind is. */
  maxKeptEndings: 16,
  /**
   * How long, how many and with how many steps' losses workloads are kept that are over: whichever comes first, the one that has
   * been over for longest is forgotten, with its outputs and checkpoints. A step takes sixteen bytes of memory.
   */
  keepEndedMs: 7 * DAY_MS,
  maxEndedWorkloads: 1000,
  maxEndedSteps: 10_000_000,
  /** How long a host is remembered whose agent is away and on which no job is. */
  keepHostMs: 30 * DAY_MS,
  /** How often the queue of moves is looked at, besides whenever a move ends or a host comes or goes. */
  queueLookMs: 1_000,
  /** A move that has waited for so long counts as one of the next higher priority. */
  agedByMs: 5 * 60_000,
  /** Moves of one job that may fail meanwhile, each to another host; then it stays where it is. */
  maintenanceTries: 3,
  /** How often a maintenance that is under way is looked at, besides whenever a move ends. */
  maintenanceLookMs: 1_000,
  /** Labels of a host or that a job asks for; jobs that its rules name. */
  maxLabels: 50,
  maxRules: 20,
  /** Characters of why a host was taken or not. */
  maxReasonLength: 300,
  /** How often an agent says what its machine does. */
  utilisationEveryMs: 5_000,
  /** How often it is looked what can be forgotten. */
  forgetEveryMs: 60_000,

  /**
   * Of a bundle (bundle.ts): bytes of a chunk, of all files, and of its manifest; files, and characters of a path. A slow line carries a
   * chunk in the time that a request may take.
   */
  bundleChunkBytes: 256 * KiB,
  maxBundleBytes: 8 * 1024 * MiB,
  maxBundleManifestBytes: 4 * MiB,
  maxBundleFiles: 10_000,
  maxBundlePathLength: 1024,
  /** Of all bundles that the coordinator keeps, and of those that a host does, unless it is told otherwise. */
  defaultBundleSpaceBytes: 16 * 1024 * MiB,
  /** What no job needs stays at the coordinator for so long: the next run may need it, and so does an upload that was interrupted. */
  keepUnusedChunksMs: HOUR_MS,
  /** Chunks that are sent or fetched at once. */
  maxChunksAtOnce: 4,
  /** How often it is said at most how far a bundle is that is fetched. */
  fetchingEveryMs: 250,
  /** Bytes a second: by a bundle's size over this a host has longer to set a job up. */
  bundleBandwidth: 1 * MiB,

  heartbeatIntervalMs: 1_000,
  /** Silence on a connection that ends it. A paused or unplugged peer closes nothing: only silence tells. */
  heartbeatTimeoutMs: 8_000,
  connectTimeoutMs: 5_000,
  /** From the first byte of a dialling peer to a valid hello. */
  helloTimeoutMs: 5_000,
  /**
   * From an open port to the target's hello, and from that to its streams: over two hops and three handshakes, on a target whose cores are busy.
   * Training goes on meanwhile.
   */
  targetTimeoutMs: 15_000,
  /** From launch to a prepared incoming worker: module loading, data, init and rehearsal. */
  setupTimeoutMs: 120_000,
  /** Without an installed byte while bytes are in flight. */
  progressTimeoutMs: 10_000,
  /** From `final` to the target's word that everything is installed and claimed; then the source asks the coordinator. */
  handoverTimeoutMs: 15_000,
  /** What a link probe carries at most, and how long it does; with everything around it. */
  linkProbeBytes: 32 * MiB,
  linkProbeMs: 300,
  linkProbeTimeoutMs: 8_000,
  /** For how long a job is watched, and how long at most to see a few of its steps. */
  jobProbeMs: 1_000,
  jobProbeTimeoutMs: 12_000,
  /** A look at what a move would meet: for a host to say what it has, for a worker to be ready there, and for all of it. */
  hostCheckTimeoutMs: 2_000,
  rehearsalTimeoutMs: 25_000,
  preflightTimeoutMs: 60_000,
  /**
   * What a program prints: bytes a second, and so many at once; of a job's lines the latest so many characters are kept, each line counted with
   * `logLineCost` more.
   */
  maxPrintedBytesPerSecond: 64 * KiB,
  maxPrintedBurstBytes: 256 * KiB,
  maxLogLength: 512 * KiB,
  logLineCost: 64,
  maxLogLineLength: 4096,
  /** Characters of a part of them in the store. */
  logPartLength: 16 * KiB,
  /** Bytes of a worker's file that are passed on at once; how often an agent looks for more; the file is begun anew when it has so many. */
  maxLogChunkBytes: 64 * KiB,
  logEveryMs: 500,
  maxLogFileBytes: 4 * 1024 * KiB,
  /** Ends of logs that an agent keeps for a coordinator that is away. */
  maxKeptLogEnds: 32,
  /** A detached worker that no agent talks to ends itself. */
  orphanTimeoutMs: 60_000,
  /** Checkpoints more often than this would do nothing else. */
  minCheckpointEveryMs: 1_000,
  /** Rounds of a checkpoint end when so little is left to copy while the thread stands, when they no longer shrink, or after so many. */
  checkpointCopyBytes: 4 * MiB,
  maxCheckpointRounds: 8,
  /** A checkpoint is written anew once what it consists of has so many times the bytes of the arena, or so many files. */
  maxCheckpointGrowth: 2,
  maxCheckpointSegments: 64,
  /** Of the file that names them: identity, small state and spool, which are decoded like a message. */
  maxCheckpointManifestBytes: 1 * MiB,
  /** From asking for a checkpoint to its being written. */
  checkpointTimeoutMs: 120_000,
  /** Restarts of a job in a row without a newly accepted step; then it has failed. */
  maxRestarts: 5,
  /** Before the second restart in a row, doubled with each further one. */
  restartDelayMs: 1_000,
  maxRestartDelayMs: 60_000,
  /** For how long a restart is tried again because its host's disk is full. */
  maxDiskFullMs: HOUR_MS,
  /** What a cancel may take before it says what it waits for. */
  cancelWithinMs: 2_000,
  /** From a polite stop to SIGKILL. */
  stopGraceMs: 3_000,
  requestTimeoutMs: 30_000,
  /** An unanswered claim, recover or end of a migration is said again after this. */
  repeatMs: 2_000,
  /** A migration that has its turn to switch over, or waits for it, and says nothing for so long has lost it. */
  turnSilenceMs: 3_000,
  /** And one that was let go and does not park: what is left has become more than it may. */
  turnUnusedMs: 2_000,
  /**
   * For so long a switchover waits for moves that begin on its hosts and link, and one that would begin for switchovers; and one that has waited
   * for so long for its turn counts as one of the next higher priority.
   */
  turnPatienceMs: 10_000,
  /** For how long a program that is told of its move may delay the switchover, and never for more than half of what the migration has left. */
  maxNoticeMs: 10_000,
  /** A move that is held sends one round after the other for so long, and then one each so many milliseconds. */
  heldAwakeMs: 10_000,
  heldRoundMs: 1_000,
  /** A move that was paused for so long is cancelled: the target has memory for it all that while. */
  maxPausedMs: HOUR_MS,
  reconnectDelayMs: 200,
  maxReconnectDelayMs: 5_000,
  /** For how long a command that watches something tries to get back to a coordinator that is gone. */
  clientPatienceMs: 120_000,

  /** Of the picture of a move's pages: cells, how often it is sent, and for how long after somebody has asked for it. */
  maxPictureCells: 16_384,
  pictureEveryMs: 250,
  picturesMs: 3_000,
  /** How often pictures are asked for while somebody looks, and bytes of them that wait for one who reads slowly. */
  askPicturesEveryMs: 1_000,
  maxWaitingPictureBytes: 128 * KiB,
  /** Of a job's curve: points in an answer; with fewer of them not each metric would have its extremes. */
  minCurvePoints: 50,
  maxCurvePoints: 4000,

  /** In one page of a list: entries, and their bytes; of an entry the characters of its error, and the jobs of a host. */
  maxListed: 500,
  maxListedBytes: 512 * KiB,
  maxListedErrorLength: 200,
  maxListedJobs: 500,

  maxTokenLength: 200,
  /** A certificate, or a request for one, as PEM. */
  maxPemLength: 8 * KiB,
  maxTokens: 10_000,
  /** Hosts that have joined, connected or not. */
  maxMembers: 1000,
  defaultJoinTokenMs: HOUR_MS,
  defaultApiTokenMs: 90 * DAY_MS,
  maxTokenMs: 10 * 365 * DAY_MS,
  authorityMs: 10 * 365 * DAY_MS,
  /** Of a host's certificate and the coordinator's; it is renewed once less than a third of it is left. */
  certificateMs: 90 * DAY_MS,
  /** By so much the clocks of a cluster may differ: a certificate counts as issued so long ago. */
  clockSkewMs: 5 * 60_000,
  /** How often the coordinator looks whether its own certificate is due for renewal. */
  certificateCheckMs: HOUR_MS,
  /** Between two renewals over one connection: each of them is a signature and a write. */
  minRenewalMs: 60_000,
  /** Entries of the audit log in one answer. */
  maxAuditEntries: 1000,
  /** Bytes at the end of the audit log in which they are looked for. */
  maxAuditReadBytes: 8 * MiB,
  /** Entries a second of what anybody may cause: refusals, registrations. */
  maxNotedPerSecond: 10,
  /** Bytes a day of lines about strangers in the audit log. */
  maxStrangersLogBytesPerDay: 16 * MiB,
  /** Connections to the coordinator at once, and those of one address that have not shown who they are. */
  maxConnections: 4096,
  maxStrangers: 64,
  /** Of the strangers on `/join`, which are as many in all, those of one address. */
  maxJoinersPerAddress: 8,
  /** From a connection's first byte to its upgrade. */
  handshakeTimeoutMs: 5_000,
  /** Bytes of a request's head. */
  maxHeaderBytes: 8 * KiB,
  /** Messages a second over one connection, and so many at once: more are not read until their time has come. */
  maxMessagesPerSecond: 20_000,
  maxRequestsPerSecond: 500,
  /** Requests of one client that are being answered. */
  maxPendingRequests: 256,
  /** Workloads that one client follows. */
  maxFollowed: 256,
  /** Bytes of a request's body. */
  maxApiBodyBytes: 256 * KiB,
  /** Characters of an answer. */
  maxAnswerLength: 8 * MiB,
  /** Of one address that shows no token: health, the description of the API, refusals. */
  maxStrangersRequestsPerSecond: 50,
  /** Those whose requests are counted, unless they all ask at once. */
  maxQuotas: 10_000,
  /** For how long, how many and with how many bytes of answers requests with an `Idempotency-Key` are remembered. */
  keepIdempotencyMs: DAY_MS,
  maxIdempotencyKeys: 10_000,
  maxIdempotencyBytes: 16 * MiB,
  /** What happened, and what is gone: those who come back after more of it are told so. */
  maxHappenings: 10_000,
  /** Changes in one message, how often they are told, and how many bytes of them wait for one who reads slowly. */
  maxChangesPerMessage: 100,
  changesEveryMs: 200,
  maxWaitingChangeBytes: 256 * KiB,

  /** What a migration is given when nobody says otherwise. */
  defaultDowntimeLimitMs: 300,
  /** `maxDowntimeMs` is this times the limit unless it is given. */
  maxDowntimeFactor: 2,
  /** Stalled rounds may raise the limit to so many times what was asked for, unless `maxDowntimeMs` says. */
  maxRaisedLimitFactor: 10,
  maxMigrationMs: 24 * 3_600_000,
  defaultMigrationTimeoutMs: 600_000,
  /** First steps of a job that the target repeats before it may take it over. */
  rehearsalSteps: 3,
  /** Further steps that it takes to be warm, at most. */
  warmUpSteps: 30,
  warmUpMs: 600,
} as const

/** Bytes of one frame's payload at most. */
export const MAX_FRAME_PAYLOAD_BYTES = LIMITS.maxFramePages * PAGE_BYTES

function relation(holds: boolean, what: string): void {
  if (!holds) throw new Error(`limits contradict each other: ${what}`)
}

relation(LIMITS.windowBytes >= 4 * MAX_FRAME_PAYLOAD_BYTES, 'the window holds at least four frames')
/** An output, encoded, at most: its numbers and field names, and metrics of a name and a double each. */
const maxOutputBytes = 80 + LIMITS.maxMetrics * (LIMITS.maxMetricNameLength + 11)
relation(
  LIMITS.maxSmallStateBytes + LIMITS.maxSpooledOutputs * maxOutputBytes + 64 * KiB <=
    LIMITS.maxControlMessageBytes,
  'a small state and a full spool fit into one message',
)
relation(
  LIMITS.maxCheckpointManifestBytes <= LIMITS.maxControlMessageBytes,
  'a manifest that was written can be decoded',
)
/** Of a job: parameters of three bytes a character, and as much again for everything else. */
const maxListedEntryBytes = 2 * LIMITS.maxParameters * 3 * 2 * LIMITS.maxNameLength
relation(
  Math.max(LIMITS.maxListedBytes, maxListedEntryBytes) + 64 * KiB <= LIMITS.maxControlMessageBytes,
  'a full page of a list fits into a message, and so does one entry, however long',
)
relation(
  LIMITS.maxHosts * (LIMITS.maxReasonLength * 2 + LIMITS.maxNameLength + 64) <= LIMITS.maxControlMessageBytes,
  'why each host was taken or not fits into a message',
)
relation(
  2 * LIMITS.maxLogChunkBytes <= Math.min(LIMITS.maxLogFileBytes, LIMITS.maxControlMessageBytes),
  'what is passed on of a log fits into a message, and is less than its file holds',
)
relation(
  (LIMITS.maxPrintedBytesPerSecond * LIMITS.orphanTimeoutMs) / 1000 <= LIMITS.maxLogFileBytes,
  'what a worker prints while its agent is away is all there when the next one comes',
)
relation(LIMITS.bundleChunkBytes <= LIMITS.maxApiBodyBytes, 'a chunk is no longer than a request may be')
relation(
  (LIMITS.bundleChunkBytes * 1000) / LIMITS.minBandwidth <= LIMITS.handshakeTimeoutMs,
  'the slowest line carries a chunk in the time that a request may take',
)
relation(
  67 * (LIMITS.maxBundleBytes / LIMITS.bundleChunkBytes) <= LIMITS.maxBundleManifestBytes,
  'a manifest names the chunks of the largest bundle, and has room for its files',
)
relation(LIMITS.maxBundleBytes <= LIMITS.defaultBundleSpaceBytes, 'the largest bundle can be kept')
relation(
  LIMITS.picturesMs >= 2 * LIMITS.askPicturesEveryMs,
  'pictures go on although one word that somebody looks is late',
)
relation(
  LIMITS.minCurvePoints >= 2 * (LIMITS.maxMetrics + 2) + 2,
  'the fewest points hold two ends, and two extremes of loss, step time and each metric',
)
relation(
  LIMITS.maxCurvePoints * (200 + LIMITS.maxMetrics * (LIMITS.maxMetricNameLength + 30)) <=
    LIMITS.maxAnswerLength,
  'the most points fit into an answer, as text',
)
relation(LIMITS.slowFramePages <= LIMITS.maxFramePages, 'a small frame is no larger than a frame')
relation(
  (2 * 1000 * MAX_FRAME_PAYLOAD_BYTES) / LIMITS.minBandwidth < LIMITS.progressTimeoutMs,
  'at the slowest rate a frame arrives well before its target is suspected',
)
relation(
  2 * LIMITS.linkProbeTimeoutMs + LIMITS.jobProbeTimeoutMs < LIMITS.requestTimeoutMs,
  'an estimate is answered before whoever asked has given up',
)
relation(
  LIMITS.hostCheckTimeoutMs +
    LIMITS.rehearsalTimeoutMs +
    2 * LIMITS.linkProbeTimeoutMs +
    LIMITS.jobProbeTimeoutMs <
    LIMITS.preflightTimeoutMs,
  'a look at what a move would meet is answered before whoever asked has given up',
)
relation(
  LIMITS.turnSilenceMs > LIMITS.repeatMs,
  'a source that is told a second time has not lost its turn by then',
)
relation(LIMITS.maxOutputsPerMessage <= LIMITS.maxSpooledOutputs, 'a batch of outputs fits into a message')
relation(LIMITS.heartbeatTimeoutMs >= 4 * LIMITS.heartbeatIntervalMs, 'a few lost heartbeats are no silence')
relation(
  LIMITS.progressTimeoutMs > LIMITS.heartbeatTimeoutMs,
  'a dead peer is noticed before a stuck one is suspected',
)
relation(
  LIMITS.maxEndedSteps >= LIMITS.maxKeptSteps,
  'the longest of workloads can be looked at when it is over',
)
relation(LIMITS.maxFrameRuns >= LIMITS.maxFramePages, 'every page of a full frame may be a run of its own')

/** What a host is given to set a job up: longer where its bundle may have to be brought over a slow line first. */
export function setupMs(bundle: { readonly bytes: number } | undefined): number {
  return LIMITS.setupTimeoutMs + bringMs(bundle)
}

/** Of it, what a bundle may take to be brought. */
export function bringMs(bundle: { readonly bytes: number } | undefined): number {
  return Math.ceil(((bundle?.bytes ?? 0) * 1000) / LIMITS.bundleBandwidth)
}
