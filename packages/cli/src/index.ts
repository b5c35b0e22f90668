/** What other rooms may use: what lets a client in. The rest is a command, not a library. */

export { type AccessOptions, accessTo } from './access.ts'
