/** A run and a report as they might be, for tests of what is made of them. */
import type { MigrationReport } from '@godwit/protocol'
import type { RunLine } from './figures.ts'

export function reportLike(changes: Partial<MigrationReport>): MigrationReport {
  return {
    id: 'm1',
    workload: 'job',
    from: 'a',
    to: 'b',
    status: 'completed',
    parkPoint: 'preApply',
    step: 100,
    epoch: 2,
    tracker: 'userfaultfd',
    codec: 'raw',
    streams: 1,
    rounds: [],
    pageBytes: 4096,
    wireBytes: 5000,
    deltaBytes: 64,
    maxInFlightBytes: 4096,
    setupMs: 1,
    totalMs: 100,
    downtimeMs: 10,
    downtime: { parkMs: 1, finalScanMs: 2, finalSendMs: 3, installMs: 4, claimMs: 0, resumeMs: 0.5 },
    clockErrorMs: 0.1,
    clockOffsetMs: 0,
    predicted: { downtimeMs: 9, totalMs: 90 },
    parkReason: 'converged',
    parks: 1,
    claimRoundTripMs: 1,
    lostTimeMs: null,
    ...changes,
  }
}

export function runLike(changes: Partial<RunLine>): RunLine {
  return {
    kind: 'run',
    secured: false,
    cpuMs: 800,
    case: 'sparse',
    link: 'loopback',
    method: 'precopy',
    run: 1,
    downtimeLimitMs: 50,
    downtimeMs: 10,
    observedGapMs: 11,
    gapStepsBefore: 0,
    switchoverGapMs: 11,
    agrees: true,
    stepMs: 10,
    firstStepsMs: [10, 10, 10, 10, 10, 10, 10, 10, 10, 10],
    rawTcpBytesPerSecond: 2e9,
    throughputBytesPerSecond: 1e9,
    floorMs: 5,
    ratioToFloor: 2,
    stepSlowdown: 1.1,
    report: reportLike({}),
    ...changes,
  }
}
