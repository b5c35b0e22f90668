/**
 * The rounds of a simulated migration that leaves, as the worker room's outgoing-rounds.ts sends them, on simulated pages.
 *
 * Invariants: one round at a time; every page that did not leave is pending again.
 */
import {
  isDraining,
  isLatestRound,
  type SourceEffect,
  type SourceEvent,
  type SourceState,
} from '@godwit/engine'
import { PAGE_BYTES, PageSet, type RoundReport } from '@godwit/protocol'
import type { Subscription } from './dirty.ts'
import type { SimJob } from './job.ts'
import type { PageSender, Sent } from './page-sender.ts'
import type { ThreadParked } from './training.ts'

export type Effect<Type extends SourceEffect['type']> = Extract<SourceEffect, { type: Type }>

const IDLE_ROUND_MS = 20

export interface RoundsEdge {
  readonly job: SimJob
  state(): SourceState
  /** What the thread parked with. */
  delta(): ThreadParked['delta']
  dispatch(event: SourceEvent): void
}

export class SimOutgoingRounds {
  readonly #edge: RoundsEdge
  readonly #queue: ((next: () => void) => void)[] = []
  #isSending = false
  #sender: PageSender | undefined
  #subscription: Subscription | undefined
  #wake: () => void = () => {}

  constructor(edge: RoundsEdge) {
    this.#edge = edge
  }

  /** The streams are open. */
  open(sender: PageSender): void {
    this.#sender = sender
  }

  /** Undefined before the streams are open. */
  get sender(): PageSender | undefined {
    return this.#sender
  }

  send({ round, pauseMs = 0 }: Effect<'sendRound'>): void {
    this.#afterTheLast((next) => this.#afterPause(pauseMs, () => this.#sendRound(round, next)))
  }

  sendFinal(effect: Effect<'sendFinalRound'>): void {
    this.#afterTheLast((next) => this.#sendFinalRound(effect, next))
  }

  /** The one that is under way sends no more. */
  stop(): void {
    this.#sender?.stop()
    this.#wake()
  }

  /** One that waits for pages, or until it is time, waits no longer. */
  hurry(): void {
    this.#wake()
  }

  end(): void {
    this.#subscription?.end()
    this.#subscription = undefined
  }

  #afterTheLast(send: (next: () => void) => void): void {
    this.#queue.push(send)
    if (!this.#isSending) this.#sendNext()
  }

  #sendNext(): void {
    const send = this.#queue.shift()
    this.#isSending = send !== undefined
    send?.(() => this.#sendNext())
  }

  #isOver(): boolean {
    return this.#edge.state().name === 'ended'
  }

  #sendRound(round: number, next: () => void): void {
    const { job, state } = this.#edge
    const begun = { atMs: job.process.nowMs(), step: job.training.step }
    if (!isLatestRound(state(), round)) return next()
    if (this.#subscription === undefined) {
      this.#subscription = job.dirty.subscribe()
      return this.#send(round, PageSet.full(job.shape.pages), begun, next)
    }
    this.#whenPending(round, begun.step, (pages) => {
      if (pages === undefined) next()
      else this.#send(round, pages, begun, next)
    })
  }

  #whenPending(round: number, beganStep: number, then: (pages: PageSet | undefined) => void): void {
    const { job, state } = this.#edge
    if (!isLatestRound(state(), round)) return then(undefined)
    const subscription = this.#subscribed()
    if (subscription.pending.size > 0 || job.training.step !== beganStep) return then(subscription.take())
    this.#afterPause(IDLE_ROUND_MS, () => this.#whenPending(round, beganStep, then))
  }

  /** Or when it is woken. */
  #afterPause(ms: number, then: () => void): void {
    if (ms === 0) return then()
    let isWoken = false
    const wake = (): void => {
      if (isWoken) return
      isWoken = true
      then()
    }
    this.#wake = wake
    this.#edge.job.process.after(ms, wake)
  }

  #send(round: number, pages: PageSet, begun: { atMs: number; step: number }, next: () => void): void {
    const { job, state, dispatch } = this.#edge
    const { process, training, shape } = job
    const sender = this.#sender
    if (sender === undefined) throw new Error('bug: a round without streams')
    sender.sendRound(round, pages, training.memory.pages, (sent) => {
      const report = this.#reportOf(pages, sent, begun)
      if (this.#isOver()) return next()
      if (sent.rest.size > 0 || !isLatestRound(state(), round)) {
        dispatch({ type: 'roundStopped', round: report })
        return next()
      }
      const pendingPages = this.#subscribed().pending.size
      const learnt = { pendingPages, bytesPerMs: sent.bytesPerMs }
      const lessons = shape.splits ? { ...learnt, shape: training.lastCompute } : learnt
      // A round that had nothing to wait for is no shorter than the real one's turns of the event loop.
      process.after(0.2, () => {
        if (this.#isOver()) return next()
        if (isLatestRound(state(), round)) dispatch({ type: 'roundSent', round: report, ...lessons })
        else dispatch({ type: 'roundStopped', round: report })
        next()
      })
    })
  }

  /** What did not leave of a stopped round is pending again. */
  #reportOf(pages: PageSet, { rest, wireBytes }: Sent, begun: { atMs: number; step: number }): RoundReport {
    if (rest.size > 0 && !this.#isOver()) this.#subscribed().putBack(rest)
    const sent = pages.size - rest.size
    return {
      pages: sent,
      pageBytes: sent * PAGE_BYTES,
      wireBytes,
      durationMs: this.#edge.job.process.nowMs() - begun.atMs,
      steps: this.#edge.job.training.step - begun.step,
      codec: 'raw',
    }
  }

  #sendFinalRound({ round, attempt }: Effect<'sendFinalRound'>, next: () => void): void {
    const { job, state, delta, dispatch } = this.#edge
    const { process, training } = job
    const sender = this.#sender
    if (!isDraining(state(), attempt) || sender === undefined) return next()
    const begun = { atMs: process.nowMs(), step: training.step }
    const isFirst = this.#subscription === undefined
    if (isFirst) this.#subscription = job.dirty.subscribe()
    const pages = isFirst ? PageSet.full(job.shape.pages) : this.#subscribed().take()
    const scannedMs = process.nowMs()
    sender.sendRound(round, pages, training.memory.pages, (sent) => {
      const report = this.#reportOf(pages, sent, begun)
      const finish = (deltaWireBytes: number): void => {
        if (this.#isOver()) return next()
        const final = { ...report, wireBytes: report.wireBytes + deltaWireBytes }
        if (sent.rest.size > 0 || !isDraining(state(), attempt))
          dispatch({ type: 'roundStopped', round: final })
        else {
          const maxInFlightBytes = sender.mostInFlight
          dispatch({ type: 'finalRoundSent', round: final, scannedMs, maxInFlightBytes })
        }
        next()
      }
      const parkedWith = delta()
      if (sent.rest.size > 0 || parkedWith === undefined) finish(0)
      else sender.sendDelta(attempt, job.stagedDelta(parkedWith), finish)
    })
  }

  #subscribed(): Subscription {
    if (this.#subscription === undefined) throw new Error('bug: a round before round 0')
    return this.#subscription
  }
}
