/**
 * The coordinator's HTTP API: the table of protocol/api.ts as routes, each carried out by the handler that its request has, under the
 * same roles and with the same lines in the audit log as whatever else is asked.
 *
 * Fastify finds the route and reads the body; what is asked is checked by the request's own schema. It answers on the coordinator's own
 * port (coordinator.ts listens there), so that TLS, the limit of connections and the time for a request's head are those of all others.
 *
 * Who may what: health and the description of the API are anybody's; all else is a token's where the cluster is secured, the metrics
 * a viewer's. A token stands in the `Authorization` header and nowhere else. Where the cluster is open, a page of another origin asks nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { crashPoint, type Visitor } from '@godwit/channel'
import {
  API_PREFIX,
  type ClientRequest,
  EVENTS_PATH,
  fromHttp,
  GodwitError,
  IDEMPOTENCY_HEADER,
  LIMITS,
  mayAsk,
  PROBLEM_TYPE,
  type RestOp,
  ROUTES,
  type Route,
  routesAt,
  toJson,
} from '@godwit/protocol'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { type AskedDoor, type Asker, ask } from '../asking.ts'
import type { BundleStore } from '../bundle-store.ts'
import type { WatchingClient } from '../client-connection.ts'
import type { KeyValueStore } from '../key-value.ts'
import { auditOf } from '../security/audited.ts'
import type { Door, Session } from '../security/door.ts'
import { type CalledHere, fromElsewhere } from '../security/origin.ts'
import { defineBundleRoutes } from './bundle-routes.ts'
import { serveConsole } from './console-page.ts'
import { type Answer, IdempotencyKeys } from './idempotency.ts'
import type { Metrics } from './metrics.ts'
import { openApi } from './openapi.ts'
import { problemOf } from './problem.ts'
import { type Quota, Quotas } from './quotas.ts'
import { renderReference } from './reference-page.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the metrics call it. */
    op?: string
  }
}

export interface HttpApiOptions extends AskedDoor {
  readonly door: Door
  readonly store: KeyValueStore
  readonly metrics: Metrics
  readonly here: CalledHere
  /** Where the console was built. */
  readonly consoleFolder: string
  readonly bundles: BundleStore
  /** Milliseconds of a monotonic clock, by which is counted who asks how often. */
  nowMs(): number
  /** Throws while it can't do its work. */
  ready(): Promise<void>
}

/** Errors of those who have no token, or none that counts; and what has no kind of its own. */
class HttpError extends GodwitError {
  readonly status: number

  constructor(status: number, message: string) {
    super('bad-arguments', message)
    this.status = status
  }
}

/** With which nothing was done: the same key may try again. */
const UNDONE: ReadonlySet<string> = new Set([
  'unauthorized',
  'forbidden',
  'token-expired',
  'token-revoked',
  'too-busy',
  'internal',
  'disk-full',
  'store-unusable',
])

const NO_EVENTS: Omit<WatchingClient, 'session' | 'who'> = {
  sink: () => ({ send: () => {}, bufferedBytes: () => 0 }),
  follow: (_, follower) => follower.stop(),
  followLogs: (_, follower) => follower.stop(),
  unfollow: () => {},
  watchPages: (_, follower) => follower.stop(),
  unwatchPages: () => {},
  changes: { send: () => {}, bufferedBytes: () => 0, end: () => {} },
  watch: (watcher) => watcher.stop(),
}

/** Ours makes no request elsewhere, runs nothing, and is in nobody's frame. */
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

interface Asking {
  readonly session: Session
  readonly quota: Quota
}

export class HttpApi {
  readonly #options: HttpApiOptions
  readonly #app: FastifyInstance
  readonly #keys: IdempotencyKeys
  readonly #visitors = new WeakMap<IncomingMessage, Visitor>()
  readonly #askers = new Quotas(LIMITS.maxRequestsPerSecond)
  readonly #strangers = new Quotas(LIMITS.maxStrangersRequestsPerSecond)

