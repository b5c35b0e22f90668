// The entry of the training thread. A program is TypeScript, as may be what this stands beside, and a worker thread doesn't inherit a
// loader on every supported Node, so it registers its own before it imports anything: for modules, and for a program in a folder whose
// package.json doesn't say that its files are modules.
import { register as registerCommonJs } from 'tsx/cjs/api'
import { register } from 'tsx/esm/api'

registerCommonJs()
register()
await import('./training-thread.ts')
