/**
 * What to do about a job that dirties memory faster than it can be sent: the person's choice, carried out in steps.
 *
 * Rounds that no longer shrink and leave more than the downtime limit allows would go on for ever. One can wait (the
 * job may calm down), allow more downtime, slow the job down until the link keeps up (QEMU's auto-converge), or stay.
 * Each step is given two rounds to show what it is worth before the next.
 */
import { LIMITS } from '@godwit/protocol'
import type { SourceRun } from './source-types.ts'

/** Stalled rounds from one answer to the next. */
const ROUNDS_BETWEEN_ANSWERS = 2
const RAISE_FACTOR = 1.5
/** QEMU's defaults of cpu-throttle-initial and cpu-throttle-increment; its maximum too. */
const FIRST_THROTTLE_PERCENT = 20
const MORE_THROTTLE_PERCENT = 10
const MOST_THROTTLE_PERCENT = 99
const ROUNDS_BEFORE_GIVING_UP = 10

export type StallAnswer =
  | { readonly type: 'wait' }
  | { readonly type: 'raiseLimit'; readonly limitMs: number }
  | { readonly type: 'throttle'; readonly percent: number }
  | { readonly type: 'giveUp'; readonly message: string }

const WAIT: StallAnswer = { type: 'wait' }

/** Asked after each stalled round. */
export function answerToStall(run: SourceRun): StallAnswer {
  const { onStall, maxDowntimeMs, downtimeLimitMs } = run.config.options
  const { stalledRounds, pendingPages } = run.forecast
  if (onStall === 'wait' || stalledRounds - run.stallsAnswered < ROUNDS_BETWEEN_ANSWERS) return WAIT
  switch (onStall) {
    case 'raiseLimit': {
      const most = maxDowntimeMs ?? downtimeLimitMs * LIMITS.maxRaisedLimitFactor
      const limitMs = Math.min(most, run.limitMs * RAISE_FACTOR)
      return limitMs > run.limitMs ? { type: 'raiseLimit', limitMs } : WAIT
    }
    case 'throttle': {
      const before = run.throttlePercent
      const percent = before === 0 ? FIRST_THROTTLE_PERCENT : before + MORE_THROTTLE_PERCENT
      if (before === MOST_THROTTLE_PERCENT) return WAIT
      return { type: 'throttle', percent: Math.min(MOST_THROTTLE_PERCENT, percent) }
    }
    case 'giveUp':
      if (stalledRounds < ROUNDS_BEFORE_GIVING_UP) return WAIT
      return {
        type: 'giveUp',
        message: `rounds no longer shrink: ${pendingPages} pages are left after each, more than the downtime limit of ${run.limitMs} ms allows`,
      }
  }
}
