/** A scripted coordinator for the agent's tests: accepts agents on a real socket, keeps what they say, and waits for it. */
import {
  Channel,
  type Credentials,
  type Listener,
  type ListenOptions,
  listen,
  type Peer,
} from '@godwit/channel'
import { type FromAgent, fromAgent, type GodwitError, type ToAgent } from '@godwit/protocol'

type Message<Type extends FromAgent['type']> = Extract<FromAgent, { type: Type }>

export class FakeCoordinator {
  readonly received: FromAgent[] = []
  /** What a registration is answered with; undefined: nothing. */
  answer: ToAgent | undefined = { type: 'registered', clusterId: 'test' }
  /** What comes right behind. */
  afterAnswer: ToAgent | undefined
  /** Of a secured one; set before `start`. */
  credentials: Credentials | undefined
  /** Why the next who dials is not let in. */
  refusal: GodwitError | undefined
  /** What is asked for over HTTP; set before `start`. */
  http: ListenOptions['http']
  /** Who has dialled. */
  readonly peers: Peer[] = []
  #listener: Listener | undefined
  #channel: Channel<FromAgent, ToAgent> | undefined
  #waiting: (() => void)[] = []

  /** `port` 0: any free one, otherwise the one of before. */
  async start(port = 0): Promise<string> {
    this.#listener = await listen({
      at: { host: '127.0.0.1', ports: [port] },
      ...(this.credentials && { credentials: this.credentials }),
      ...(this.http && { http: this.http }),
      admit: (peer) => {
        this.peers.push(peer)
        return this.refusal
      },
      connected: (socket) => {
        const channel = new Channel<FromAgent, ToAgent>(socket, fromAgent, {
          message: (message) => {
            if (message.type === 'register') {
              this.#channel = channel
              if (this.answer !== undefined) channel.send(this.answer)
              if (this.afterAnswer !== undefined) channel.send(this.afterAnswer)
            }
            this.received.push(message)
            for (const wake of this.#waiting.splice(0)) wake()
          },
          closed: () => {},
        })
      },
    })
    return this.url
  }

  get url(): string {
    return `${this.credentials === undefined ? 'ws' : 'wss'}://127.0.0.1:${this.#listener?.port}`
  }

  get port(): number {
    return this.#listener?.port ?? 0
  }

  send(message: ToAgent): void {
    this.#channel?.send(message)
  }

  async stop(): Promise<void> {
    await this.#listener?.close()
  }

  /** The first message of `type` for which `matches` holds, now or later; `from`: not one of so many that came first. */
  async first<Type extends FromAgent['type']>(
    type: Type,
    matches: (message: Message<Type>) => boolean = () => true,
    from = 0,
  ): Promise<Message<Type>> {
    // Each is looked at once: beside one that floods there would be no end of it.
    for (let at = from; ; at++) {
      while (at >= this.received.length) await new Promise<void>((resolve) => this.#waiting.push(resolve))
      const message = this.received[at] as FromAgent
      if (message.type === type && matches(message as Message<Type>)) return message as Message<Type>
    }
  }

  /** Settles when so many messages of `type` have come. */
  async count(type: FromAgent['type'], least: number): Promise<void> {
    while (this.received.filter((message) => message.type === type).length < least)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** The first message of `type` that this worker sent. */
  async fromWorker(workerId: string, type: string): Promise<Message<'fromWorker'>> {
    return this.first('fromWorker', (each) => each.workerId === workerId && each.message.type === type)
  }

  exited(workerId: string): Promise<Message<'workerExited'>> {
    return this.first('workerExited', (each) => each.workerId === workerId)
  }
}