  private constructor(options: HttpApiOptions, keys: IdempotencyKeys) {
    this.#options = options
    this.#keys = keys
    this.#app = fastify({
      bodyLimit: LIMITS.maxApiBodyBytes,
      requestIdHeader: false,
      exposeHeadRoutes: false,
      routerOptions: { maxParamLength: LIMITS.maxNameLength },
    })
    this.#define()
  }

  static async open(options: HttpApiOptions): Promise<HttpApi> {
    const api = new HttpApi(options, await IdempotencyKeys.open(options.store, options.now))
    await api.#app.ready()
    return api
  }

  handle(request: IncomingMessage, response: ServerResponse, visitor: Visitor): void {
    this.#visitors.set(request, visitor)
    this.#app.routing(request, response)
  }

  close(): Promise<void> {
    return this.#app.close()
  }

  #define(): void {
    const app = this.#app
    app.addHook('onRequest', async (request, reply) => {
      reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
      const { headers } = request
      const refused = fromElsewhere(headers, this.#options.here)
      if (refused !== undefined) throw refused
    })
    app.addHook('onResponse', async (request, reply) => {
      const { metrics } = this.#options
      metrics.answered(request.routeOptions.config.op ?? 'other', reply.statusCode, reply.elapsedTime)
    })
    app.setErrorHandler((error, request, reply) => this.#failed(error, request, reply))
    app.setNotFoundHandler(async (request, reply) => {
      this.#stranger(request, reply)
      throw notFound(request, reply)
    })
    this.#definePublic()
    serveConsole(app, {
      folder: this.#options.consoleFolder,
      asked: (request) => this.#countStranger(request),
      notFound,
    })
    this.#defineBundles()
    const reads = { config: { op: 'metrics' } }
    app.get('/metrics', reads, async (request, reply) => {
      const { session } = this.#asker(request, reply)
      if (!mayAsk(session.role, 'hosts')) throw new GodwitError('forbidden', 'metrics need the role viewer')
      const { metrics } = this.#options
      return reply.type(metrics.contentType).send(await metrics.text())
    })
    for (const [op, route] of Object.entries(ROUTES) as [RestOp, Route][]) {
      app.route({
        method: route.method,
        url: `${API_PREFIX}${route.path}`,
        config: { op },
        handler: (request, reply) => this.#answer(op, request, reply),
      })
    }
  }

  #defineBundles(): void {
    const { bundles, audit, now } = this.#options
    this.#app.register((scope) =>
      defineBundleRoutes(scope, {
        bundles,
        session: (request, reply) => this.#asker(request, reply).session,
        host: (request, reply) => this.#host(request, reply),
        refused: (session, error) =>
          audit.note({ ...auditOf({ op: 'session' }, session, error, now()), action: 'upload' }),
      }),
    )
  }

  #definePublic(): void {
    const app = this.#app
    const health = { config: { op: 'health' } }
    app.get('/healthz', health, async (request, reply) => {
      this.#stranger(request, reply)
      return { status: 'ok' }
    })
    app.get('/readyz', health, async (request, reply) => {
      this.#stranger(request, reply)
      await this.#options.ready()
      return { status: 'ready' }
    })
    const description = openApi()
    const page = renderReference(description)
    const about = { config: { op: 'reference' } }
    app.get(`${API_PREFIX}/openapi.json`, about, async (request, reply) => {
      this.#stranger(request, reply)
      return description
    })
    app.get('/api', about, async (request, reply) => {
      this.#stranger(request, reply)
      return reply.type('text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY).send(page)
    })
  }

  async #answer(op: RestOp, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { session, quota } = this.#asker(request, reply)
    const { params, query, body } = request
    const asked = fromHttp(op, {
      params: params as Record<string, string>,
      query: query as Record<string, unknown>,
      body,
    })
    const key = request.headers[IDEMPOTENCY_HEADER]
    const isKeyed = typeof key === 'string' && ROUTES[op].method !== 'GET'
    const answer = isKeyed
      ? await this.#once(key, asked, op, { session, quota })
      : await this.#carryOut(asked, op, { session, quota })
    const refusal = session.refusal()
    if (refusal !== undefined) throw refusal
    if ('isReplay' in answer && answer.isReplay) reply.header('idempotency-replayed', 'true')
    reply.code(answer.status)
    if (answer.status >= 400) reply.type(PROBLEM_TYPE)
    else if (answer.status !== 204) reply.type('application/json')
    const word = answer.status >= 400 ? 'failed' : 'reply'
    crashPoint(`before-send:${word}`)
    reply.raw.once('finish', () => crashPoint(`after-send:${word}`))
    return reply.send(answer.status === 204 ? undefined : answer.body)
  }

  #once(
    key: string,
    asked: ClientRequest,
    op: RestOp,
    asking: Asking,
  ): Promise<Answer & { isReplay: boolean }> {
    return this.#keys.once(
      { who: asking.session.who, key, text: JSON.stringify(asked), isSecret: op === 'createToken' },
      async () => {
        try {
          return await this.#carryOut(asked, op, asking)
        } catch (error) {
          if (!(error instanceof GodwitError) || UNDONE.has(error.kind)) throw error
          const problem = problemOf(error)
          return { status: problem.status, body: JSON.stringify(problem) }
        }
      },
    )
  }

  async #carryOut(asked: ClientRequest, op: RestOp, { session, quota }: Asking): Promise<Answer> {
    const asker: Asker = {
      session,
      get pending() {
        return quota.pending
      },
      set pending(pending) {
        quota.pending = pending
      },
    }
    const result = await ask(this.#options, asker, asked, { ...NO_EVENTS, who: session.who, session })
    return { status: ROUTES[op].status, body: toJson(result) }
  }

  /** Errors: those of the door, `too-busy`. */
  #asker(request: FastifyRequest, reply: FastifyReply): Asking {
    const { peer, letIn } = this.#visitor(request)
    const { door } = this.#options
    const refused = door.admit(peer, API_PREFIX)
    if (refused !== undefined) {
      this.#stranger(request, reply)
      throw refused
    }
    const session = door.session(peer)
    letIn()
    const quota = this.#askers.take(`${session.who} ${session.address}`, this.#options.nowMs())
    if (quota !== undefined) return { session, quota }
    throw tooOften(LIMITS.maxRequestsPerSecond)
  }

  /** Errors: those of the door for agents, `too-busy`. */
  #host(request: FastifyRequest, reply: FastifyReply): void {
    const { peer, letIn } = this.#visitor(request)
    const refused = this.#options.door.admit(peer, '/agent')
    if (refused !== undefined) {
      this.#stranger(request, reply)
      throw refused
    }
    letIn()
    const who = `agent ${peer.member?.uri ?? ''} ${peer.address}`
    if (this.#askers.take(who, this.#options.nowMs()) === undefined)
      throw tooOften(LIMITS.maxRequestsPerSecond)
  }

  /** Whoever wants more of what is anybody's connects again, and is counted again. */
  #stranger(request: FastifyRequest, reply: FastifyReply): void {
    reply.header('connection', 'close')
    this.#countStranger(request)
  }

  #countStranger(request: FastifyRequest): void {
    const { address } = this.#visitor(request).peer
    if (this.#strangers.take(address, this.#options.nowMs()) === undefined)
      throw tooOften(LIMITS.maxStrangersRequestsPerSecond)
  }

  #visitor(request: FastifyRequest): Visitor {
    return this.#visitors.get(request.raw) as Visitor
  }

  #failed(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const known = asOurs(error, request.routeOptions.bodyLimit)
    if (!(known instanceof GodwitError) || known.kind === 'internal')
      this.#options.log.error({ err: error, url: request.routeOptions.url }, 'a bug in the coordinator')
    const problem = problemOf(known, known instanceof HttpError ? known.status : undefined)
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="godwit"')
    if (problem.status === 429) reply.header('retry-after', '1')
    // What is left of a body that was too large is not read.
    if (problem.status === 413) reply.header('connection', 'close')
    crashPoint('before-send:failed')
    reply.raw.once('finish', () => crashPoint('after-send:failed'))
    reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem))
  }
}

function tooOften(perSecond: number): GodwitError {
  return new GodwitError('too-busy', `more than ${perSecond} requests a second: ask less often`)
}

function notFound(request: FastifyRequest, reply: FastifyReply): HttpError {
  const path = request.url.split('?')[0] as string
  const there = routesAt(path).map(({ op }) => ROUTES[op].method)
  if (there.length > 0) {
    reply.header('allow', there.join(', '))
    return new HttpError(405, `${path} knows ${there.join(' and ')}, not ${request.method}`)
  }
  const events = path === EVENTS_PATH ? ': events come over a WebSocket' : ': GET /api says what there is'
  return new HttpError(404, `there is nothing at ${path.slice(0, 100)}${events}`)
}

/** Fastify's errors about the request as ours. */
function asOurs(error: unknown, bodyLimit: number | undefined): unknown {
  if (error instanceof GodwitError) return error
  const { statusCode, message, code } = error as { statusCode?: number; message?: string; code?: string }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new GodwitError('too-large', `a body of more than ${bodyLimit ?? LIMITS.maxApiBodyBytes} bytes`)
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new HttpError(statusCode, message ?? 'this is no request')
  return error
}
