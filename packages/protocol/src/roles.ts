/** Who may do what: roles of API tokens. */
import type { ClientOp } from './client-messages.ts'

/** Each may do all that those before it may. */
export const ROLES = ['viewer', 'operator', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** The least role for each request. */
export const ROLE_NEEDED: { readonly [Op in ClientOp]: Role } = {
  hosts: 'viewer',
  workloads: 'viewer',
  workload: 'viewer',
  follow: 'viewer',
  followLogs: 'viewer',
  unfollow: 'viewer',
  watch: 'viewer',
  watchPages: 'viewer',
  unwatchPages: 'viewer',
  session: 'viewer',
  tasks: 'viewer',
  events: 'viewer',
  migration: 'viewer',
  history: 'viewer',
  logs: 'viewer',
  rules: 'viewer',
  curve: 'viewer',
  maintenance: 'viewer',
  /** It watches a job and loads a link, and changes nothing. */
  estimate: 'operator',
  preflight: 'operator',
  run: 'operator',
  migrate: 'operator',
  checkpoint: 'operator',
  cancel: 'operator',
  hold: 'operator',
  switchover: 'operator',
  setRules: 'operator',
  pause: 'operator',
  resume: 'operator',
  enterMaintenance: 'operator',
  exitMaintenance: 'operator',
  stop: 'operator',
  forget: 'operator',
  createToken: 'admin',
  tokens: 'admin',
  revokeToken: 'admin',
  removeHost: 'admin',
  audit: 'admin',
}

export function mayAsk(given: Role, op: ClientOp): boolean {
  return ROLES.indexOf(given) >= ROLES.indexOf(ROLE_NEEDED[op])
}
