/** Between an agent and the coordinator: the agent dials and holds one connection. */
import { z } from 'zod'
import { bundleProgress, bundleRef } from './bundle.ts'
import { count, errorReport, label, name, pem, port, protocolVersion, secret } from './common.ts'
import { linkMeasure } from './estimate.ts'
import { LIMITS } from './limits.ts'
import { faultDomain, labels, utilisation } from './placement.ts'
import { hostCheck } from './preflight.ts'
import { logBytes, logPlace } from './program-log.ts'
import { fromWorker, launch, toWorker } from './worker-messages.ts'

export const fromAgent = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('register'),
    versions: z.strictObject({ min: z.int(), max: z.int() }),
    name: label,
    /** Where other hosts reach this host's workers. */
    address: name,
    faultDomain,
    labels: labels.optional(),
    memoryBytes: count,
    cores: count,
    /** Jobs that it takes at most; no limit unless given. */
    maxJobs: z.int().min(1).optional(),
    /** Workers that are running here. */
    workers: z.array(label).max(LIMITS.maxWorkers),
    /** Workloads of which it keeps checkpoints. */
    checkpoints: z.array(label).max(LIMITS.maxWorkers),
  }),
  z.strictObject({ type: z.literal('fromWorker'), workerId: label, message: fromWorker }),
  /** Answers `openProbe`: where it listens, or why it does not. */
  z.strictObject({
    type: z.literal('probeOpened'),
    probeId: label,
    port: port.optional(),
    error: errorReport.optional(),
  }),
  /** Answers `dialProbe`, with one of the two. */
  z.strictObject({
    type: z.literal('linkProbed'),
    probeId: label,
    link: linkMeasure.optional(),
    error: errorReport.optional(),
  }),
  /** Answers `checkHost`. */
  z.strictObject({ type: z.literal('hostChecked'), probeId: label, host: hostCheck }),
  /** Which release of Godwit it is: once registered, where version 2 is spoken. */
  z.strictObject({ type: z.literal('about'), release: label }),
  /** How far the bundle is that this worker waits for: a few times a second while it is fetched, where version 2 is spoken. */
  z.strictObject({ type: z.literal('fetching'), workerId: label, progress: bundleProgress }),
  /** What the machine does: once registered, and every few seconds. */
  z.strictObject({ type: z.literal('utilisation'), utilisation }),
  /** In a secured cluster: the host's certificate is about to expire. Answered by `certificate`. */
  z.strictObject({ type: z.literal('renewCertificate'), certificateRequest: pem }),
  /** What a worker's program has printed, from this place on. Said again until `logKept` answers; with `isLast` the worker has ended, and it is said once. */
  z.strictObject({
    type: z.literal('log'),
    workerId: label,
    workloadId: label,
    place: logPlace,
    bytes: logBytes,
    isLast: z.boolean(),
  }),
  /** The worker could not be started, or its process has ended. Said once. */
  z.strictObject({ type: z.literal('workerExited'), workerId: label, error: errorReport.optional() }),
])
export type FromAgent = z.infer<typeof fromAgent>

export const toAgent = z.discriminatedUnion('type', [
  /** A host belongs to one cluster for as long as it has workers: an agent ends rather than serve another. */
  z.strictObject({
    type: z.literal('registered'),
    clusterId: label,
    /** The one that is spoken; 1 unless it is said. */
    version: protocolVersion.optional(),
  }),
  z.strictObject({ type: z.literal('refused'), error: errorReport }),
  z.strictObject({ type: z.literal('launch'), launch }),
  z.strictObject({ type: z.literal('toWorker'), workerId: label, message: toWorker }),
  /** Listen for one probe of the link from this host, and send it frames of this version, or of 1. */
  z.strictObject({
    type: z.literal('openProbe'),
    probeId: label,
    to: label,
    secret,
    version: protocolVersion.optional(),
  }),
  /** Dial it from the host that a workload would move to, and measure. */
  z.strictObject({
    type: z.literal('dialProbe'),
    probeId: label,
    from: label,
    host: name,
    port,
    secret,
    version: protocolVersion.optional(),
  }),
  /** Say what this host has for a job: for a look at what a move would meet. */
  z.strictObject({ type: z.literal('checkHost'), probeId: label, bundle: bundleRef.optional() }),
  z.strictObject({ type: z.literal('certificate'), certificate: pem }),
  /** Of what the worker's program printed all before this place is kept. */
  z.strictObject({ type: z.literal('logKept'), workerId: label, place: logPlace }),
  /** The workload is over, or has a newer checkpoint elsewhere: delete the one that is here. */
  z.strictObject({ type: z.literal('deleteCheckpoint'), workloadId: label }),
  /** SIGKILL: for a worker whose work is over or that must not go on. */
  z.strictObject({ type: z.literal('kill'), workerId: label }),
])
export type ToAgent = z.infer<typeof toAgent>
