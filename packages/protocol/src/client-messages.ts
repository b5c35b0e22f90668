/**
 * What a client (the command line, a test) may ask of the coordinator, and what it is answered with: over HTTP (api.ts), or over the WebSocket
 * of events (event-messages.ts) where it is about what comes over that.
 */
import { z } from 'zod'
import { bundleProgress, bundleRef } from './bundle.ts'
import { checkpointReport } from './checkpoint.ts'
import {
  count,
  digest,
  epoch,
  errorReport,
  label,
  name,
  output,
  parameters,
  path,
  protocolVersion,
  recordOf,
  step,
  trackerKind,
} from './common.ts'
import { estimateView } from './estimate.ts'
import { changeKind, cursor, happening, taskView } from './happenings.ts'
import { LIMITS } from './limits.ts'
import { maintenanceView } from './maintenance.ts'
import { migrationOptions, migrationProgress, migrationReport, migrationStatus } from './migration.ts'
import { faultDomain, labels, placementRules, utilisation, verdict } from './placement.ts'
import { preflightView } from './preflight.ts'
import { logLine } from './program-log.ts'
import { auditEntry, role, tokenKind, tokenView } from './security.ts'

export const hostView = z.strictObject({
  name: label,
  address: name,
  faultDomain,
  labels: labels.optional(),
  /** Of a host in maintenance whose agent is away: `disconnected`. */
  state: z.enum(['connected', 'maintenance', 'disconnected']),
  /** While it is in maintenance, or gets its jobs back after it. */
  maintenance: maintenanceView.omit({ jobs: true }).optional(),
  /** Paged memory for jobs; what those that are here, or on their way here, take of it. */
  memoryBytes: count,
  usedMemoryBytes: count,
  cores: count,
  maxJobs: count.optional(),
  /** While it is connected: the release of Godwit that its agent is, the version of the protocol that is spoken with it. */
  release: label.optional(),
  protocol: protocolVersion.optional(),
  /** It is of an earlier release than the coordinator, and should follow. */
  isBehind: z.literal(true).optional(),
  /** The agent's latest word. */
  utilisation: utilisation.optional(),
  /** Of all its jobs. */
  stepsPerSecond: z.number(),
  /** The first of them, by name. */
  workloads: z.array(label).max(LIMITS.maxListedJobs),
})
export type HostView = z.infer<typeof hostView>

/** Who owned which steps: epoch e owns from its `fromStep` up to the next range's. */
export const ownershipRange = z.strictObject({ epoch, host: label, fromStep: step })
export type OwnershipRange = z.infer<typeof ownershipRange>

/** What happens when a worker is lost. What a program did wrong itself would happen again, and is never restarted. */
export const restartPolicy = z.enum(['never', 'on-failure'])
export type RestartPolicy = z.infer<typeof restartPolicy>

/** The latest checkpoint of a workload, and where it is. */
export const checkpointView = checkpointReport.extend({ host: label })
export type CheckpointView = z.infer<typeof checkpointView>

export const divergence = z.strictObject({ step, acceptedLoss: z.number(), recomputedLoss: z.number() })
export type Divergence = z.infer<typeof divergence>

export const workloadView = z.strictObject({
  id: label,
  program: path,
  /** Left out where the program lies on each host. */
  bundle: bundleRef.optional(),
  /** While its host fetches the bundle, before it starts there. */
  fetching: bundleProgress.optional(),
  parameters,
  steps: count,
  /** `restarting`: its worker was lost, and another one is being started from the latest checkpoint. */
  status: z.enum(['starting', 'running', 'restarting', 'finished', 'stopped', 'failed']),
  host: label,
  epoch,
  ranges: z.array(ownershipRange),
  /** Steps accepted; the last accepted step is one less. */
  acceptedSteps: step,
  loss: z.number().optional(),
  metrics: recordOf(name, z.number(), LIMITS.maxMetrics).optional(),
  stepsPerSecond: z.number().optional(),
  tracker: trackerKind.optional(),
  trackerReason: z.string().optional(),
  migration: label.optional(),
  stateDigest: digest.optional(),
  rules: placementRules.optional(),
  /** Milliseconds since 1970, by the coordinator's clock. */
  startedAtMs: count.optional(),
  restartPolicy,
  /** How often its worker was lost and started again. */
  restarts: count,
  checkpoint: checkpointView.optional(),
  /** A step that was computed again after a restart gave other bits than the ones accepted before. */
  diverged: divergence.optional(),
  error: errorReport.optional(),
})
export type WorkloadView = z.infer<typeof workloadView>

/** What a step reported, without whose it was: `ranges` say that. */
export const curvePoint = output.omit({ epoch: true })

