/**
 * The rounds of a migration that leaves: which pages each takes, and what of them left.
 *
 * It sends what it is told to, and asks before and after whether that is still wanted: meanwhile the migration may have been paused, its park
 * given up, or all be over.
 *
 * Invariants: one round at a time, so that one that was stopped returns its pages before the next begins; every page that did not leave is
 * pending again.
 */
import {
  isDraining,
  isLatestRound,
  type SourceEffect,
  type SourceEvent,
  type SourceState,
} from '@godwit/engine'
import type { Subscription } from '@godwit/memory'
import { PageSet, type RoundReport } from '@godwit/protocol'
import { nowMs } from './clock.ts'
import type { Job, Parked } from './job.ts'
import { type PageSender, pageBytesOf } from './page-sender.ts'
import type { StepWatch } from './step-watch.ts'

export type Effect<Type extends SourceEffect['type']> = Extract<SourceEffect, { type: Type }>

/** How often a round that has nothing to send looks again. */
const IDLE_ROUND_MS = 5

export interface RoundsEdge {
  readonly job: Job
  readonly steps: StepWatch
  /** When the move was asked for. */
  readonly startedMs: number
  state(): SourceState
  /** What the thread parked with. */
  delta(): Parked['delta']
  dispatch(event: SourceEvent): void
  lost(error: unknown): void
}

export class OutgoingRounds {
  readonly #edge: RoundsEdge
  #sender: PageSender | undefined
  #subscription: Subscription | undefined
  #staging: SharedArrayBuffer | undefined
  #sending: Promise<void> = Promise.resolve()
  #pages = 0
  /** Ends the wait of a round that has nothing to send. */
  #wake: () => void = () => {}

  constructor(edge: RoundsEdge) {
    this.#edge = edge
  }

  /** The streams are open. */
  open(sender: PageSender): void {
    this.#sender = sender
    const { job } = this.#edge
    // Now, not when it is needed: its pages' faults would be downtime.
    if (job.maxDeltaBytes !== undefined) this.#staging = job.staging()
  }

  /** Undefined before the streams are open. */
  get sender(): PageSender | undefined {
    return this.#sender
  }

  /** How many pages the latest round has, and how many of them were sent. */
  get progress(): { readonly roundPages: number; readonly roundPagesSent: number } {
    return { roundPages: this.#pages, roundPagesSent: this.#sender?.roundPagesSent ?? 0 }
  }

  /** Those that are still to be sent, as runs; undefined before round 0. */
  waitingRuns(): { firstPage: number; pageCount: number }[] | undefined {
    if (this.#sender === undefined || this.#subscription === undefined) return undefined
    return [...this.#sender.unsent.runs(), ...this.#subscription.pendingPages()]
  }

  send(effect: Effect<'sendRound'>): void {
    this.#afterTheLast(() => this.#sendRound(effect))
  }

  sendFinal(effect: Effect<'sendFinalRound'>): void {
    this.#afterTheLast(() => this.#sendFinalRound(effect))
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

  #afterTheLast(send: () => Promise<void>): void {
    this.#sending = this.#sending.then(send).catch((error: unknown) => this.#edge.lost(error))
  }

  async #sendRound({ round, pauseMs }: Effect<'sendRound'>): Promise<void> {
    const { job, state, dispatch } = this.#edge
    if (pauseMs !== undefined) await this.#pause(pauseMs)
    const begun = { atMs: nowMs(), step: job.control.step }
    if (!isLatestRound(state(), round)) return
    const pages =
      this.#subscription === undefined ? this.#everyPage() : await this.#pendingPages(round, begun.step)
    if (pages === undefined) return
    const { report, bytesPerMs, isWhole } = await this.#send(round, pages, begun)
    if (this.#isOver()) return
    if (!isWhole || !isLatestRound(state(), round)) {
      dispatch({ type: 'roundStopped', round: report })
      return
    }
    const subscription = this.#subscribed()
    subscription.collect()
    dispatch({
      type: 'roundSent',
      round: report,
      pendingPages: subscription.pendingPageCount(),
      bytesPerMs,
      shape: job.control.lastCompute,
    })
  }

  #isOver(): boolean {
    return this.#edge.state().name === 'ended'
  }

  #everyPage(): PageSet {
    const subscription = this.#edge.job.dirtyPages.subscribe()
    this.#subscription = subscription
    return PageSet.full(subscription.pageCount)
  }

  /** A round without pages teaches nothing: waits for a write or a step. Undefined when there is no time left for a round. */
  async #pendingPages(round: number, beganStep: number): Promise<PageSet | undefined> {
    const subscription = this.#subscribed()
    const { job, state } = this.#edge
    for (;;) {
      if (!isLatestRound(state(), round)) return undefined
      subscription.collect()
      if (subscription.pendingPageCount() > 0 || job.control.step !== beganStep) return subscription.take()
      await this.#pause(IDLE_ROUND_MS)
    }
  }

