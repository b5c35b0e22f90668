/**
 * Rehearsals: a worker is started at the target as for a move, sets the job up, takes its first steps, says who it is, and is killed.
 *
 * What only the target's host can say is found out by doing it, in a process of its own that the host's limits hold for: the words in
 * which it fails are those of a move. It is in no inventory, and nothing is written down: a coordinator that starts anew knows nothing of it, and
 * has its agent kill it as a worker that nobody needs.
 *
 * Invariants: one at a time on a host; each ends, by its own word, its exit, the loss of its host, or after `rehearsalTimeoutMs`, and is then
 * killed; the job's own workers hear nothing of it.
 */
import {
  type ErrorReport,
  type FromAgent,
  fromErrorReport,
  GodwitError,
  type Launch,
  LIMITS,
} from '@godwit/protocol'
import type { Clock } from './clock.ts'
import type { Inventory } from './inventory.ts'
import type { Prepared } from './workload-life.ts'

type Said<Type extends FromAgent['type']> = Extract<FromAgent, { type: Type }>

interface Rehearsal {
  readonly workerId: string
  prepared(message: Prepared): void
  failed(error: GodwitError): void
}

export class Rehearsals {
  readonly #inventory: Inventory
  readonly #clock: Clock
  readonly #byHost = new Map<string, Rehearsal>()

  constructor(inventory: Inventory, clock: Clock) {
    this.#inventory = inventory
    this.#clock = clock
  }

  /** Errors: `host-disconnected`, `too-busy`, `setup-timeout`, and what keeps the worker from being ready. */
  async rehearse(host: string, launch: Launch): Promise<Prepared> {
    this.#inventory.connectedHost(host)
    if (this.#byHost.has(host))
      throw new GodwitError('too-busy', `another job is being tried on ${host}: ask again in a moment`)
    const { workerId } = launch
    let cancel = (): void => {}
    try {
      return await new Promise((resolve, reject) => {
        this.#byHost.set(host, { workerId, prepared: resolve, failed: reject })
        const seconds = LIMITS.rehearsalTimeoutMs / 1000
        cancel = this.#clock.after(LIMITS.rehearsalTimeoutMs, () =>
          reject(new GodwitError('setup-timeout', `${host} had not set the job up within ${seconds} s`)),
        )
        this.#inventory.send(host, { type: 'launch', launch })
      })
    } finally {
      cancel()
      this.#byHost.delete(host)
      this.#inventory.send(host, { type: 'kill', workerId })
    }
  }

  /** Whether it was said in a rehearsal. */
  heard(host: string, { workerId, message }: Said<'fromWorker'>): boolean {
    const rehearsal = this.#of(host, workerId)
    if (message.type === 'prepared') rehearsal?.prepared(message)
    if (message.type === 'failed') rehearsal?.failed(fromErrorReport(message.error))
    return rehearsal !== undefined
  }

  exited(host: string, { workerId, error }: Said<'workerExited'>): boolean {
    const rehearsal = this.#of(host, workerId)
    const why: ErrorReport = error ?? { kind: 'worker-crashed', message: 'it ended before it was ready' }
    rehearsal?.failed(fromErrorReport(why))
    return rehearsal !== undefined
  }

  hostLost(host: string): void {
    this.#byHost
      .get(host)
      ?.failed(new GodwitError('host-disconnected', `the agent of ${host} is not connected`))
  }

  #of(host: string, workerId: string): Rehearsal | undefined {
    const rehearsal = this.#byHost.get(host)
    return rehearsal?.workerId === workerId ? rehearsal : undefined
  }
}
