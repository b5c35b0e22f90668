/** What else of an agent can be used without starting one: a simulation keeps what waits for coordinator and workers as it does. */
export { Backlog } from './backlog.ts'
export { RecentOrders } from './recent-orders.ts'