  /** Or until it is woken. */
  async #pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      timer = setTimeout(resolve, ms)
    })
    clearTimeout(timer)
  }

  /** The thread is parked: what is pending, or without any round before everything, and then the delta that it parked with. */
  async #sendFinalRound({ round, attempt }: Effect<'sendFinalRound'>): Promise<void> {
    const { job, state, dispatch, steps } = this.#edge
    // It waited for the round before to stop: the park may have been given up meanwhile, or the migration have ended.
    if (!isDraining(state(), attempt)) return
    const begun = { atMs: nowMs(), step: job.control.step }
    const pages = this.#subscription === undefined ? this.#everyPage() : this.#subscription.take()
    const scannedMs = nowMs()
    const { report, isWhole } = await this.#send(round, pages, begun)
    const sender = this.#sender as PageSender
    const deltaWireBytes = isWhole ? await this.#sendDelta(sender, attempt) : 0
    if (this.#isOver()) return
    const final = {
      ...report,
      wireBytes: report.wireBytes + deltaWireBytes,
      durationMs: nowMs() - begun.atMs,
    }
    // Given up in the very moment in which the last frame left: the next round follows.
    if (!isWhole || !isDraining(state(), attempt)) dispatch({ type: 'roundStopped', round: final })
    else {
      const maxInFlightBytes = sender.inFlight.mostBytes
      const stepSlowdown = steps.measured
      dispatch({ type: 'finalRoundSent', round: final, scannedMs, maxInFlightBytes, stepSlowdown })
    }
  }

  async #sendDelta(sender: PageSender, attempt: number): Promise<number> {
    const [delta, memory] = [this.#edge.delta(), this.#staging]
    if (delta === undefined) return 0
    if (memory === undefined) throw new Error('bug: a delta without memory for it')
    const { byteLength } = delta
    const { control } = this.#edge.job
    return sender.sendDelta(attempt, { memory, byteLength, stagedBytes: () => control.stagedBytes })
  }

  /** What did not leave of a stopped round is pending again. */
  async #send(
    round: number,
    pages: PageSet,
    begun: { atMs: number; step: number },
  ): Promise<{ report: RoundReport; bytesPerMs: number | undefined; isWhole: boolean }> {
    const [sender, subscription] = [this.#sender, this.#subscribed()]
    if (sender === undefined) throw new Error('bug: a round without streams')
    this.#pages = pages.size
    const { wireBytes, codec, bytesPerMs, rest } = await sender.sendRound(round, pages, {
      image: subscription.image(),
      isParked: this.#edge.state().name === 'draining',
    })
    if (rest.size > 0 && !this.#isOver()) subscription.putBack(rest)
    const sent = pages.size - rest.size
    const report: RoundReport = {
      pages: sent,
      pageBytes: pageBytesOf(sent),
      wireBytes,
      startMs: begun.atMs - this.#edge.startedMs,
      durationMs: nowMs() - begun.atMs,
      steps: this.#edge.job.control.step - begun.step,
      codec,
    }
    return { report, bytesPerMs, isWhole: rest.size === 0 }
  }

  #subscribed(): Subscription {
    if (this.#subscription === undefined) throw new Error('bug: a round before round 0')
    return this.#subscription
  }
}
