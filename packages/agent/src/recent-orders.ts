/**
 * The orders that a worker was sent and may not have read.
 *
 * A worker that stood still for longer than its connection's timeout reads nothing of that time when it wakes (channel.ts), and its
 * agent noticed the silence only at the end of it. So what was sent within that time before a connection was lost is sent again on
 * the next one. Every order can be heard twice without harm; an older one of the same kind is made void by a newer, and would be
 * about a migration that is over.
 *
 * Invariants: one order of each kind is kept, the newest; they are given in the order in which they were sent.
 */
import { LIMITS, type ToWorker } from '@godwit/protocol'

/** From a worker's last sign of life to the loss of its connection, with the time that a busy machine takes to see it. */
const UNHEARD_MS = 2 * LIMITS.heartbeatTimeoutMs

interface Sent {
  readonly order: ToWorker
  readonly atMs: number
}

export class RecentOrders {
  readonly #sent = new Map<ToWorker['type'], Sent>()
  #lostMs: number | undefined

  sent(order: ToWorker, nowMs: number): void {
    // Whoever asked for an estimate has given up by the time that it would be sent again.
    if (order.type === 'estimate') return
    this.#sent.delete(order.type)
    this.#sent.set(order.type, { order, atMs: nowMs })
  }

  /** The connection on which they were sent is lost. */
  lost(nowMs: number): void {
    this.#lostMs ??= nowMs
  }

  /** There is a new connection: what is to be sent on it again. Nothing, unless one was lost. */
  takeUnheard(): ToWorker[] {
    const lostMs = this.#lostMs
    if (lostMs === undefined) return []
    const unheard = [...this.#sent.values()].filter(({ atMs }) => atMs >= lostMs - UNHEARD_MS)
    this.#lostMs = undefined
    this.#sent.clear()
    return unheard.map(({ order }) => order)
  }
}
