/** `token`, `host remove` and `audit`: who may come in, and who did what. */
import { isLoopback } from '@godwit/channel'
import { allTokens } from '@godwit/client'
import type { Role } from '@godwit/protocol'
import { joinLine, renderAudit, renderTime, renderTokens } from '../render/access.ts'
import { printJson, type Session } from '../session.ts'

export interface CreateTokenOptions {
  /** Left out: a join token. */
  role?: Role
  name?: string
  /** Milliseconds from now; left out, the coordinator's default. */
  expires?: number
}

/** On stdout stands what is copied: the line that a host runs, or the token. It is not shown again. */
export async function createToken(
  { client, io, json, coordinator }: Session,
  { role, name, expires }: CreateTokenOptions,
): Promise<number> {
  const kind = role === undefined ? 'join' : 'api'
  const reply = await client.request({
    op: 'createToken',
    kind,
    ...(role !== undefined && { role }),
    ...(name !== undefined && { name }),
    ...(expires !== undefined && { expiresInMs: expires }),
  })
  if (json) {
    printJson(io, reply)
    return 0
  }
  const { token, view } = reply
  const until = `until ${renderTime(view.expiresAtMs)}; to end it before: godwit token revoke ${view.id}`
  if (kind === 'join') {
    io.err(`to join, a host runs this line, good ${until}`)
    io.out(joinLine(coordinator, token))
    if (isLoopback(new URL(coordinator).hostname))
      io.err('from another machine, write the address at which it reaches the coordinator')
  } else {
    io.err(`for GODWIT_TOKEN, or a file for --token-file; shown this once, good ${until}`)
    io.out(token)
  }
  return 0
}

export async function listTokens({ client, io, json }: Session): Promise<number> {
  const tokens = await allTokens(client)
  if (json) printJson(io, { tokens })
  else for (const line of renderTokens(tokens, Date.now())) io.out(line)
  return 0
}

/** `given`: an id, or all of a token, of which no more than the id is said. */
export async function revokeToken({ client, io, json }: Session, given: string): Promise<number> {
  const [, token = given] = /^gw[ja]1\.([^.]+)\./.exec(given) ?? []
  const reply = await client.request({ op: 'revokeToken', token })
  if (json) printJson(io, reply)
  else io.out(`token ${reply.token.id} is revoked`)
  return 0
}

export async function removeHost({ client, io, json }: Session, host: string): Promise<number> {
  const reply = await client.request({ op: 'removeHost', host })
  if (json) printJson(io, reply)
  else io.out(`${host} is no member any more; it may join again: godwit token create`)
  return 0
}

export interface AuditOptions {
  limit: number
}

/** Oldest first, as a log is read. */
export async function audit(
  { client, io, json }: Session,
  workload: string | undefined,
  { limit }: AuditOptions,
): Promise<number> {
  const reply = await client.request({
    op: 'audit',
    limit,
    ...(workload !== undefined && { workload }),
  })
  if (json) printJson(io, reply)
  else for (const line of renderAudit(reply.entries)) io.out(line)
  return 0
}
