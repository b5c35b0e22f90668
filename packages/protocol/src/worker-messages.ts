/**
 * Between an agent and one of its workers, over the worker's unix socket. The coordinator's part of them travels
 * through the agent unchanged: `ToWorker` and `FromWorker` are what coordinator and worker say to each other.
 */
import { z } from 'zod'
import { bundleRef } from './bundle.ts'
import { checkpointReport } from './checkpoint.ts'
import {
  count,
  digest,
  epoch,
  errorReport,
  label,
  milliseconds,
  name,
  output,
  parameters,
  path,
  port,
  secret,
  step,
  trackerKind,
} from './common.ts'
import { estimate, linkMeasure } from './estimate.ts'
import { identity } from './identity.ts'
import { LIMITS } from './limits.ts'
import { migrationOptions, migrationProgress, migrationReport, migrationStatus } from './migration.ts'
import { pagePicture } from './page-picture.ts'

/** How a worker is started: written to `launch.json` in its folder, read once. */
export const launch = z.strictObject({
  workerId: label,
  workloadId: label,
  /** A name that the agent resolves, or an absolute path; of a bundle what people call it. */
  program: path,
  /** Where the program and its data are: what of it the host lacks it fetches before the worker starts. */
  bundle: bundleRef.optional(),
  /** Nothing is fetched: where something of the bundle is missing the worker is not started. */
  computeOnly: z.boolean().optional(),
  parameters,
  /** The job ends when this many steps are applied. */
  steps: z.int().min(1),
  /**
   * `fresh` trains from `init`; `incoming` waits for a migration; `restored` loads the host's checkpoint of the workload, or
   * `init` where there is none that can be used, and waits for `resume`.
   */
  mode: z.enum(['fresh', 'incoming', 'restored']),
  /** The epoch that owns the workload: an incoming or restored worker steps only under a later one. */
  epoch,
  /** A checkpoint is due so long after the one before; left out, there are only those that are asked for. */
  checkpointEveryMs: z.number().min(LIMITS.minCheckpointEveryMs).max(LIMITS.maxMigrationMs).optional(),
  tracker: z.union([trackerKind, z.literal('auto')]),
})
export type Launch = z.infer<typeof launch>

/** What the agent adds when it writes `launch.json`. */
export const workerLaunch = launch.extend({
  programFile: path,
  /** Where the host keeps the workload's checkpoint; it outlives the worker. */
  checkpointFolder: path,
  /** The worker ends itself when no agent has been connected for so long. */
  orphanTimeoutMs: z.number().positive(),
  /** Where an outgoing migration listens. */
  listenHost: name,
  portRange: z.tuple([port, port]),
  /** In a secured cluster: where the host's certificate, its key and the authority's certificate are; read at each migration. */
  credentialsFolder: path.optional(),
  /** Most bytes of paged memory, shadow included, that the host gives. */
  memoryLimitBytes: count,
  /** Outputs within so many milliseconds of a batch wait for the next; 0 sends each at once, for who times them. */
  outputBatchMs: milliseconds.min(0),
})
export type WorkerLaunch = z.infer<typeof workerLaunch>

