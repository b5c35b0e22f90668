/** What programs print, between agents that pass it on, the store and those who read it. */
import { GodwitError, type Reply } from '@godwit/protocol'
import type { Logger } from 'pino'
import type { Client, RequestOf } from './client-connection.ts'
import type { Clock } from './clock.ts'
import type { Inventory } from './inventory.ts'
import type { KeyValueStore } from './key-value.ts'
import { LogFeed } from './log-feed.ts'
import { type Printed, ProgramLogs } from './program-logs.ts'

export interface JobLogsEdge {
  readonly store: KeyValueStore
  readonly clock: Clock
  readonly log: Logger
  readonly inventory: Inventory
  /** Undefined for a job that nobody knows. `hosts`: where it is and has been. */
  job(id: string): { readonly isActive: boolean; hosts(): readonly string[] } | undefined
}

export class JobLogs {
  readonly #edge: JobLogsEdge
  readonly #logs: ProgramLogs
  readonly #feed: LogFeed

  constructor(edge: JobLogsEdge) {
    this.#edge = edge
    this.#logs = new ProgramLogs(edge.store, () => edge.clock.calendarMs())
    this.#feed = new LogFeed({
      logs: this.#logs,
      clock: edge.clock,
      isOver: (id) =>
        edge.job(id)?.isActive !== true &&
        edge.inventory.workersOf(id).length === 0 &&
        this.#logs.isQuiet(id),
      failed: (error) => this.#failed(error),
    })
  }

  /**
   * Kept, and answered so. A host speaks for jobs that are on it or have been: of one that never came there is no program to hear of. What
   * is not answered is said again, by a target until the job is its own.
   */
  printed(host: string, printed: Printed): void {
    const { inventory, job } = this.#edge
    const { workerId, workloadId } = printed
    if (job(workloadId)?.hosts().includes(host) !== true) return
    this.#logs.append(workloadId, host, printed).then(
      (place) => {
        inventory.send(host, { type: 'logKept', workerId, place })
        this.changed(workloadId)
      },
      (error: unknown) => this.#failed(error),
    )
  }

  /** There are new lines, or no more will come. */
  changed(id: string): void {
    this.#feed.changed(id)
  }

  async read({ workload, fromLine, tail, limit }: RequestOf<'logs'>): Promise<Reply<'logs'>> {
    const from = await this.#from(workload, fromLine, tail)
    const { lines, firstLine, nextLine } = await this.#logs.read(workload, from, limit)
    const next = (lines.at(-1)?.line ?? nextLine - 1) + 1
    return { lines, firstLine, ...(next < nextLine && { next }) }
  }

  async follow(
    { workload, fromLine, tail }: RequestOf<'followLogs'>,
    client: Client,
  ): Promise<Reply<'followLogs'>> {
    const from = await this.#from(workload, fromLine, tail)
    client.followLogs(workload, this.#feed.follow(workload, client.sink(workload), from))
    return { fromLine: from }
  }

  /** What an earlier job of this name has printed is not this one's. */
  begin(id: string): void {
    this.#logs.forget(id).catch((error: unknown) => this.#failed(error))
  }

  forget(id: string): Promise<void> {
    return this.#logs.forget(id)
  }

  close(): void {
    this.#feed.close()
  }

  /** Never before the first that is kept. Errors: `bad-arguments`. */
  async #from(workload: string, fromLine: number | undefined, tail: number | undefined): Promise<number> {
    if (fromLine !== undefined && tail !== undefined)
      throw new GodwitError(
        'bad-arguments',
        'fromLine says where to begin, and so does tail: give one of them',
      )
    const { firstLine } = await this.#logs.read(workload, 0, 0)
    return tail === undefined ? Math.max(firstLine, fromLine ?? 0) : this.#logs.tailFrom(workload, tail)
  }

  #failed(error: unknown): void {
    if (error instanceof GodwitError) this.#edge.log.warn({ error: error.message }, 'a log was not kept')
    else this.#edge.log.error({ err: error }, 'a bug in the coordinator')
  }
}
