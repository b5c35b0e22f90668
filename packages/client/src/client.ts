/**
 * The coordinator's API as typed calls: one request, one reply over HTTP; and over one WebSocket events of the workloads that are followed,
 * and changes of all that is watched.
 *
 * Every reply is checked against the schema of its request before the caller sees it, so that a coordinator of
 * another release is an error with a name and not an undefined somewhere later.
 *
 * A client is one acquaintance with one coordinator: when that is lost in any way, it is over, and another client begins (lasting.ts).
 *
 * Invariants: every request settles, by its reply, by its time limit or by the loss of the coordinator; events are
 * delivered in order and none is delivered after `closed`; what creates or moves something is asked under a key of its own, so that it is
 * done once.
 */
import { randomUUID } from 'node:crypto'
import { Channel, type DialSecurity, dial, type HttpAnswer, HttpPeer } from '@godwit/channel'
import {
  BUNDLES_PATH,
  CHUNKS_PATH,
  type ChangeKind,
  type ClientEvent,
  type ClientOp,
  type ClientRequest,
  type ClientRequestInput,
  checkMessage,
  clientRequest,
  EVENTS_PATH,
  type FromClient,
  fromErrorReport,
  GodwitError,
  IDEMPOTENCY_HEADER,
  isRestOp,
  LIMITS,
  missingChunks,
  PROBLEM_TYPE,
  problem,
  REPLIES,
  type Reply,
  type RestOp,
  type ToClient,
  toClient,
  toHttp,
} from '@godwit/protocol'

/** What a secured coordinator wants to see. */
export interface ClientAccess {
  readonly security?: DialSecurity
  readonly token?: string
}

export type EventListener = (workload: string, event: ClientEvent) => void
/** What changed, with the cursor to go on from. */
export type ChangeListener = (changes: Extract<ToClient, { type: 'changes' }>) => void

type Events = Channel<ToClient, FromClient>

interface Pending {
  readonly timer: NodeJS.Timeout
  resolve(result: unknown): void
  reject(error: GodwitError): void
}

type RequestOf<Op extends ClientOp> = Extract<ClientRequestInput, { op: Op }>

export class CoordinatorClient {
  /** Settles when the coordinator is lost: undefined after `close`. */
  readonly closed: Promise<GodwitError | undefined>
  /** Settles with the first answer after `connect`, whatever it says; never without one. */
  readonly answered: Promise<void>
  #hasAnswered: () => void = () => {}
  #over: (error: GodwitError | undefined) => void = () => {}
  #isOpen = true
  #wasClosed = false
  readonly #url: string
  readonly #access: ClientAccess
  readonly #http: HttpPeer
  #events: Promise<Events> | undefined
  readonly #pending = new Map<number, Pending>()
  readonly #listeners = new Set<EventListener>()
  readonly #watching = new Set<ChangeListener>()
  #nextId = 1

  private constructor(url: string, access: ClientAccess) {
    this.#url = url
    this.#access = access
    this.#http = new HttpPeer(url, access)
    this.answered = new Promise((resolve) => {
      this.#hasAnswered = resolve
    })
    this.closed = new Promise((resolve) => {
      this.#over = resolve
    })
  }

  /**
   * Makes the acquaintance of a coordinator, e.g. at `ws://127.0.0.1:7070`; `access` is asked for what a secured one wants. Errors:
   * `unreachable`, `bad-arguments`, those of `access`, and what the coordinator refuses with.
   */
  static async connect(
    coordinatorUrl: string,
    access: () => Promise<ClientAccess> = async () => ({}),
  ): Promise<CoordinatorClient> {
    try {
      const client = new CoordinatorClient(coordinatorUrl.replace(/\/+$/, ''), await access())
      await client.#meet()
      return client
    } catch (error) {
      if (!(error instanceof GodwitError) || error.kind !== 'unreachable') throw error
      throw new GodwitError(
        'unreachable',
        `no coordinator answers at ${coordinatorUrl} (${reason(error)}): start one with "godwit coordinator", or give its address with --coordinator or GODWIT_COORDINATOR`,
        { cause: error },
      )
    }
  }

