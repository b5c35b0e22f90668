/** A scripted coordinator for the tests of the client and the command line, on a real socket: what it answers is a function of the test. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { Channel, type Credentials, type Listener, listen, type Peer, type WebSocket } from '@godwit/channel'
import {
  type ClientEvent,
  type ClientOp,
  type ClientRequest,
  ERROR_KINDS,
  type EstimateView,
  type FromClient,
  fromClient,
  fromHttp,
  GodwitError,
  PROBLEM_TYPE,
  type Reply,
  ROUTES,
  routesAt,
  type ToClient,
  toErrorReport,
  toJson,
} from '@godwit/protocol'

/** Gives the reply, throws the error, or gives undefined to stay silent. */
export type Script = (request: ClientRequest, connection: Connection) => unknown

export interface Connection {
  event(workload: string, event: ClientEvent): void
  /** Ends the connection. */
  drop(): void
}

/** Of a secured one. */
export interface Security {
  readonly credentials: Credentials
  admit(peer: Peer): GodwitError | undefined
}

export class FakeCoordinator {
  readonly requests: ClientRequest[] = []
  /** Of each request over HTTP, in their order. */
  readonly headers: IncomingHttpHeaders[] = []
  /** Set before `start`. */
  security: Security | undefined
  script: Script = () => {
    throw new GodwitError('internal', 'the test has no script')
  }
  readonly #events = new Set<Channel<FromClient, ToClient>>()
  #listener: Listener | undefined

  /** `port` 0: any free one. */
  async start(port = 0): Promise<void> {
    this.#listener = await listen({
      at: { host: '127.0.0.1', ports: [port] },
      ...(this.security && {
        ...this.security,
        resource: (path: string) =>
          path === '/authority' ? this.security?.credentials.authority : undefined,
      }),
      http: (request, response, { peer }) => {
        const refused = this.security?.admit(peer)
        if (refused === undefined) void this.#answer(request, response)
        else this.#fail(response, refused)
      },
      connected: (socket) => this.#connected(socket),
    })
  }

  get url(): string {
    return `${this.security === undefined ? 'ws' : 'wss'}://127.0.0.1:${this.#listener?.port}`
  }

  /** To all that are connected. */
  changed(message: Extract<ToClient, { type: 'changes' }>): void {
    for (const channel of this.#events) channel.send(message)
  }

  /** Ends and comes back at the same address, after `meanwhile`. */
  async restart(meanwhile: () => Promise<void> | void = () => {}): Promise<void> {
    const port = this.#listener?.port
    await this.stop()
    await meanwhile()
    await this.start(port)
  }

  async stop(): Promise<void> {
    await this.#listener?.close()
  }

  #connected(socket: WebSocket): void {
    const channel: Channel<FromClient, ToClient> = new Channel<FromClient, ToClient>(
      socket,
      fromClient,
      {
        message: ({ id, request }) => {
          this.requests.push(request)
          try {
            const result = this.script(
              request,
              this.#connection(() => socket.terminate()),
            )
            if (result !== undefined) channel.send({ type: 'reply', id, result })
          } catch (error) {
            channel.send({ type: 'failed', id, error: toErrorReport(error) })
          }
        },
        closed: () => this.#events.delete(channel),
      },
      { text: true },
    )
    this.#events.add(channel)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    for await (const chunk of request) text += chunk
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://fake')
    const found = routesAt(pathname).find(({ op }) => ROUTES[op].method === request.method)
    if (found === undefined) {
      this.#fail(response, new GodwitError('bad-arguments', `no route ${request.method} ${pathname}`))
      return
    }
    const { op, params } = found
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    const asked = fromHttp(op, { params, query: Object.fromEntries(searchParams), body })
    let result: unknown
    try {
      if (asked.op === 'session') result = { who: 'local', role: 'admin' }
      else {
        this.requests.push(asked)
        this.headers.push(request.headers)
        result = this.script(
          asked,
          this.#connection(() => void request.socket.destroy()),
        )
      }
    } catch (error) {
      this.#fail(response, error)
      return
    }
    if (result === undefined) return
    const { status } = ROUTES[op]
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(status === 204 ? undefined : toJson(result))
  }

  #fail(response: ServerResponse, error: unknown): void {
    const { kind, message, phase } = toErrorReport(error)
    const told = { type: `urn:godwit:error:${kind}`, title: ERROR_KINDS[kind], status: 409 }
    response.writeHead(409, { 'content-type': PROBLEM_TYPE })
    response.end(JSON.stringify({ ...told, detail: message, kind, phase }))
  }

  #connection(drop: () => void): Connection {
    return {
      event: (workload, event) => {
        for (const channel of this.#events) channel.send({ type: 'event', workload, event })
      },
      drop,
    }
  }
}

export function reply<Op extends ClientOp>(_op: Op, result: Reply<Op>): Reply<Op> {
  return result
}

export function estimateView(more: Partial<EstimateView> = {}): EstimateView {
  return {
    workload: 'job',
    from: 'a',
    to: 'b',
    downtimeLimitMs: 300,
    converges: true,
    downtimeMs: 12.3,
    totalMs: 2345,
    rounds: 4,
    parkPoint: 'preApply',
    reason: 'rounds no longer shrink',
    job: {
      arenaPages: 25_600,
      zeroPages: 2560,
      stepPages: 2560,
      watchedPages: 2560,
      watchedSteps: 10,
      stepMs: 100,
      computeMs: 90,
      deltaBytes: 2 ** 20,
      setupMs: 900,
    },
    link: { bytesPerMs: 131_072, roundTripMs: 0.25 },
    ...more,
  }
}