/** A job's history as it is drawn: of each stretch of steps the lowest and the highest of each line, the first step and the last. */
export const curveView = z.strictObject({
  /** Steps that are kept: this one and all up to before `nextStep`, from which one follows on. */
  firstStep: step,
  nextStep: step,
  /** Each kept step that was asked for is among the points. */
  isWhole: z.boolean(),
  /** By step. */
  points: z.array(curvePoint).max(LIMITS.maxCurvePoints),
  /** How fast steps were, over stretches of all that were asked for: points alone would say it of extremes. */
  speeds: z
    .array(z.strictObject({ fromStep: step, steps: count, stepsPerSecond: z.number() }))
    .max(LIMITS.maxCurvePoints),
  /** Who owned them. */
  ranges: z.array(ownershipRange),
})
export type CurveView = z.infer<typeof curveView>

export const migrationView = z.strictObject({
  id: label,
  workload: label,
  from: label,
  to: label,
  status: migrationStatus,
  options: migrationOptions,
  /** The maintenance that asked for it: of the host it leaves, or comes back to. */
  maintenance: label.optional(),
  /** Of one that is queued: 1 for the one that is next of all. */
  place: z.int().min(1).optional(),
  /** Milliseconds since 1970, by the coordinator's clock. */
  startedAtMs: count.optional(),
  /** While the target fetches the job's bundle. */
  fetching: bundleProgress.optional(),
  progress: migrationProgress.optional(),
  report: migrationReport.optional(),
  /** Before its switchover: it is kept from it until it is let go, as was asked with it or since. */
  isHeld: z.literal(true).optional(),
  /** Before its switchover: who has it send nothing until it is let go on; from its queue on, so before there is progress too. */
  pausedBy: name.optional(),
  /**
   * Of one that is queued, paused, ready to switch over and not let go, or being cancelled and could not be within `cancelWithinMs`: what has
   * to happen first.
   */
  waitingFor: z.string().max(LIMITS.maxErrorLength).optional(),
  error: errorReport.optional(),
})
export type MigrationView = z.infer<typeof migrationView>

/** A move as its job's history has it. */
export const moveEntry = migrationView
  .pick({ id: true, from: true, to: true, status: true, maintenance: true, startedAtMs: true, error: true })
  .extend(
    migrationReport
      .pick({ step: true, epoch: true, downtimeMs: true, totalMs: true, wireBytes: true })
      .partial().shape,
  )
export type MoveEntry = z.infer<typeof moveEntry>

/** A page of a list: those after the one that `next` of the page before names, no more than so many. */
const page = { after: label.optional(), limit: z.int().min(1).max(LIMITS.maxListed).optional() }

/** Events from `fromStep` on, or from now. */
const follow = z.strictObject({ op: z.literal('follow'), workload: label, fromStep: step.optional() })
/** Lines of its program from `fromLine` on, or the latest `tail`, or all that are kept; then whatever it prints. */
const followLogs = z.strictObject({
  op: z.literal('followLogs'),
  workload: label,
  fromLine: count.optional(),
  tail: count.optional(),
})
/** Ends both. */
const unfollow = z.strictObject({ op: z.literal('unfollow'), workload: label })
/** Pictures of the pages of its move, while one is under way, until `unwatchPages`. */
const watchPages = z.strictObject({ op: z.literal('watchPages'), workload: label })
const unwatchPages = z.strictObject({ op: z.literal('unwatchPages'), workload: label })
/**
 * What there is of these kinds (all unless said), and then whatever changes; with a cursor what has changed since. Replaces what was watched
 * before over the same connection.
 */
const watch = z.strictObject({
  op: z.literal('watch'),
  kinds: z.array(changeKind).min(1).max(changeKind.options.length).optional(),
  after: cursor.optional(),
})

/** Asked over the WebSocket of events. */
export const eventRequest = z.discriminatedUnion('op', [
  follow,
  followLogs,
  unfollow,
  watch,
  watchPages,
  unwatchPages,
])

