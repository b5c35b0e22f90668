/**
 * Rows of the source's table (source.ts) from its commit point on: `final` was sent, and whether the target goes on can't be known here.
 *
 * Invariants: nothing but the coordinator's word moves it, and no state before `handedOver` gives up the memory.
 */
import { type ErrorReport, LIMITS } from '@godwit/protocol'
import { completedReport } from './report.ts'
import {
  clockKnown,
  ENDED,
  type Event,
  inPhase,
  type Named,
  type Row,
  type SourceNext,
  stay,
  to,
  unasked,
} from './source-rules.ts'
import type { SourceState } from './source-types.ts'

function askRecover(
  state: Named<'frozen' | 'recovering'>,
  status: 'cancelled' | 'failed',
  { reason, nowMs }: { reason: ErrorReport; nowMs: number },
): SourceNext {
  const error = inPhase(state, reason)
  return to(
    { name: 'recovering', run: state.run, status, error, askedMs: nowMs },
    { type: 'askRecover', error },
  )
}

/** What every state after the commit point has in common: nothing but the coordinator's word moves it. */
const afterFinal = {
  hello: stay,
  streamsOpen: unasked,
  roundSent: unasked,
  roundStopped: stay,
  parked: unasked,
  finalRoundSent: unasked,
  memoryHashed: unasked,
  installed: stay,
  clock: stay,
  targetReady: stay,
  targetRunning: stay,
  lost: stay,
  trainingEnded: unasked,
  cancel: stay,
  noticed: stay,
  switchover: stay,
  pause: stay,
  release: (): SourceNext => to(ENDED, { type: 'exit' }),
  tick: stay,
}

function recovered(
  state: SourceState,
  { granted, epoch }: Event<'recoverResult'>,
  status: 'cancelled' | 'failed',
  error: ErrorReport,
): SourceNext {
  if (!granted) return stay(state)
  return to(ENDED, { type: 'resume', epoch }, { type: 'finish', status, error: inPhase(state, error) })
}

/** The coordinator may learn before the source that the target is gone, and give the job back unasked. */
const targetGone: ErrorReport = {
  kind: 'connection-lost',
  message: 'the target was lost before its first step was accepted',
}

const VERIFY_FACTOR = 4

export const frozen: Row<'frozen'> = {
  ...afterFinal,
  clock: clockKnown,
  targetReady: (state, { installedMs }) => stay({ ...state, installedMs }),
  targetRunning: (state, event, nowMs) => {
    const { installedMs } = state
    if (installedMs === undefined) {
      const reason: ErrorReport = { kind: 'out-of-order', message: 'the target runs and never was ready' }
      return askRecover(state, 'failed', { reason, nowMs })
    }
    const report = completedReport(state, { ...event, target: { ...event.target, installedMs } }, nowMs)
    return to(
      { name: 'handedOver', run: state.run, report, saidMs: nowMs },
      { type: 'finish', status: 'completed', report },
    )
  },
  lost: (state, { error }, nowMs) => askRecover(state, 'failed', { reason: error, nowMs }),
  cancel: (state, { error }, nowMs) => askRecover(state, 'cancelled', { reason: error, nowMs }),
  recoverResult: (state, event) => recovered(state, event, 'failed', targetGone),
  tick: (state, _event, nowMs) => {
    // It hashes as much memory, and may be so much slower.
    const allowedMs = LIMITS.handoverTimeoutMs + VERIFY_FACTOR * (state.verifyMs ?? 0)
    if (nowMs - state.instants.sentMs <= allowedMs) return stay(state)
    const message = `the target did not take over within ${Math.round(allowedMs)} ms`
    return askRecover(state, 'failed', { reason: { kind: 'peer-stalled', message }, nowMs })
  },
}

/** What is not answered may have been lost with a connection: it is said again until it is. */
export const handedOver: Row<'handedOver'> = {
  ...afterFinal,
  tick: (state, _event, nowMs) =>
    nowMs - state.saidMs < LIMITS.repeatMs
      ? stay(state)
      : to({ ...state, saidMs: nowMs }, { type: 'tellAgain', report: state.report }),
  recoverResult: (state, event) => recovered(state, event, 'failed', targetGone),
}

export const recovering: Row<'recovering'> = {
  ...afterFinal,
  cancel: (state, _event, nowMs) => askRecover(state, state.status, { reason: state.error, nowMs }),
  tick: (state, _event, nowMs) =>
    nowMs - state.askedMs < LIMITS.repeatMs
      ? stay(state)
      : askRecover(state, state.status, { reason: state.error, nowMs }),
  recoverResult: (state, event) => recovered(state, event, state.status, state.error),
}

/** Late events of connections that are being closed. */
export const ended: Row<'ended'> = {
  hello: stay,
  streamsOpen: stay,
  roundSent: stay,
  roundStopped: stay,
  parked: stay,
  finalRoundSent: stay,
  // Hashed while the migration ended.
  memoryHashed: stay,
  installed: stay,
  clock: stay,
  targetReady: stay,
  targetRunning: stay,
  lost: stay,
  trainingEnded: stay,
  cancel: stay,
  noticed: stay,
  switchover: stay,
  pause: stay,
  recoverResult: stay,
  release: stay,
  tick: stay,
}
