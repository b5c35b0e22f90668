/**
 * What the host gives its outgoing migrations, shared between those that there are.
 *
 * A source limits itself; here is only said to how much. Each gets a share by its priority, whether it needs it or not: a share
 * that is not used is given back by the end of its migration and not by its idling, so the sum never passes the limit.
 *
 * A migration is under way from the order to open it, or from the first word about its progress when an earlier agent gave the order, to
 * the word of its end. One that ends twice, or in a crash, has ended.
 */
import type { FromWorker, Priority, ToWorker } from '@godwit/protocol'

const WEIGHTS: Readonly<Record<Priority, number>> = { high: 4, normal: 2, low: 1 }

export class SharedBandwidth {
  readonly #bytesPerSecond: number | undefined
  readonly #tell: (workerId: string, bytesPerSecond: number | undefined) => void
  /** With the weight of each. */
  readonly #migrating = new Map<string, number>()

  /** `tell` is called for each source whenever its share has changed; undefined: no limit. */
  constructor(
    bytesPerSecond: number | undefined,
    tell: (workerId: string, bytesPerSecond: number | undefined) => void,
  ) {
    this.#bytesPerSecond = bytesPerSecond
    this.#tell = tell
  }

  /** Before it is sent: the share comes first. */
  toldWorker(workerId: string, message: ToWorker): void {
    if (message.type === 'openOutgoing') this.#begins(workerId, WEIGHTS[message.options.priority])
  }

  heardWorker(workerId: string, { type }: FromWorker): void {
    if (type === 'migrationProgress') this.#begins(workerId, this.#migrating.get(workerId) ?? WEIGHTS.normal)
    else if (type === 'migrationEnded') this.gone(workerId)
  }

  /** A share for something that is no migration, until it is `gone`. Undefined: no limit. */
  lend(name: string): number | undefined {
    this.#begins(name, WEIGHTS.normal)
    return this.#shareOf(name)
  }

  gone(workerId: string): void {
    if (this.#migrating.delete(workerId)) this.#share()
  }

  #begins(workerId: string, weight: number): void {
    if (this.#migrating.get(workerId) === weight) return
    this.#migrating.set(workerId, weight)
    this.#share()
  }

  #share(): void {
    for (const workerId of this.#migrating.keys()) this.#tell(workerId, this.#shareOf(workerId))
  }

  #shareOf(name: string): number | undefined {
    const total = this.#bytesPerSecond
    if (total === undefined) return undefined
    const weights = [...this.#migrating.values()].reduce((sum, weight) => sum + weight, 0)
    return (total * (this.#migrating.get(name) ?? 0)) / weights
  }
}
