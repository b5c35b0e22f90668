/**
 * The agent's one connection to the coordinator: registered first, then messages both ways, and made again
 * whenever it is lost.
 *
 * The first connection is different from the later ones: when a person starts an agent and nobody answers, the
 * address is most likely wrong, and saying so beats trying forever. Afterwards there are workers that train, the
 * coordinator is known to have been there, and it is tried until it is back, with delays that grow and are spread
 * at random so that a thousand agents do not return at the same instant.
 *
 * The first connection of an agent that found workers is like a later one: they train, and would be orphans without it.
 *
 * A worker whose end waits to be told still counts as running here when the host registers: the coordinator calls
 * one that is missing crashed, forgets it, and would hear nothing of the reason that comes right behind.
 *
 * Invariants: messages leave in the order in which they were given, none before `registered`; what is given while
 * there is no connection waits as far as it is worth it (backlog.ts), and goes out after the next registration.
 */
import { Channel, type DialSecurity, dial, reconnectDelayMs } from '@godwit/channel'
import {
  type ErrorKind,
  type FromAgent,
  fromErrorReport,
  GodwitError,
  LIMITS,
  MIN_PROTOCOL_VERSION,
  type ToAgent,
  toAgent,
  tolerant,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import { Backlog } from './backlog.ts'

export type Register = Extract<FromAgent, { type: 'register' }>
type Registered = Extract<ToAgent, { type: 'registered' }>
export type CoordinatorMessage = Exclude<ToAgent, { type: 'registered' | 'refused' }>

/** Errors with which an attempt may end because the coordinator is not there; all others it has said. */
const AWAY: readonly ErrorKind[] = ['unreachable', 'connection-lost', 'peer-stalled']

export interface LinkOptions {
  /** The coordinator's address, e.g. ws://127.0.0.1:7070. */
  coordinatorUrl: string
  /** Asked at each connection, since certificates are renewed; undefined in a cluster that is not secured. */
  security(): DialSecurity | undefined
  /** Asked at each registration: the workers change. */
  register(): Register
  /** Accepted by this cluster, and not yet at its service. Throws for one that the host can't serve. */
  accepted(clusterId: string): void
  /** Accepted, for the first time or again, and this version of the protocol is spoken. */
  registered?(version: number): void
  message(message: CoordinatorMessage): void
  /** There is something here that must not be left alone, even if the first attempt fails. */
  mustGoOn(): boolean
  /** Registered after a loss: what went into the lost connection may never have arrived. */
  registeredAgain(): void
  log: Logger
}

export class CoordinatorLink {
  readonly #options: LinkOptions
  readonly #url: string
  readonly #backlog = new Backlog()
  #channel: Channel<ToAgent | null, FromAgent> | undefined
  #registered = false
  #version = MIN_PROTOCOL_VERSION
  #closed = false
  #retry: NodeJS.Timeout | undefined
  #failures = 0
  #isAccepted: () => void = () => {}
  /** Settles when the coordinator has accepted the host for the first time. */
  readonly registered = new Promise<void>((resolve) => {
    this.#isAccepted = resolve
  })

  constructor(options: LinkOptions) {
    this.#options = options
    this.#url = `${options.coordinatorUrl.replace(/\/+$/, '')}/agent`
  }

  /**
   * Connects and registers, or goes on trying where it must. Errors: `unreachable`, `bad-arguments`, what the coordinator
   * refuses with, and what `accepted` throws.
   */
  async start(): Promise<void> {
    try {
      await this.#connect()
    } catch (error) {
      if (error instanceof GodwitError && this.#options.mustGoOn()) {
        this.#lost(error)
        return
      }
      await this.close()
      if (!(error instanceof GodwitError) || error.kind !== 'unreachable') throw error
      throw new GodwitError(
        'unreachable',
        `${error.message}. Is the coordinator running there? Start one with: godwit coordinator. Or give its address with --coordinator`,
        { cause: error },
      )
    }
  }

  send(message: FromAgent): void {
    if (this.#registered) {
      this.#channel?.send(message)
      return
    }
    if (this.#closed) return
    const dropped = this.#backlog.add(message)
    if (dropped > 0) this.#options.log.debug({ dropped }, 'too many outputs wait for the coordinator')
  }

  /** What is of no use later, and known since `version`: to a coordinator that is there and speaks that. */
  sendNow(message: FromAgent, version: number): void {
    if (this.#registered && this.#version >= version) this.#channel?.send(message)
  }

  /** Closes for good, and settles when what was sent before has gone out, or the peer takes no more. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    const channel = this.#channel
    if (channel !== undefined) await new Promise<void>((resolve) => channel.close(resolve))
  }

  /** Settles once registered. A connection that is lost later comes back by itself. */
  async #connect(): Promise<void> {
    const security = this.#options.security()
    const socket = await dial(this.#url, security && { security })
    await new Promise<void>((resolve, reject) => {
      const channel = new Channel<ToAgent | null, FromAgent>(socket, tolerant(toAgent), {
        message: (message) => {
          if (message === null) {
            this.#options.log.debug('the coordinator says something that this release does not know')
            return
          }
          if (message.type === 'registered') {
            try {
              this.#accepted(message)
              resolve()
            } catch (error) {
              reject(error as Error)
              channel.close()
            }
          } else if (message.type === 'refused') {
            reject(fromErrorReport(message.error))
            channel.close()
          } else if (this.#registered) {
            this.#options.message(message)
          } else {
            channel.end(new GodwitError('out-of-order', `${message.type} before the agent was registered`))
          }
        },
        closed: (error) => {
          clearTimeout(answerTimer)
          this.#channel = undefined
          const wasRegistered = this.#registered
          this.#registered = false
          reject(error ?? new GodwitError('connection-lost', 'the coordinator closed the connection'))
          if (wasRegistered) this.#lost(error)
        },
      })
      const answerTimer = setTimeout(() => {
        if (!this.#registered) {
          channel.end(new GodwitError('peer-stalled', `${this.#url} answers, but not as a coordinator would`))
        }
      }, LIMITS.helloTimeoutMs)
      this.#channel = channel
      if (this.#closed) channel.close()
      else channel.send(this.#register())
    })
  }

  #register(): Register {
    const register = this.#options.register()
    const workers = [...new Set([...register.workers, ...this.#backlog.exited()])]
    return { ...register, workers: workers.slice(0, LIMITS.maxWorkers) }
  }

  /** Nothing is obeyed or told before the cluster is known to be ours: `kill` for what it does not know comes right behind. */
  #accepted({ clusterId, version = MIN_PROTOCOL_VERSION }: Registered): void {
    this.#options.accepted(clusterId)
    this.#registered = true
    this.#version = version
    this.#failures = 0
    for (const message of this.#backlog.take()) this.#channel?.send(message)
    this.#options.registered?.(version)
    this.#isAccepted()
  }

  #lost(error: GodwitError | undefined): void {
    if (this.#closed) return
    const delayMs = reconnectDelayMs(this.#failures++)
    const isAway = error === undefined || AWAY.includes(error.kind)
    const what = isAway ? 'the coordinator is gone' : 'this host and the coordinator do not get on'
    this.#options.log.warn({ error: error?.message, delayMs }, `${what}, trying again`)
    this.#retry = setTimeout(() => {
      this.#connect().then(
        () => {
          this.#options.log.info('registered again')
          this.#options.registeredAgain()
        },
        (cause: GodwitError) => this.#lost(cause),
      )
    }, delayMs)
  }
}