  async #meet(): Promise<void> {
    try {
      await this.#ask({ op: 'session' }, LIMITS.connectTimeoutMs)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /**
   * Asks and waits for the answer. Errors: what the coordinator refuses with, `bad-arguments` for a request that no
   * coordinator would understand, `peer-stalled` without an answer in time, `connection-lost`.
   */
  async request<Op extends ClientOp>(
    request: RequestOf<Op>,
    timeoutMs: number = request.op === 'run' ? LIMITS.setupTimeoutMs : LIMITS.requestTimeoutMs,
  ): Promise<Reply<Op>> {
    const checked = clientRequest.safeParse(request)
    if (!checked.success) {
      const issue = checked.error.issues[0]
      throw new GodwitError('bad-arguments', `${issue?.path.join('.')}: ${issue?.message}`)
    }
    if (!this.#isOpen) throw lost(undefined)
    const { data } = checked
    const result = isRest(data)
      ? await this.#restReply(data, timeoutMs)
      : await this.#eventsReply(data, timeoutMs)
    return checkMessage(REPLIES[request.op as Op], result) as Reply<Op>
  }

  /** Events of every workload that this client follows. Returns how to end it. */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * What there is of `kinds`, and whatever changes, until this client is over; `after` a cursor what has changed since. `isReset` says that
   * it is too old: all that there is comes anew, and what was known counts no more. One at a time.
   */
  async watch(
    { kinds, after }: { readonly kinds?: readonly ChangeKind[]; readonly after?: string | undefined },
    listener: ChangeListener,
  ): Promise<{ isReset: boolean }> {
    this.#watching.add(listener)
    return this.request({
      op: 'watch',
      ...(kinds !== undefined && { kinds: [...kinds] }),
      ...(after !== undefined && { after }),
    })
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Nobody lost it: it was closed. */
  get wasClosed(): boolean {
    return this.#wasClosed
  }

  close(): void {
    this.#wasClosed ||= this.#isOpen
    this.#end(undefined)
  }

  /** Chunks that the coordinator lacks of the bundle that this manifest is of. Errors: those of `request`. */
  async putBundle(digest: string, manifest: Uint8Array): Promise<string[]> {
    const answer = await this.#put('the upload of a bundle', `${BUNDLES_PATH}/${digest}`, manifest)
    return checkMessage(missingChunks, answer).missing
  }

  /** Errors: those of `request`; it may be sent again. */
  async putChunk(digest: string, bytes: Uint8Array): Promise<void> {
    await this.#put('the upload of a chunk', `${CHUNKS_PATH}/${digest}`, bytes)
  }

  #put(what: string, path: string, body: Uint8Array): Promise<unknown> {
    const timeoutMs = LIMITS.requestTimeoutMs
    if (!this.#isOpen) throw lost(undefined)
    return this.#settled(what, timeoutMs, async () =>
      resultOf(await this.#http.ask({ method: 'PUT', path, body, timeoutMs }), this.#url),
    )
  }

  #restReply(request: Extract<ClientRequest, { op: RestOp }>, timeoutMs: number): Promise<unknown> {
    return this.#settled(request.op, timeoutMs, () => this.#ask(request, timeoutMs))
  }

  async #settled(what: string, timeoutMs: number, ask: () => Promise<unknown>): Promise<unknown> {
    try {
      const answer = await ask()
      this.#hasAnswered()
      return answer
    } catch (error) {
      if (!(error instanceof GodwitError)) throw error
      if (error instanceof Refusal) {
        this.#hasAnswered()
        throw fromErrorReport(error)
      }
      if (error.kind === 'peer-stalled') throw notAnswered(what, timeoutMs)
      if (!this.#isOpen) throw lost(undefined)
      this.#end(error)
      throw lost(error)
    }
  }

  /** Errors: `Refusal`, those of `HttpPeer.ask`. */
  async #ask(request: Extract<ClientRequest, { op: RestOp }>, timeoutMs: number): Promise<unknown> {
    const { method, path, body } = toHttp(request)
    const headers = method === 'GET' ? {} : { [IDEMPOTENCY_HEADER]: randomUUID() }
    const answer = await this.#http.ask({ method, path, body, headers, timeoutMs })
    return resultOf(answer, this.#url)
  }

  async #eventsReply(request: ClientRequest, timeoutMs: number): Promise<unknown> {
    const events = await this.#openEvents()
    if (!events.isOpen) throw lost(undefined)
    const id = this.#nextId++
    return new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id)
        reject(notAnswered(request.op, timeoutMs))
      }, timeoutMs)
      this.#pending.set(id, { timer, resolve, reject })
      events.send({ type: 'request', id, request: request as FromClient['request'] })
    })
  }

  #openEvents(): Promise<Events> {
    this.#events ??= this.#dialEvents()
    return this.#events
  }

  async #dialEvents(): Promise<Events> {
    try {
      const socket = await dial(`${this.#url}${EVENTS_PATH}`, this.#access)
      const events: Events = new Channel<ToClient, FromClient>(
        socket,
        toClient,
        {
          message: (message) => this.#receive(message),
          closed: (error) =>
            this.#end(error ?? new GodwitError('connection-lost', 'the coordinator closed the connection')),
        },
        { text: true },
      )
      if (!this.#isOpen) events.close()
      return events
    } catch (error) {
      this.#end(error as GodwitError)
      throw error
    }
  }

  #receive(message: ToClient): void {
    if (!this.#isOpen) return
    if (message.type === 'event') {
      for (const listener of this.#listeners) listener(message.workload, message.event)
      return
    }
    if (message.type === 'changes') {
      for (const listener of this.#watching) listener(message)
      return
    }
    this.#hasAnswered()
    const pending = this.#pending.get(message.id)
    // An answer that came too late for its caller.
    if (pending === undefined) return
    this.#pending.delete(message.id)
    clearTimeout(pending.timer)
    if (message.type === 'reply') pending.resolve(message.result)
    else pending.reject(fromErrorReport(message.error))
  }

  #end(error: GodwitError | undefined): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#http.close()
    this.#events?.then(
      (events) => events.close(),
      () => {},
    )
    for (const { timer, reject } of this.#pending.values()) {
      clearTimeout(timer)
      reject(lost(error))
    }
    this.#pending.clear()
    this.#over(error)
  }
}

