/** A run as it might be, for tests of what is made of it. */
import { reportLike } from '@godwit/protocol/testing'
import type { RunLine } from './figures.ts'

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
    report: reportLike(),
    ...changes,
  }
}
