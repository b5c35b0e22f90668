// The entry of the training thread. A worker thread doesn't inherit the loader for TypeScript on every supported
// Node, so it registers its own before it imports anything.
import { register } from 'tsx/esm/api'

register()
await import('./training-thread.ts')
