/**
 * One request, from whoever asks and however it came: may it be asked, what is written down about it, what is it answered with.
 *
 * Invariants: what changes something is in the audit log before it is done, so that nothing is done that can't be written down, and
 * what came of it before it is answered; nothing is done for a token that has expired, was revoked or has too small a role.
 */
import { type ClientOp, type ClientRequest, GodwitError, LIMITS, mayAsk, ROLE_NEEDED } from '@godwit/protocol'
import type { Logger } from 'pino'
import type { Handlers, WatchingClient } from './client-connection.ts'
import { type Audit, withOutcome } from './security/audit-log.ts'
import { auditOf, intentOf, isChange, REFUSALS } from './security/audited.ts'
import type { Session } from './security/door.ts'

export interface AskedDoor {
  readonly handlers: Handlers
  readonly audit: Audit
  readonly log: Logger
  /** Milliseconds since 1970. */
  now(): number
}

/** Whoever asks, with how many of its requests wait for their answers. */
export interface Asker {
  readonly session: Session
  pending: number
  /** Why it may not ask this, besides its role. */
  check?(request: ClientRequest): void
}

/** What `request` is answered with, once what has to be written down about it is on disk. Errors: those of its handler, and refusals. */
export async function ask(
  door: AskedDoor,
  asker: Asker,
  request: ClientRequest,
  client: WatchingClient,
): Promise<unknown> {
  asker.pending += 1
  try {
    const refusal = refusalOf(asker, request)
    if (refusal !== undefined) {
      await noteRefusal(door, asker, request, refusal)
      throw refusal
    }
    return isChange(request)
      ? await changed(door, asker, request, client)
      : await looked(door, asker, request, client)
  } finally {
    asker.pending -= 1
  }
}

/** Nothing was done: it may be tried as often as one likes, so no more than so many a second are written down. */
async function noteRefusal(
  { audit, now }: AskedDoor,
  { session }: Asker,
  request: ClientRequest,
  refusal: GodwitError,
): Promise<void> {
  if (isChange(request) || REFUSALS.has(refusal.kind))
    await audit.note(auditOf(request, session, refusal, now()))
}

async function looked(
  door: AskedDoor,
  asker: Asker,
  request: ClientRequest,
  client: WatchingClient,
): Promise<unknown> {
  try {
    return await handle(door, request, client)
  } catch (error) {
    if (error instanceof GodwitError) await noteRefusal(door, asker, request, error)
    throw error
  }
}

async function changed(
  door: AskedDoor,
  { session }: Asker,
  request: ClientRequest,
  client: WatchingClient,
): Promise<unknown> {
  const { audit, log, now } = door
  return withOutcome(audit, log, {
    intent: intentOf(request, session, now()),
    outcome: (result) => auditOf(request, session, result, now()),
    act: async () => {
      // It may have been revoked while the line was written.
      const refusal = session.refusal()
      if (refusal !== undefined) throw refusal
      return handle(door, request, client)
    },
  })
}

async function handle(
  { handlers }: AskedDoor,
  request: ClientRequest,
  client: WatchingClient,
): Promise<unknown> {
  const handler = handlers[request.op] as (request: ClientRequest, client: WatchingClient) => Promise<unknown>
  return handler(request, client)
}

/** Why nothing is done about it. */
function refusalOf(asker: Asker, request: ClientRequest): GodwitError | undefined {
  const { session, pending } = asker
  try {
    const refusal = session.refusal()
    if (refusal !== undefined) return refusal
    checkRole(request.op, session)
    asker.check?.(request)
    if (pending <= LIMITS.maxPendingRequests) return undefined
    return new GodwitError(
      'too-busy',
      `${LIMITS.maxPendingRequests} requests of yours wait for their answers, which is the limit: wait for some of them`,
    )
  } catch (error) {
    if (error instanceof GodwitError) return error
    throw error
  }
}

function checkRole(op: ClientOp, { who, role }: Session): void {
  if (mayAsk(role, op)) return
  throw new GodwitError(
    'forbidden',
    `${op} needs the role ${ROLE_NEEDED[op]}, and token ${who} is a ${role}'s: use another token`,
  )
}
