export { ClockEstimate } from './clock-offset.ts'
export {
  type CodecKnowledge,
  chooseCodec,
  codecOfRound,
  learnFromEncoding,
  learnFromRound,
  NOTHING_KNOWN,
} from './codec-choice.ts'
export { type Ending, Endings } from './endings.ts'
export { estimateMigration } from './estimate.ts'
export { atRate, letGo, type Pace, unpaced, waitMs } from './pace.ts'
export { percentDone, progressFactsOf, timeLeftMs } from './progress.ts'
export { beginSlowdown, measuredSlowdown, RecentSteps, type Slowdown, stepTaken } from './slowdown.ts'
export { expectedDowntimeOf, isPausing, startSource, stepSource } from './source.ts'
export { isDraining, isLatestRound, isPrecopying, statusOf } from './source-rules.ts'
export type { SourceConfig, SourceEffect, SourceEvent, SourceState } from './source-types.ts'
export type { TargetEffect, TargetEvent, TargetState } from './target.ts'
export { startTarget, stepTarget } from './target.ts'
