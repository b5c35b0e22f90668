/**
 * The coordinator's API as typed calls: one request, one reply, and events of the workloads that are followed.
 *
 * Every reply is checked against the schema of its request before the caller sees it, so that a coordinator of
 * another release is an error with a name and not an undefined somewhere later.
 *
 * Invariants: every request settles, by its reply, by its time limit or by the loss of the connection; events are
 * delivered in order and none is delivered after `closed`.
 */
import { Channel, dial } from '@godwit/channel'
import {
  type ClientEvent,
  type ClientOp,
  type ClientRequestInput,
  checkMessage,
  clientRequest,
  type FromClient,
  fromErrorReport,
  GodwitError,
  LIMITS,
  REPLIES,
  type Reply,
  type ToClient,
  toClient,
} from '@godwit/protocol'
import type { Access } from './access.ts'

export type EventListener = (workload: string, event: ClientEvent) => void

interface Pending {
  readonly op: ClientOp
  readonly timer: NodeJS.Timeout
  resolve(result: unknown): void
  reject(error: GodwitError): void
}

type RequestOf<Op extends ClientOp> = Extract<ClientRequestInput, { op: Op }>

export class CoordinatorClient {
  /** Settles when the connection is over: undefined after `close`. */
  readonly closed: Promise<GodwitError | undefined>
  /** Settles with the first answer, whatever it says; never without one. */
  readonly answered: Promise<void>
  #hasAnswered: () => void = () => {}
  readonly #channel: Channel<ToClient, FromClient>
  readonly #pending = new Map<number, Pending>()
  readonly #listeners = new Set<EventListener>()
  #nextId = 1

  private constructor(socket: Awaited<ReturnType<typeof dial>>) {
    this.answered = new Promise((resolve) => {
      this.#hasAnswered = resolve
    })
    let over: (error: GodwitError | undefined) => void
    this.closed = new Promise((resolve) => {
      over = resolve
    })
    this.#channel = new Channel<ToClient, FromClient>(socket, toClient, {
      message: (message) => this.#receive(message),
      closed: (error) => {
        this.#fail(error)
        over(error)
      },
    })
  }

  /**
   * Connects to a coordinator, e.g. at `ws://127.0.0.1:7070`; `access` is asked for what a secured one wants. Errors:
   * `unreachable`, `bad-arguments`, those of `access` and of `dial`.
   */
  static async connect(
    coordinatorUrl: string,
    access: () => Promise<Access> = async () => ({}),
  ): Promise<CoordinatorClient> {
    try {
      const url = `${coordinatorUrl.replace(/\/+$/, '')}/client`
      return new CoordinatorClient(await dial(url, await access()))
    } catch (error) {
      if (!(error instanceof GodwitError) || error.kind !== 'unreachable') throw error
      throw new GodwitError(
        'unreachable',
        `no coordinator answers at ${coordinatorUrl} (${reason(error)}): start one with "godwit coordinator", or give its address with --coordinator or GODWIT_COORDINATOR`,
        { cause: error },
      )
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
    if (!this.#channel.isOpen) throw lost(undefined)
    const id = this.#nextId++
    const op: Op = request.op
    const result = await new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id)
        reject(
          new GodwitError(
            'peer-stalled',
            `the coordinator did not answer ${op} within ${timeoutMs / 1000} s`,
          ),
        )
      }, timeoutMs)
      this.#pending.set(id, { op, timer, resolve, reject })
      this.#channel.send({ type: 'request', id, request: checked.data })
    })
    return checkMessage(REPLIES[op], result) as Reply<Op>
  }

  /** Events of every workload that this client follows. Returns how to end it. */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get isOpen(): boolean {
    return this.#channel.isOpen
  }

  close(): void {
    this.#channel.close()
  }

  #receive(message: ToClient): void {
    if (message.type === 'event') {
      for (const listener of this.#listeners) listener(message.workload, message.event)
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

  #fail(error: GodwitError | undefined): void {
    for (const { timer, reject } of this.#pending.values()) {
      clearTimeout(timer)
      reject(lost(error))
    }
    this.#pending.clear()
  }
}

/** The error of somebody who still waited for something when the connection went. */
export function lost(error: GodwitError | undefined): GodwitError {
  const why = error === undefined ? 'closed' : `lost (${error.message})`
  return new GodwitError(
    error?.kind ?? 'connection-lost',
    `the connection to the coordinator was ${why}: what runs goes on without it; try again when it is back`,
  )
}

/** Without the address, which the caller's sentence has already. */
function reason(error: GodwitError): string {
  return error.message.replace(/^nobody answers at \S+: /, '')
}
