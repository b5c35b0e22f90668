/** The report of a completed migration, from what the source saw and what the target said. */
import type { MigrationReport } from '@godwit/protocol'
import { downtimeParts, type TargetInstants, totalDowntimeMs } from './downtime.ts'
import type { SourceState } from './source-types.ts'

/** `lostTimeMs` is null: only the coordinator sees the steps after. */
export function completedReport(
  state: Extract<SourceState, { name: 'frozen' }>,
  running: {
    epoch: number
    claimRoundTripMs: number
    target: TargetInstants
    verifyMs?: number | undefined
  },
  nowMs: number,
): MigrationReport {
  const { run, instants, step } = state
  const { config, rounds } = run
  const downtime = downtimeParts(instants, running.target, run.clock?.offsetMs ?? 0)
  return {
    id: config.migrationId,
    workload: config.workload,
    from: config.from,
    to: config.to,
    status: 'completed',
    parkPoint: run.parkPoint,
    step,
    epoch: running.epoch,
    tracker: config.tracker,
    codec: rounds.some(({ codec }) => codec === 'xor') ? 'xor' : 'raw',
    streams: run.streams,
    rounds: [...rounds],
    pageBytes: rounds.reduce((bytes, round) => bytes + round.pageBytes, 0),
    wireBytes: rounds.reduce((bytes, round) => bytes + round.wireBytes, 0),
    deltaBytes: state.deltaBytes,
    maxInFlightBytes: state.maxInFlightBytes,
    ...(state.stepSlowdown !== undefined && { stepSlowdown: state.stepSlowdown }),
    setupMs: (run.activeMs ?? nowMs) - run.startedMs,
    totalMs: nowMs - run.startedMs,
    downtimeMs: totalDowntimeMs(downtime),
    downtime,
    downtimeStartMs: instants.parkedMs - run.startedMs,
    clockErrorMs: run.clock?.errorMs ?? 0,
    clockOffsetMs: run.clock?.offsetMs ?? 0,
    predicted: run.predicted,
    ...(config.estimated && { estimated: config.estimated }),
    parkReason: run.parkReason,
    parks: run.parks,
    claimRoundTripMs: running.claimRoundTripMs,
    ...(state.verifyMs !== undefined && { verifyMs: state.verifyMs + (running.verifyMs ?? 0) }),
    lostTimeMs: null,
  }
}
