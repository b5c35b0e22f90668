/** For demos that stand elsewhere, on hosts that are not processes of this machine. */
export { accessTo } from '../access.ts'
export { Interrupted, Terminal, untilInterrupted } from '../io.ts'
export { formatMs } from '../render/units.ts'
export { Narrator } from './narrator.ts'
export { defaultSteps, migrationSteps } from './plan.ts'
export { prove } from './proof.ts'
export { isContinuous } from './recording.ts'
