/** What other rooms may use: the client of the coordinator's API, and what lets it in. The rest is a command, not a library. */
export { type AccessOptions, accessTo } from './access.ts'
export { CoordinatorClient } from './client.ts'