export const toWorker = z.discriminatedUnion('type', [
  /** To the source: listen for the target. Answered by `outgoingOpened` or `migrationEnded`. */
  z.strictObject({
    type: z.literal('openOutgoing'),
    migrationId: label,
    from: label,
    to: label,
    secret,
    options: migrationOptions,
    /** How long ago the migration was asked for. */
    elapsedMs: milliseconds,
    /** Before each park it says that it is ready (`preSwitchover`) and waits for `switchover`; left out, it parks when it likes. */
    asksForTurn: z.boolean().optional(),
  }),
  /** To a source that is ready: park now. Said again for as long as it says that it is ready. */
  z.strictObject({ type: z.literal('switchover'), migrationId: label }),
  /** To the source: send nothing more of this migration until told otherwise; training goes on. Said again until its progress says so. */
  z.strictObject({ type: z.literal('pauseMigration'), migrationId: label, isPaused: z.boolean() }),
  /** To a source: somebody looks, for the next `picturesMs`. Answered by `pages`, a few times a second while rounds are sent. */
  z.strictObject({ type: z.literal('showPages'), migrationId: label }),
  /** To the target: dial the source and receive. */
  z.strictObject({ type: z.literal('dial'), migrationId: label, from: label, host: name, port, secret }),
  /** To the source: give up and go on training; after `final` this asks the coordinator first. */
  z.strictObject({ type: z.literal('cancelMigration'), migrationId: label, error: errorReport }),
  /** To the target: `epoch` is what the claim made; refused ends the worker. */
  z.strictObject({ type: z.literal('claimResult'), migrationId: label, granted: z.boolean(), epoch }),
  /** To the source, frozen after `final`: step again under this epoch, or stay frozen until released. */
  z.strictObject({ type: z.literal('recoverResult'), migrationId: label, granted: z.boolean(), epoch }),
  /** To the frozen source: the target's first step was accepted, end. */
  z.strictObject({ type: z.literal('release'), migrationId: label }),
  /** To a worker that trains: watch the job for a moment and say what its move over this link would cost. */
  z.strictObject({
    type: z.literal('estimate'),
    probeId: label,
    to: label,
    options: migrationOptions,
    link: linkMeasure,
  }),
  /** To a source, from its own agent: this migration's share of what the host gives migrations; without it there is no limit. */
  z.strictObject({ type: z.literal('bandwidth'), bytesPerSecond: z.number().positive().optional() }),
  /** To a restored worker: train, under this epoch. */
  z.strictObject({ type: z.literal('resume'), epoch }),
  /** Write a checkpoint now. Answered by `checkpointed`. */
  z.strictObject({ type: z.literal('checkpoint'), checkpointId: label }),
  /** Every output up to this step is accepted: drop it from the spool. */
  z.strictObject({ type: z.literal('acknowledge'), step }),
  /** End training at the next step boundary and exit. */
  z.strictObject({ type: z.literal('stop') }),
])
export type ToWorker = z.infer<typeof toWorker>

export const fromWorker = z.discriminatedUnion('type', [
  /** Said first on each connection: what runs here, and which launch.json it was started with (SHA-256). For the agent alone. */
  z.strictObject({
    type: z.literal('hello'),
    workerId: label,
    workloadId: label,
    epoch,
    launchDigest: digest,
  }),
  /** Setup and rehearsal, or the first steps, are done. A fresh worker trains already. */
  z.strictObject({
    type: z.literal('prepared'),
    identity,
    trackerReason: z.string().max(LIMITS.maxErrorLength).optional(),
    /** What it takes of the host's paged memory: the arena, with shadow and staging. */
    memoryBytes: count.optional(),
    /** Of a restored worker: steps applied in what it loaded, 0 for `init`; the epoch that wrote it, or why that is no checkpoint. */
    restored: z.strictObject({ step, epoch: epoch.optional(), error: errorReport.optional() }).optional(),
  }),
  z.strictObject({ type: z.literal('outputs'), outputs: z.array(output).max(LIMITS.maxOutputsPerMessage) }),
  /** All steps applied. Sent again to each agent that connects; answered by `stop`. */
  z.strictObject({ type: z.literal('ended'), epoch, steps: step, stateDigest: digest }),
  /** The program or the worker can't go on. */
  z.strictObject({ type: z.literal('failed'), error: errorReport, step: step.optional() }),
  /** Answers `estimate`, with one of the two. */
  z.strictObject({
    type: z.literal('estimated'),
    probeId: label,
    estimate: estimate.optional(),
    error: errorReport.optional(),
  }),
  /** A checkpoint was written, or was not; with the id of whoever asked for it. */
  z.strictObject({
    type: z.literal('checkpointed'),
    checkpointId: label.optional(),
    report: checkpointReport.optional(),
    error: errorReport.optional(),
  }),
  z.strictObject({ type: z.literal('outgoingOpened'), migrationId: label, port }),
  z.strictObject({
    type: z.literal('migrationProgress'),
    migrationId: label,
    status: migrationStatus,
    progress: migrationProgress,
  }),
  /** What became of its pages. One that is lost is not missed: the next one is as whole. */
  z.strictObject({ type: z.literal('pages'), migrationId: label, picture: pagePicture }),
  /** From the target, holding everything: make it the owner from `fromStep` on. */
  z.strictObject({ type: z.literal('claim'), migrationId: label, fromStep: step }),
  /** From the source, frozen after `final` and without a target: may it go on? */
  z.strictObject({ type: z.literal('recover'), migrationId: label, error: errorReport }),
  /** From the source: over, one way or the other. A completed one carries its report, and is said again until `release`. */
  z.strictObject({
    type: z.literal('migrationEnded'),
    migrationId: label,
    status: z.enum(['completed', 'cancelled', 'failed']),
    report: migrationReport.optional(),
    error: errorReport.optional(),
  }),
])
export type FromWorker = z.infer<typeof fromWorker>
