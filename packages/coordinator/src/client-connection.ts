/**
 * The coordinator's end of a client's connection: each request is answered once, and followed workloads send events.
 *
 * Requests don't wait for one another: `run` takes as long as a program loads. A failure is an answer like any
 * other; only what is no request at all ends the connection, and a token that counts no more.
 *
 * Invariants: what changes something is in the audit log before it is done, so that nothing is done that can't be written down, and
 * what came of it before it is answered; nobody gets an answer or an event whose token has expired or was revoked.
 */
import { Channel, type WebSocket } from '@godwit/channel'
import {
  type ClientOp,
  type ClientRequest,
  type FromClient,
  fromClient,
  GodwitError,
  LIMITS,
  mayAsk,
  type Reply,
  ROLE_NEEDED,
  type ToClient,
  toErrorReport,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import type { Follower, Sink } from './output-feed.ts'
import { type Audit, withOutcome } from './security/audit-log.ts'
import { auditOf, intentOf, isChange, REFUSALS } from './security/audited.ts'
import type { Session } from './security/door.ts'

/** What a request needs to know of whoever asks. */
export interface Client {
  sink(workload: string): Sink
  /** Replaces an earlier one of the same workload. Its events begin after the reply. */
  follow(workload: string, follower: Follower): void
  unfollow(workload: string): void
}

export type RequestOf<Op extends ClientOp> = Extract<ClientRequest, { op: Op }>
/** What only a secured cluster knows of: it is about who may, not about workloads. */
export type SecurityOp = 'createToken' | 'tokens' | 'revokeToken' | 'removeHost' | 'audit'
export type Handlers = {
  readonly [Op in ClientOp]: (request: RequestOf<Op>, client: Client) => Promise<Reply<Op>> | Reply<Op>
}

export type JobHandlers = Omit<Handlers, SecurityOp>
export type SecurityHandlers = Pick<Handlers, SecurityOp>

export interface ClientDoor {
  readonly handlers: Handlers
  readonly session: Session
  readonly audit: Audit
  /** Milliseconds since 1970. */
  now(): number
}

/** Takes over a socket that a client has opened. */
export function acceptClient(
  socket: WebSocket,
  { handlers, session, audit, now }: ClientDoor,
  log: Logger,
): void {
  const followers = new Map<string, Follower>()
  let pending = 0

  const channel = new Channel<FromClient, ToClient>(
    socket,
    fromClient,
    {
      message: (message) => {
        answer(message).catch((error: unknown) => log.error({ err: error }, 'a bug in the coordinator'))
      },
      closed: () => {
        for (const workload of [...followers.keys()]) unfollow(workload)
      },
    },
    { messagesPerSecond: LIMITS.maxRequestsPerSecond },
  )

  function unfollow(workload: string): void {
    followers.get(workload)?.stop()
    followers.delete(workload)
  }

  /** Whether this client may still be told anything. Ends the connection when not. */
  function isWelcome(): boolean {
    const refusal = session.refusal()
    if (refusal !== undefined) channel.end(refusal)
    return refusal === undefined
  }

  async function answer({ id, request }: FromClient): Promise<void> {
    const begun: [string, Follower][] = []
    const client: Client = {
      sink: (workload) => ({
        send: (event) => {
          if (isWelcome()) channel.send({ type: 'event', workload, event })
        },
        bufferedBytes: () => socket.bufferedAmount,
      }),
      follow: (workload, follower) => {
        unfollow(workload)
        followers.set(workload, follower)
        begun.push([workload, follower])
      },
      unfollow,
    }
    try {
      const result = await audited(request, client)
      if (isWelcome()) channel.send({ type: 'reply', id, result })
    } catch (error) {
      if (!(error instanceof GodwitError))
        log.error({ err: error, op: request.op }, 'a bug in the coordinator')
      channel.send({ type: 'failed', id, error: toErrorReport(error) })
      isWelcome()
    }
    for (const [workload, follower] of begun) {
      if (!channel.isOpen) unfollow(workload)
      else if (followers.get(workload) === follower) follower.start()
    }
  }

  /** What `request` is answered with, once what has to be written down about it is on disk. */
  async function audited(request: ClientRequest, client: Client): Promise<unknown> {
    pending += 1
    try {
      const refusal = refusalOf(request)
      if (refusal !== undefined) {
        await noteRefusal(request, refusal)
        throw refusal
      }
      return isChange(request) ? await changed(request, client) : await looked(request, client)
    } finally {
      pending -= 1
    }
  }

  /** Nothing was done: it may be tried as often as one likes, so no more than so many a second are written down. */
  async function noteRefusal(request: ClientRequest, refusal: GodwitError): Promise<void> {
    if (isChange(request) || REFUSALS.has(refusal.kind))
      await audit.note(auditOf(request, session, refusal, now()))
  }

  async function looked(request: ClientRequest, client: Client): Promise<unknown> {
    try {
      return await handle(request, client)
    } catch (error) {
      if (error instanceof GodwitError) await noteRefusal(request, error)
      throw error
    }
  }

  async function changed(request: ClientRequest, client: Client): Promise<unknown> {
    return withOutcome(audit, log, {
      intent: intentOf(request, session, now()),
      outcome: (result) => auditOf(request, session, result, now()),
      act: async () => {
        // It may have been revoked while the line was written.
        const refusal = session.refusal()
        if (refusal !== undefined) throw refusal
        return handle(request, client)
      },
    })
  }

  async function handle(request: ClientRequest, client: Client): Promise<unknown> {
    const handler = handlers[request.op] as (request: ClientRequest, client: Client) => Promise<unknown>
    return handler(request, client)
  }

  /** Why nothing is done about it. */
  function refusalOf(request: ClientRequest): GodwitError | undefined {
    try {
      const refusal = session.refusal()
      if (refusal !== undefined) return refusal
      checkRole(request.op, session)
      checkFollowed(request)
      checkPending()
      return undefined
    } catch (error) {
      if (error instanceof GodwitError) return error
      throw error
    }
  }

  function checkPending(): void {
    if (pending <= LIMITS.maxPendingRequests) return
    throw new GodwitError(
      'too-busy',
      `${LIMITS.maxPendingRequests} requests of this connection wait for their answers, which is the limit: wait for some of them`,
    )
  }

  function checkFollowed(request: ClientRequest): void {
    if (request.op !== 'follow' || followers.has(request.workload)) return
    if (followers.size < LIMITS.maxFollowed) return
    throw new GodwitError(
      'too-busy',
      `this connection follows ${followers.size} workloads, which is the limit: unfollow some, or open another`,
    )
  }
}

function checkRole(op: ClientOp, { who, role }: Session): void {
  if (mayAsk(role, op)) return
  throw new GodwitError(
    'forbidden',
    `${op} needs the role ${ROLE_NEEDED[op]}, and token ${who} is a ${role}'s: use another token`,
  )
}
