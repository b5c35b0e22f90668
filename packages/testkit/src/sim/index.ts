/** A simulator of whole clusters: the real decisions, on a simulated clock, network, disk and memory. For tests only. */
export { addCoverage, type Counts, type Coverage, CoverageOf } from './coverage.ts'
export { FAULT_KINDS, type Fault, type FaultKind, metBy, type Plan, type PlanFlags, planOf } from './plan.ts'
export { POINTS } from './points.ts'
export { type Result, runPlan, runSeed } from './run.ts'
export { sameInvariant, shrink } from './shrink.ts'