/** What the coordinator answered with. */
class Refusal extends GodwitError {}

function resultOf({ status, contentType, text }: HttpAnswer, url: string): unknown {
  if (status === 204) return {}
  let said: unknown
  try {
    said = JSON.parse(text)
  } catch {
    said = undefined
  }
  if (status < 300 && said !== undefined) return said
  const told = contentType === PROBLEM_TYPE ? problem.safeParse(said) : undefined
  if (told?.success !== true)
    throw new GodwitError('unreachable', `what answers at ${url} is no Godwit: HTTP status ${status}`)
  const { kind, detail, phase } = told.data
  throw new Refusal(kind, detail, phase === undefined ? {} : { phase })
}

function isRest(request: ClientRequest): request is Extract<ClientRequest, { op: RestOp }> {
  return isRestOp(request.op)
}

function notAnswered(op: string, timeoutMs: number): GodwitError {
  return new GodwitError('peer-stalled', `the coordinator did not answer ${op} within ${timeoutMs / 1000} s`)
}

/** The error of somebody who still waited for something when the coordinator went. */
export function lost(error: GodwitError | undefined): GodwitError {
  const why = error === undefined ? 'closed' : `lost (${error.message})`
  const kind = error === undefined || error.kind === 'unreachable' ? 'connection-lost' : error.kind
  return new GodwitError(
    kind,
    `the connection to the coordinator was ${why}: what runs goes on without it; try again when it is back`,
  )
}

/** Without the address, which the caller's sentence has already. */
function reason(error: GodwitError): string {
  return error.message.replace(/^nobody answers at \S+: /, '')
}
