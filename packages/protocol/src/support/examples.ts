/**
 * What the rooms tell each other as it might be, for their tests: each is whole by its schema, and a test changes what it is about. A job
 * that is called `job`, and its move `m1` from `a` to `b`.
 */
import type { CheckpointView, HostView, MigrationView, WorkloadView } from '../client-messages.ts'
import type { Identity } from '../identity.ts'
import { type MigrationReport, migrationOptions } from '../migration.ts'

const DIGEST = 'a'.repeat(64)

/** Both ends of a move say the same. */
export function identityLike(changes: Partial<Identity> = {}): Identity {
  return {
    program: 'mlp',
    programDigest: DIGEST,
    parametersDigest: DIGEST,
    layoutDigest: DIGEST,
    dataDigests: {},
    mathDigests: {},
    rehearsalDigest: DIGEST,
    arenaBytes: 4096,
    tracker: 'compare',
    ...changes,
  }
}

export function hostLike(changes: Partial<HostView> = {}): HostView {
  return {
    name: 'a',
    address: '10.0.0.1',
    faultDomain: 'east/rack-1',
    state: 'connected',
    memoryBytes: 2 ** 30,
    usedMemoryBytes: 0,
    cores: 2,
    stepsPerSecond: 0,
    workloads: [],
    ...changes,
  }
}

export function workloadLike(changes: Partial<WorkloadView> = {}): WorkloadView {
  return {
    id: 'job',
    program: 'mnist-mlp',
    parameters: {},
    steps: 10,
    status: 'running',
    host: 'a',
    epoch: 1,
    ranges: [{ epoch: 1, host: 'a', fromStep: 0 }],
    acceptedSteps: 0,
    restartPolicy: 'never',
    restarts: 0,
    ...changes,
  }
}

export function checkpointLike(changes: Partial<CheckpointView> = {}): CheckpointView {
  return {
    host: 'a',
    step: 512,
    rounds: 3,
    incremental: true,
    pages: 100,
    writtenBytes: 409_600,
    fileBytes: 10 * 2 ** 20,
    stallMs: 4.2,
    totalMs: 45,
    ...changes,
  }
}

export function migrationLike(changes: Partial<MigrationView> = {}): MigrationView {
  return {
    id: 'm1',
    workload: 'job',
    from: 'a',
    to: 'b',
    status: 'setup',
    options: migrationOptions.parse({ downtimeLimitMs: 300, timeoutMs: 1000 }),
    ...changes,
  }
}

/** Of a move that completed: what was sent adds up over its rounds, and the downtime over its parts. */
export function reportLike(changes: Partial<MigrationReport> = {}): MigrationReport {
  return {
    id: 'm1',
    workload: 'job',
    from: 'a',
    to: 'b',
    status: 'completed',
    parkPoint: 'boundary',
    step: 512,
    epoch: 2,
    tracker: 'userfaultfd',
    codec: 'raw',
    streams: 1,
    rounds: [
      {
        pages: 2560,
        pageBytes: 2560 * 4096,
        wireBytes: 10_500_000,
        durationMs: 41.25,
        steps: 5,
        codec: 'raw',
      },
      { pages: 100, pageBytes: 409_600, wireBytes: 410_000, durationMs: 1.5, steps: 0, codec: 'raw' },
    ],
    pageBytes: 2660 * 4096,
    wireBytes: 10_910_000,
    deltaBytes: 0,
    maxInFlightBytes: 4_200_000,
    setupMs: 900,
    totalMs: 1234,
    downtimeMs: 12.3,
    downtime: { parkMs: 0.2, finalScanMs: 0.1, finalSendMs: 4, installMs: 7, claimMs: 0, resumeMs: 1 },
    clockErrorMs: 0.05,
    clockOffsetMs: 0,
    predicted: { downtimeMs: 15, totalMs: 1500 },
    parkReason: 'the forecast is within the limit',
    parks: 1,
    claimRoundTripMs: 0.8,
    lostTimeMs: 20,
    ...changes,
  }
}