export const clientRequest = z.discriminatedUnion('op', [
  ...eventRequest.options,
  /** By name. */
  z.strictObject({ op: z.literal('hosts'), ...page }),
  /** By id. Of an error the beginning of its sentence is said; all of it by `workload`. */
  z.strictObject({ op: z.literal('workloads'), ...page }),
  /** Who asks, by the token that is shown. */
  z.strictObject({ op: z.literal('session') }),
  /** What is under way, the oldest first. */
  z.strictObject({ op: z.literal('tasks') }),
  /** What has happened, the oldest first, as far as it is kept; without a cursor the latest. */
  z.strictObject({
    op: z.literal('events'),
    after: cursor.optional(),
    limit: z.int().min(1).max(LIMITS.maxListed).default(100),
  }),
  z.strictObject({ op: z.literal('workload'), workload: label }),
  /** What its program has printed, as far as it is kept: from `fromLine` on, or the latest `tail` lines. */
  z.strictObject({
    op: z.literal('logs'),
    workload: label,
    fromLine: count.optional(),
    tail: count.optional(),
    limit: z.int().min(1).max(LIMITS.maxListed).optional(),
  }),
  /** Without a host one is chosen. `explain`: the reply says why. Replied to when the workload trains or could not start. */
  z.strictObject({
    op: z.literal('run'),
    program: path,
    /** Uploaded before: the program and its data. */
    bundle: bundleRef.optional(),
    parameters,
    steps: z.int().min(1),
    host: label.optional(),
    id: label.optional(),
    tracker: z.union([trackerKind, z.literal('auto')]),
    restartPolicy: restartPolicy.default('on-failure'),
    rules: placementRules.optional(),
    explain: z.boolean().optional(),
    /** A checkpoint each so many milliseconds; left out, only those that are asked for. */
    checkpointEveryMs: z.number().min(LIMITS.minCheckpointEveryMs).max(LIMITS.maxMigrationMs).optional(),
  }),
  /** Without `to` a host is chosen. Replied to when the migration is written down; its progress comes as events. */
  z.strictObject({
    op: z.literal('migrate'),
    workload: label,
    to: label.optional(),
    options: migrationOptions,
    explain: z.boolean().optional(),
  }),
  /** What `migrate` would cost; nothing moves. Replied to within seconds, in which job and link are watched. */
  z.strictObject({ op: z.literal('estimate'), workload: label, to: label, options: migrationOptions }),
  /**
   * What `migrate` would meet, to the host that is named or would be chosen; nothing moves. Replied to within `preflightTimeoutMs`: a worker is
   * started at the target, takes the job's first steps there and is ended, then job and link are watched.
   */
  z.strictObject({
    op: z.literal('preflight'),
    workload: label,
    to: label.optional(),
    options: migrationOptions,
    explain: z.boolean().optional(),
  }),
  /** Steps `from` up to and including `to` as far as they are kept, all unless said, as so many points at most. */
  z.strictObject({
    op: z.literal('curve'),
    workload: label,
    from: step.optional(),
    to: step.optional(),
    points: z.int().min(LIMITS.minCurvePoints).max(LIMITS.maxCurvePoints).default(1000),
  }),
  z.strictObject({ op: z.literal('migration'), migration: label }),
  /** The moves of a job, oldest first. */
  z.strictObject({ op: z.literal('history'), workload: label, ...page }),
  /** Replied to when it is written down; what becomes of it is asked for by `maintenance`. Without `force` nothing is done while a job can go nowhere. */
  z.strictObject({ op: z.literal('enterMaintenance'), host: label, force: z.boolean().default(false) }),
  /** Moves that are under way go on to their end. `return`: those that left because of it come back. */
  z.strictObject({ op: z.literal('exitMaintenance'), host: label, return: z.boolean().default(false) }),
  z.strictObject({ op: z.literal('maintenance'), host: label }),
  /** Replied to when the checkpoint is written. */
  z.strictObject({ op: z.literal('checkpoint'), workload: label }),
  z.strictObject({ op: z.literal('cancel'), workload: label }),
  /** Its migration goes on and does not switch over; `switchover` lets it go. Both may be said twice. */
  z.strictObject({ op: z.literal('hold'), workload: label }),
  z.strictObject({ op: z.literal('switchover'), workload: label }),
  /** Its migration keeps what it has sent and sends nothing more, for `maxPausedMs` at most; `resume` lets it go on. Both may be said twice. */
  z.strictObject({ op: z.literal('pause'), workload: label }),
  z.strictObject({ op: z.literal('resume'), workload: label }),
  z.strictObject({ op: z.literal('rules'), workload: label }),
  /** From now on these, all of them. Nothing is moved by it; what its present host breaks is said. */
  z.strictObject({ op: z.literal('setRules'), workload: label, rules: placementRules }),
  z.strictObject({ op: z.literal('stop'), workload: label }),
  /** Of one that is over: nothing is left of it, its outputs and checkpoints included, and its name is free. */
  z.strictObject({ op: z.literal('forget'), workload: label }),
  /** Of a secured cluster, like all that follow. An API token has a role, a join token none. */
  z.strictObject({
    op: z.literal('createToken'),
    kind: tokenKind,
    role: role.optional(),
    name: label.optional(),
    expiresInMs: z.int().min(1000).max(LIMITS.maxTokenMs).optional(),
  }),
  /** By id. */
  z.strictObject({ op: z.literal('tokens'), ...page }),
  z.strictObject({ op: z.literal('revokeToken'), token: label }),
  /** The host is no member any more: its certificates are refused, and its connection is closed. It may join again. */
  z.strictObject({ op: z.literal('removeHost'), host: label }),
  /** The latest entries, oldest first. */
  z.strictObject({
    op: z.literal('audit'),
    workload: label.optional(),
    limit: z.int().min(1).max(LIMITS.maxAuditEntries).default(100),
  }),
])
export type ClientRequest = z.infer<typeof clientRequest>
/** As it is written by a client: what has a default may be left out. */
export type ClientRequestInput = z.input<typeof clientRequest>

