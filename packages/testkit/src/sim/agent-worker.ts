/**
 * One worker process as its agent has it: connected to, listened to, and its end told exactly once, after every
 * message that the worker got out. What the agent room's worker-process.ts does, on simulated time.
 */
import { RecentOrders } from '@godwit/agent'
import { type ErrorReport, type FromWorker, LIMITS, type ToWorker } from '@godwit/protocol'
import type { End } from './connection.ts'
import type { Network } from './network.ts'
import type { Process } from './process.ts'
import { crashed, type SimWorker } from './worker.ts'

const FIRST_DIAL_MS = 25
/** How soon the end of a process that is not our child is noticed. */
const POLL_MS = 500
const MAX_WAITING = 1000

export interface AgentWorkerHandlers {
  message(message: FromWorker): void
  exited(error: ErrorReport | undefined): void
}

export class AgentWorker {
  readonly worker: SimWorker
  readonly #process: Process
  readonly #network: Network
  readonly #handlers: AgentWorkerHandlers
  readonly #isChild: boolean
  readonly #open = new Set<End>()
  /** On which it has said who it is. */
  #channel: End | undefined
  #newest: End | undefined
  #isDialling = false
  #waiting: ToWorker[] = []
  readonly #orders = new RecentOrders()
  #isKnown = false
  #hasEnded = false
  #isOver = false
  #wasTold = false
  #reason: ErrorReport | undefined

  constructor(
    process: Process,
    network: Network,
    { worker, isChild }: { worker: SimWorker; isChild: boolean },
    handlers: AgentWorkerHandlers,
  ) {
    this.worker = worker
    this.#process = process
    this.#network = network
    this.#handlers = handlers
    this.#isChild = isChild
    worker.process.onDeath(() => {
      process.after(isChild ? 1 : process.random.between(1, POLL_MS), () => this.#ended())
    })
    this.#dial()
  }

  send(message: ToWorker): void {
    if (message.type === 'stop' || message.type === 'release') this.#expectEnd()
    if (this.#channel !== undefined) this.#sendOn(this.#channel, message)
    else if (this.#waiting.push(message) > MAX_WAITING) this.#kill()
  }

  #sendOn(end: End, message: ToWorker): void {
    this.#orders.sent(message, this.#process.nowMs())
    end.send(message)
  }

  /** SIGKILL. */
  kill(): void {
    if (this.#hasEnded) return
    this.#expectEnd()
    this.#kill()
  }

  /** Connects anew, so that the worker says again what was not acknowledged. */
  reconnect(): void {
    if (!this.#isDialling && this.#newest?.isOpen === true) this.#dial()
  }

  #expectEnd(): void {
    if (this.#reason === undefined) this.#wasTold = true
  }

  #kill(): void {
    // Late, as a process that was stopped before it could.
    this.#process.leave(() => this.worker.end('killed', null))
  }

  #dial(): void {
    if (this.#hasEnded) return
    this.#isDialling = true
    this.#network.dial(this.#process, this.worker.address, 'worker', {
      failed: () => this.#again(),
      open: (end) => this.#talk(end),
    })
  }

  #again(): void {
    this.#isDialling = true
    this.#process.after(this.#isKnown ? LIMITS.reconnectDelayMs : FIRST_DIAL_MS, () => {
      this.#dial()
    })
  }

  #talk(end: End): void {
    this.#isDialling = false
    this.#open.add(end)
    this.#newest = end
    end.listen({
      message: (message: FromWorker) => {
        if (message.type === 'hello') return this.#hello(end)
        if (message.type === 'failed') this.#reason ??= message.error
        this.#handlers.message(message)
      },
      closed: () => {
        this.#open.delete(end)
        if (this.#channel === end) {
          this.#channel = undefined
          this.#orders.lost(this.#process.nowMs())
        }
        if (this.#newest === end && !this.#isDialling) this.#again()
        this.#tellEnd()
      },
    })
  }

  #hello(end: End): void {
    this.#isKnown = true
    const before = this.#channel
    this.#channel = end
    for (const message of [...this.#orders.takeUnheard(), ...this.#waiting.splice(0)])
      this.#sendOn(end, message)
    if (before !== undefined && before !== end) this.#process.after(LIMITS.repeatMs, () => before.close())
  }

  #ended(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#process.after(LIMITS.stopGraceMs, () => {
      this.#open.clear()
      this.#tellEnd()
    })
    this.#tellEnd()
  }

  /** Once all that it said has been heard. */
  #tellEnd(): void {
    if (!this.#hasEnded || this.#isOver || this.#open.size > 0) return
    this.#isOver = true
    this.#handlers.exited(this.#error())
  }

  #error(): ErrorReport | undefined {
    if (this.#isChild && this.worker.exitCode === 0 && this.#isKnown) return undefined
    if (this.#reason !== undefined) return this.#reason
    if (!this.#isChild && this.#wasTold) return undefined
    return crashed(this.worker.process.name)
  }
}
