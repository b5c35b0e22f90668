/** For tests only: real workers under a scripted coordinator, a target written by hand, choices that can be made again. */
export { ScriptedTarget } from './scripted-target.ts'
export { type Seeded, seededSteps } from './seeded.ts'
export { type JobSpec, Ledger, lossBits, programFile, Rig, type RigPlace, RigWorker } from './worker-rig.ts'
