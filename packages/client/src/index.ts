/** The coordinator's API as typed calls and events: what the command line is built on, and other programs may be. */
export { type LocalBundle, readBundle, uploadBundle } from './bundles.ts'
export {
  type ChangeListener,
  type ClientAccess,
  CoordinatorClient,
  type EventListener,
  lost,
} from './client.ts'
export { type ChangesHandler, watchChanges } from './following.ts'
export { throughLosses, type Watching } from './lasting.ts'
export { allHosts, allMoves, allTokens, allWorkloads } from './lists.ts'
