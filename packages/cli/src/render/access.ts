/** Tokens and the audit log as lines. */
import type { AuditEntry, TokenView } from '@godwit/protocol'
import { status } from './colour.ts'
import { renderTable } from './table.ts'
import { UNKNOWN } from './units.ts'

/** What a host runs to become a member. The token stands in the environment, which only the host's user can read. */
export function joinLine(coordinator: string, token: string): string {
  return `GODWIT_JOIN_TOKEN=${token} godwit agent --coordinator ${coordinator} --name NAME --address ADDRESS`
}

/** `timeMs`: milliseconds since 1970. In UTC, e.g. `2026-11-23 01:30:05Z`. */
export function renderTime(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ')}Z`
}

export function renderTokens(tokens: readonly TokenView[], nowMs: number): string[] {
  if (tokens.length === 0) return ['no tokens: make one with "godwit token create"']
  return renderTable(
    [
      { title: 'ID' },
      { title: 'FOR' },
      { title: 'NAME' },
      { title: 'STATE', style: status },
      { title: 'CREATED' },
      { title: 'EXPIRES' },
    ],
    tokens.map((token) => [
      token.id,
      token.role ?? 'joining',
      token.name ?? UNKNOWN,
      stateOf(token, nowMs),
      renderTime(token.createdAtMs),
      renderTime(token.expiresAtMs),
    ]),
  )
}

function stateOf({ revokedAtMs, expiresAtMs }: TokenView, nowMs: number): string {
  if (revokedAtMs !== undefined) return 'revoked'
  return expiresAtMs <= nowMs ? 'expired' : 'good'
}

export function renderAudit(entries: readonly AuditEntry[]): string[] {
  if (entries.length === 0) return ['nothing is in the audit log']
  return renderTable(
    [
      { title: 'TIME' },
      { title: 'WHO' },
      { title: 'ROLE' },
      { title: 'FROM' },
      { title: 'ACTION' },
      { title: 'WORKLOAD' },
      { title: 'HOST' },
      { title: 'SUBJECT' },
      { title: 'OUTCOME' },
    ],
    entries.map(({ atMs, who, role, address, action, workload, host, subject, outcome }) => [
      renderTime(atMs),
      who,
      role ?? UNKNOWN,
      address,
      action,
      workload ?? UNKNOWN,
      host ?? UNKNOWN,
      subject ?? UNKNOWN,
      outcome,
    ]),
  )
}
