/**
 * The coordinator's end of a client's connection: each request is answered once, and followed workloads send events.
 *
 * Requests don't wait for one another: `run` takes as long as a program loads. A failure is an answer like any
 * other; only what is no request at all ends the connection.
 */
import { Channel, type WebSocket } from '@godwit/channel'
import {
  type ClientOp,
  type ClientRequest,
  type FromClient,
  fromClient,
  GodwitError,
  type Reply,
  type ToClient,
  toErrorReport,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import type { Follower, Sink } from './output-feed.ts'

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

/** Takes over a socket that a client has opened. */
export function acceptClient(socket: WebSocket, handlers: Handlers, log: Logger): void {
  const followers = new Map<string, Follower>()

  const channel = new Channel<FromClient, ToClient>(socket, fromClient, {
    message: (message) => {
      answer(message).catch((error: unknown) => log.error({ err: error }, 'a bug in the coordinator'))
    },
    closed: () => {
      for (const workload of [...followers.keys()]) unfollow(workload)
    },
  })

  function unfollow(workload: string): void {
    followers.get(workload)?.stop()
    followers.delete(workload)
  }

  async function answer({ id, request }: FromClient): Promise<void> {
    const begun: [string, Follower][] = []
    const client: Client = {
      sink: (workload) => ({
        send: (event) => channel.send({ type: 'event', workload, event }),
        bufferedBytes: () => socket.bufferedAmount,
      }),
      follow: (workload, follower) => {
        unfollow(workload)
        followers.set(workload, follower)
        begun.push([workload, follower])
      },
      unfollow,
    }
    const handle = handlers[request.op] as (request: ClientRequest, client: Client) => Promise<unknown>
    try {
      const result = await handle(request, client)
      channel.send({ type: 'reply', id, result })
    } catch (error) {
      if (!(error instanceof GodwitError))
        log.error({ err: error, op: request.op }, 'a bug in the coordinator')
      channel.send({ type: 'failed', id, error: toErrorReport(error) })
    }
    for (const [workload, follower] of begun) {
      if (!channel.isOpen) unfollow(workload)
      else if (followers.get(workload) === follower) follower.start()
    }
  }
}
