/** What other rooms may use: the client of the coordinator's API. The rest is a command, not a library. */
export { CoordinatorClient } from './client.ts'
