/**
 * What the host gives its outgoing migrations, shared between those that there are.
 *
 * A source limits itself; here is only said to how much. Each gets the same share, whether it needs it or not: a share
 * that is not used is given back by the end of its migration and not by its idling, so the sum never passes the limit.
 *
 * A migration is under way from the order to open it, or from the first word about its progress when an earlier agent gave the order, to
 * the word of its end. One that ends twice, or in a crash, has ended.
 */
import type { FromWorker, ToWorker } from '@godwit/protocol'

export class SharedBandwidth {
  readonly #bytesPerSecond: number | undefined
  readonly #tell: (workerId: string, bytesPerSecond: number | undefined) => void
  readonly #migrating = new Set<string>()

  /** `tell` is called for each source whenever its share has changed; undefined: no limit. */
  constructor(
    bytesPerSecond: number | undefined,
    tell: (workerId: string, bytesPerSecond: number | undefined) => void,
  ) {
    this.#bytesPerSecond = bytesPerSecond
    this.#tell = tell
  }

  /** Before it is sent: the share comes first. */
  toldWorker(workerId: string, { type }: ToWorker): void {
    if (type === 'openOutgoing') this.#begins(workerId)
  }

  heardWorker(workerId: string, { type }: FromWorker): void {
    if (type === 'migrationProgress') this.#begins(workerId)
    else if (type === 'migrationEnded') this.gone(workerId)
  }

  /** A share for something that is no migration, until it is `gone`. Undefined: no limit. */
  lend(name: string): number | undefined {
    this.#begins(name)
    return this.#bytesPerSecond && this.#bytesPerSecond / this.#migrating.size
  }

  gone(workerId: string): void {
    if (this.#migrating.delete(workerId)) this.#share()
  }

  #begins(workerId: string): void {
    if (this.#migrating.has(workerId)) return
    this.#migrating.add(workerId)
    this.#share()
  }

  #share(): void {
    const total = this.#bytesPerSecond
    for (const workerId of this.#migrating)
      this.#tell(workerId, total === undefined ? undefined : total / this.#migrating.size)
  }
}
