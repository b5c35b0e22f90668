/**
 * The coordinator's end of a WebSocket of events: what is asked over it is answered once, and what is followed sends events.
 *
 * Only what comes over it is asked for over it; all else is asked by HTTP (api/). A failure is an answer like any other; only what is no
 * request at all ends the connection, and a token that counts no more.
 *
 * Invariant: nobody gets an answer or an event whose token has expired or was revoked.
 */
import { Channel, type WebSocket } from '@godwit/channel'
import {
  type ClientOp,
  type ClientRequest,
  type FromClient,
  fromClient,
  GodwitError,
  LIMITS,
  type Reply,
  type ToClient,
  toErrorReport,
} from '@godwit/protocol'
import { type AskedDoor, type Asker, ask } from './asking.ts'
import type { Sink } from './output-feed.ts'
import type { Session } from './security/door.ts'
import type { Watcher, WatcherSink } from './watcher.ts'

/** What is followed: told nothing before `start`. */
export interface Followed {
  start(): void
  stop(): void
}

/** What a request needs to know of whoever asks. */
export interface Client {
  /** A token's id, or `local` where the cluster is not secured. */
  readonly who: string
  sink(workload: string): Sink
  /** Replaces an earlier one of the same workload. Its events begin after the reply. */
  follow(workload: string, follower: Followed): void
  /** The same, of what its program prints. */
  followLogs(workload: string, follower: Followed): void
  unfollow(workload: string): void
  /** The same, of the picture of its pages. */
  watchPages(workload: string, follower: Followed): void
  unwatchPages(workload: string): void
}

/** The same, of what is not about jobs. */
export interface WatchingClient extends Client {
  readonly session: Session
  readonly changes: WatcherSink
  /** Replaces an earlier one. Its changes begin after the reply. */
  watch(watcher: Watcher): void
}

export type RequestOf<Op extends ClientOp> = Extract<ClientRequest, { op: Op }>
/** What only a secured cluster knows of: it is about who may, not about workloads. */
export type SecurityOp = 'createToken' | 'tokens' | 'revokeToken' | 'removeHost' | 'audit'
type HandlersOf<Ops extends ClientOp, Asking> = {
  readonly [Op in Ops]: (request: RequestOf<Op>, client: Asking) => Promise<Reply<Op>> | Reply<Op>
}
export type Handlers = HandlersOf<ClientOp, WatchingClient>

/** What is made of whatever changes. */
export type WatchOp = 'watch' | 'tasks' | 'events' | 'session'
export type JobHandlers = HandlersOf<Exclude<ClientOp, SecurityOp | WatchOp>, Client>
export type WatchHandlers = HandlersOf<WatchOp, WatchingClient>
export type SecurityHandlers = HandlersOf<SecurityOp, Client>

/** Takes over a socket that a client has opened. */
export function acceptClient(socket: WebSocket, session: Session, door: AskedDoor): void {
  const { log } = door
  /** Labels have no blanks: `logs <workload>` is what its program prints, `pages <workload>` the picture of its pages. */
  const followers = new Map<string, Followed>()
  let watcher: Watcher | undefined
  const asker: Asker = { session, pending: 0, check: checkFollowed }

  const channel = new Channel<FromClient, ToClient>(
    socket,
    fromClient,
    {
      message: (message) => {
        answer(message).catch((error: unknown) => log.error({ err: error }, 'a bug in the coordinator'))
      },
      closed: () => {
        for (const followed of [...followers.keys()]) end(followed)
        watcher?.stop()
      },
    },
    { text: true, messagesPerSecond: LIMITS.maxRequestsPerSecond },
  )

  function end(followed: string): void {
    followers.get(followed)?.stop()
    followers.delete(followed)
  }

  /** Whether this client may still be told anything. Ends the connection when not. */
  function isWelcome(): boolean {
    const refusal = session.refusal()
    if (refusal !== undefined) channel.end(refusal)
    return refusal === undefined
  }

  async function answer({ id, request }: FromClient): Promise<void> {
    const begun: (() => void)[] = []
    const follow = (followed: string, follower: Followed): void => {
      end(followed)
      followers.set(followed, follower)
      begun.push(() => {
        if (!channel.isOpen) end(followed)
        else if (followers.get(followed) === follower) follower.start()
      })
    }
    const client: WatchingClient = {
      who: session.who,
      session,
      sink: (workload) => ({
        send: (event) => {
          if (isWelcome()) channel.send({ type: 'event', workload, event })
        },
        bufferedBytes: () => socket.bufferedAmount,
      }),
      follow,
      followLogs: (workload, follower) => follow(logsOf(workload), follower),
      unfollow: (workload) => {
        end(workload)
        end(logsOf(workload))
      },
      watchPages: (workload, follower) => follow(pagesOf(workload), follower),
      unwatchPages: (workload) => end(pagesOf(workload)),
      changes: {
        send: (message) => {
          if (isWelcome()) channel.send(message)
        },
        bufferedBytes: () => socket.bufferedAmount,
        end: (error) => channel.end(error),
      },
      watch: (newer) => {
        watcher?.stop()
        watcher = newer
        begun.push(() => {
          if (!channel.isOpen) newer.stop()
          else if (watcher === newer) newer.start()
        })
      },
    }
    try {
      const result = await ask(door, asker, request, client)
      if (isWelcome()) channel.send({ type: 'reply', id, result })
    } catch (error) {
      if (!(error instanceof GodwitError))
        log.error({ err: error, op: request.op }, 'a bug in the coordinator')
      channel.send({ type: 'failed', id, error: toErrorReport(error) })
      isWelcome()
    }
    for (const begin of begun) begin()
  }

  function checkFollowed(request: ClientRequest): void {
    const followed = followedBy(request)
    if (followed === undefined || followers.has(followed)) return
    if (followers.size < LIMITS.maxFollowed) return
    throw new GodwitError(
      'too-busy',
      `this connection follows ${followers.size} workloads, which is the limit: unfollow some, or open another`,
    )
  }
}

/** What a request would add to what is followed. */
function followedBy(request: ClientRequest): string | undefined {
  switch (request.op) {
    case 'follow':
      return request.workload
    case 'followLogs':
      return logsOf(request.workload)
    case 'watchPages':
      return pagesOf(request.workload)
    default:
      return undefined
  }
}

function pagesOf(workload: string): string {
  return `pages ${workload}`
}

function logsOf(workload: string): string {
  return `logs ${workload}`
}
