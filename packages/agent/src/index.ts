/** What else of an agent can be used without starting one: a simulation keeps what waits for the coordinator as it does. */
export { Backlog } from './backlog.ts'