/** There are further ones: `after` of the next page. */
const next = label.optional()
/** Each host, for the one that was asked to be explained: the best first. */
const placement = z.array(verdict).max(LIMITS.maxHosts).optional()

/** `broken`: what its present host breaks of them, in sentences. */
const rulesReply = z.strictObject({
  rules: placementRules,
  broken: z.array(z.string().max(LIMITS.maxErrorLength)).max(LIMITS.maxRules),
})

/** What each request is answered with. */
export const REPLIES = {
  hosts: z.strictObject({ hosts: z.array(hostView).max(LIMITS.maxListed), next }),
  workloads: z.strictObject({ workloads: z.array(workloadView).max(LIMITS.maxListed), next }),
  workload: z.strictObject({ workload: workloadView }),
  /** `firstLine`: those before are kept no more. `next`: there are further ones, `fromLine` of the next page. */
  logs: z.strictObject({
    lines: z.array(logLine).max(LIMITS.maxListed),
    firstLine: count,
    next: count.optional(),
  }),
  run: z.strictObject({ workload: workloadView, placement }),
  follow: z.strictObject({ workload: workloadView, migration: migrationView.optional() }),
  /** `fromLine`: the first that will be told. */
  followLogs: z.strictObject({ fromLine: count }),
  unfollow: z.strictObject({}),
  watchPages: z.strictObject({}),
  unwatchPages: z.strictObject({}),
  /** `isReset`: the cursor is too old, or another coordinator's. What is gone meanwhile is not told: forget all, all that there is comes anew. */
  watch: z.strictObject({ isReset: z.boolean() }),
  /** `who`: a token's id, or `local` where the cluster is not secured. */
  session: z.strictObject({ who: name, role }),
  tasks: z.strictObject({ tasks: z.array(taskView).max(LIMITS.maxListed) }),
  /** `isGap`: some after the cursor are kept no more. */
  events: z.strictObject({
    events: z.array(happening).max(LIMITS.maxListed),
    isGap: z.boolean(),
    next: cursor.optional(),
  }),
  migrate: z.strictObject({ migration: migrationView, placement }),
  estimate: z.strictObject({ estimate: estimateView }),
  preflight: z.strictObject({ preflight: preflightView, placement }),
  curve: z.strictObject({ curve: curveView }),
  migration: z.strictObject({ migration: migrationView }),
  history: z.strictObject({ moves: z.array(moveEntry).max(LIMITS.maxListed), next }),
  /** `already`: it was entered before, and nothing has changed. */
  enterMaintenance: z.strictObject({ maintenance: maintenanceView, already: z.boolean() }),
  exitMaintenance: z.strictObject({ maintenance: maintenanceView }),
  /** The latest one of the host. */
  maintenance: z.strictObject({ maintenance: maintenanceView.optional() }),
  checkpoint: z.strictObject({ checkpoint: checkpointView }),
  cancel: z.strictObject({ migration: migrationView }),
  hold: z.strictObject({ migration: migrationView }),
  switchover: z.strictObject({ migration: migrationView }),
  pause: z.strictObject({ migration: migrationView }),
  resume: z.strictObject({ migration: migrationView }),
  rules: rulesReply,
  setRules: rulesReply,
  stop: z.strictObject({ workload: workloadView }),
  forget: z.strictObject({}),
  /** The only time that its secret is seen. */
  createToken: z.strictObject({ token: z.string().max(LIMITS.maxTokenLength), view: tokenView }),
  tokens: z.strictObject({ tokens: z.array(tokenView).max(LIMITS.maxListed), next }),
  revokeToken: z.strictObject({ token: tokenView }),
  removeHost: z.strictObject({}),
  audit: z.strictObject({ entries: z.array(auditEntry).max(LIMITS.maxAuditEntries) }),
} as const
export type ClientOp = keyof typeof REPLIES
export type Reply<Op extends ClientOp> = z.infer<(typeof REPLIES)[Op]>
