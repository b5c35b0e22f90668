/**
 * Outputs on their way to the coordinator, as the worker room's Outputs keeps them, on simulated time: kept until
 * acknowledged, sent in batches, sent again to an agent that connects anew, adopted with their stamps by a target.
 */
import { LIMITS, type Output } from '@godwit/protocol'
import type { Process } from './process.ts'

export class Spool {
  readonly #process: Process
  readonly #send: (outputs: Output[]) => void
  #outputs: Output[] = []
  #unsentFrom = 0
  #cancelTimer: (() => void) | undefined
  #flushedMs = Number.NEGATIVE_INFINITY

  constructor(process: Process, send: (outputs: Output[]) => void) {
    this.#process = process
    this.#send = send
  }

  get all(): readonly Output[] {
    return this.#outputs
  }

  add(output: Output): void {
    this.#outputs.push(output)
    const quietMs = this.#process.nowMs() - this.#flushedMs
    if (quietMs >= LIMITS.outputBatchMs) this.flush()
    else this.#cancelTimer ??= this.#process.after(LIMITS.outputBatchMs - quietMs, () => this.flush())
  }

  adopt(outputs: readonly Output[]): void {
    this.#outputs = [...outputs, ...this.#outputs]
    this.resend()
  }

  acknowledge(step: number): void {
    const kept = this.#outputs.filter((output) => output.step > step)
    this.#unsentFrom = Math.max(0, this.#unsentFrom - (this.#outputs.length - kept.length))
    this.#outputs = kept
  }

  resend(): void {
    this.#unsentFrom = 0
    this.flush()
  }

  flush(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#flushedMs = this.#process.nowMs()
    while (this.#unsentFrom < this.#outputs.length) {
      const batch = this.#outputs.slice(this.#unsentFrom, this.#unsentFrom + LIMITS.maxOutputsPerMessage)
      this.#unsentFrom += batch.length
      this.#send(batch)
    }
  }
}
