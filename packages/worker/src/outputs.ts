/**
 * Outputs on their way to the coordinator: stamped, spooled until acknowledged, sent in batches.
 *
 * A step that was reported and not acknowledged might never have arrived, so it is kept and sent again when an
 * agent connects anew; the coordinator drops what it has already accepted. The spool is bounded: the thread itself holds
 * when it is so many steps ahead of what is acknowledged, because it may step faster than messages are read here.
 * What is left of it moves with the job, stamps and all.
 *
 * Batching: a step of a millisecond would cost three processes a message each. The first output after a quiet
 * `batchMs` goes out at once, what follows within it goes together.
 */
import { LIMITS, type Output } from '@godwit/protocol'

export class Outputs {
  readonly #send: (outputs: Output[]) => void
  readonly #batchMs: number
  #spool: Output[] = []
  #unsentFrom = 0
  #timer: NodeJS.Timeout | undefined
  #lastFlushMs = 0

  constructor(send: (outputs: Output[]) => void, batchMs: number = LIMITS.outputBatchMs) {
    this.#send = send
    this.#batchMs = batchMs
  }

  /** Not acknowledged yet, in order of steps. */
  get spooled(): readonly Output[] {
    return this.#spool
  }

  add(output: Output): void {
    this.#spool.push(output)
    const quietMs = performance.now() - this.#lastFlushMs
    if (quietMs >= this.#batchMs) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), this.#batchMs - quietMs)
  }

  /** Takes over what another worker spooled: it comes before anything of our own. */
  adopt(spool: readonly Output[]): void {
    this.#spool = [...spool, ...this.#spool]
    this.#unsentFrom = 0
    this.flush()
  }

  /** Every step up to `step` is accepted. */
  acknowledge(step: number): void {
    const kept = this.#spool.filter((output) => output.step > step)
    this.#unsentFrom = Math.max(0, this.#unsentFrom - (this.#spool.length - kept.length))
    this.#spool = kept
  }

  /** An agent has connected: whatever the last one did with what it got, send it again. */
  resend(): void {
    this.#unsentFrom = 0
    this.flush()
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#lastFlushMs = performance.now()
    while (this.#unsentFrom < this.#spool.length) {
      const batch = this.#spool.slice(this.#unsentFrom, this.#unsentFrom + LIMITS.maxOutputsPerMessage)
      this.#unsentFrom += batch.length
      this.#send(batch)
    }
  }
}
