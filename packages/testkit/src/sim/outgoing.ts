/**
 * The source's edge in the simulation: carries out what the engine's real source machine asks for, on simulated pages.
 * What the worker room's outgoing.ts does around that machine is done here in the same order.
 */
import {
  ClockEstimate,
  type Ending,
  isPausing,
  percentDone,
  progressFactsOf,
  type SourceConfig,
  type SourceEffect,
  type SourceEvent,
  type SourceState,
  startSource,
  statusOf,
  stepSource,
  timeLeftMs,
} from '@godwit/engine'
import {
  type ErrorReport,
  type FromSource,
  type FromTarget,
  LIMITS,
  type MigrationReport,
  PAGE_BYTES,
  PageSet,
  type RoundReport,
  type ToWorker,
} from '@godwit/protocol'
import type { End } from './connection.ts'
import type { Subscription } from './dirty.ts'
import type { SimJob } from './job.ts'
import { PageSender, type Sent } from './page-sender.ts'
import { digestOf, hex64 } from './program.ts'
import type { ThreadParked } from './training.ts'

type Open = Extract<ToWorker, { type: 'openOutgoing' }>
type Effect<Type extends SourceEffect['type']> = Extract<SourceEffect, { type: Type }>

const FIRST_PINGS = 3
/** The real one looks more often. */
const TICK_MS = 250
const IDLE_ROUND_MS = 20

export class SimOutgoing {
  readonly migrationId: string
  readonly #job: SimJob
  readonly #open: Open
  readonly #over: () => void
  readonly #clock = new ClockEstimate()
  readonly #queue: SourceEvent[] = []
  #bulk: (End | undefined)[] = []
  #port: number | undefined
  #ending: Ending | undefined
  readonly #sendQueue: ((next: () => void) => void)[] = []
  #state: SourceState
  #stopListening: () => void = () => {}
  #stopTicking: () => void = () => {}
  #control: End | undefined
  #sender: PageSender | undefined
  #subscription: Subscription | undefined
  #parked: ThreadParked | undefined
  #park = 0
  #notices = 0
  #pings = 0
  #percent = 0
  #ticks = 0
  #isStepping = false
  #isSending = false
  #frozenAt: number | undefined
  #wakeIdle: () => void = () => {}

  constructor(job: SimJob, open: Open, over: () => void) {
    this.#job = job
    this.#open = open
    this.#over = over
    this.migrationId = open.migrationId
    const config: SourceConfig = {
      migrationId: open.migrationId,
      workload: job.workload,
      from: open.from,
      to: open.to,
      tracker: 'userfaultfd',
      pageCount: job.shape.pages,
      splits: job.shape.splits,
      identity: job.identity,
      options: open.options,
      elapsedMs: open.elapsedMs,
      ...(open.asksForTurn === true && { asksForTurn: true }),
      tellsProgram: job.shape.seed % 2 === 0,
    }
    this.#state = startSource(config, job.process.nowMs())
  }

  /** Returns the port. */
  listen(): number {
    const port = this.#job.freePort()
    this.#stopListening = this.#job.network.listen(this.#job.process, this.#job.address(port), (end) =>
      this.#connected(end),
    )
    this.#tick()
    this.#port = port
    return port
  }

  /** How it ended, as it was said; undefined while it is under way. */
  get ending(): Ending | undefined {
    return this.#ending
  }

  /** Says again what whoever asked for this migration has not heard. */
  sayAgain(): void {
    if (this.#ending !== undefined) this.#job.tell(this.#ending)
    else if (this.#port !== undefined)
      this.#job.tell({ type: 'outgoingOpened', migrationId: this.migrationId, port: this.#port })
  }

  dispatch(event: SourceEvent): void {
    this.#queue.push(event)
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        this.#job.cell('source', this.#state.name, next.type)
        const before = this.#state.name
        const { state, effects } = stepSource(this.#state, next, this.#job.process.nowMs())
        this.#state = state
        for (const effect of effects) this.#carryOut(effect)
        if (state.name !== before) this.#job.process.point(`entered:source.${state.name}`)
      }
    } catch (error) {
      this.#job.bug(error)
    } finally {
      this.#isStepping = false
    }
  }

  parked(parked: ThreadParked): void {
    if (this.#state.name !== 'parking' || parked.park !== this.#park) return
    this.#parked = parked
    this.#job.process.point('after-park')
    const deltaBytes = parked.delta === undefined ? 0 : this.#job.shape.deltaBytes
    this.dispatch({ type: 'parked', step: parked.step, parkedMs: parked.parkedMs, deltaBytes })
  }

  letGo(): void {
    if (this.#state.name === 'holding') this.dispatch({ type: 'switchover' })
  }

  /** What is said to one that has parked for good means nothing. */
  pause(isPaused: boolean): void {
    if (!['frozen', 'handedOver', 'recovering', 'ended'].includes(this.#state.name))
      this.dispatch({ type: 'pause', isPaused })
  }

  get isFrozen(): boolean {
    return this.#frozenAt !== undefined
  }

  #carryOut(effect: SourceEffect): void {
    const { training } = this.#job
    switch (effect.type) {
      case 'welcome':
        this.#bulk = new Array<undefined>(effect.streams).fill(undefined)
        this.#say({
          type: 'welcome',
          version: effect.version,
          streams: effect.streams,
          bulkToken: this.#open.secret,
        })
        return this.#ping()
      case 'refuse':
        return this.#say({ type: 'refused', error: effect.error })
      case 'sendRound':
        return this.#whileSending((next) =>
          this.#afterPause(effect.pauseMs ?? 0, () => this.#sendRound(effect.round, next)),
        )
      case 'hurry':
        return this.#wakeIdle()
      case 'notify':
        return this.#notify()
      case 'askTurn':
        return this.#tellProgress()
      case 'park':
        this.#job.process.point('before-park')
        this.#park = this.#job.parks.forSwitchover(effect.point)
        return
      case 'sendFinalRound':
        return this.#whileSending((next) => this.#sendFinalRound(effect, next))
      case 'stopRound':
        this.#sender?.stop()
        return this.#wakeIdle()
      case 'throttle':
        training.throttlePercent = effect.percent
        return
      case 'hashMemory':
        return this.#job.hashMemory((digest, verifyMs) =>
          this.dispatch({ type: 'memoryHashed', digest, verifyMs }),
        )
      case 'sendFinal':
        return this.#sendFinal(effect)
      case 'resume':
        return this.#resume(effect.epoch)
      case 'askRecover':
        return this.#job.tell({ type: 'recover', migrationId: this.migrationId, error: effect.error })
      case 'finish':
        return this.#finish(effect)
      case 'tellAgain':
        return this.#tellEnded('completed', { report: effect.report })
      case 'exit':
        return this.#job.exit('released')
    }
  }

  /** The program answers at once, wants some steps before, fails, or never answers, where its steps last for longer than it is waited for. */
  #notify(): void {
    const { process, training, shape } = this.#job
    this.#notices += 1
    const notice = this.#notices
    const leftMs = (shape.steps - training.step) * (shape.computeMs + shape.applyMs)
    const neverAnswers = shape.seed % 8 === 6 && leftMs > 4 * LIMITS.maxNoticeMs
    const untilStep = training.step + (shape.seed % 8 === 2 ? 3 : 0)
    const look = (): void => {
      // One that comes when it is waited for no more means nothing.
      if ((this.#state.name !== 'active' && this.#state.name !== 'paused') || notice !== this.#notices) return
      if (training.step < untilStep) process.after(shape.applyMs, look)
      else if (shape.seed % 8 === 4) this.dispatch({ type: 'noticed', problem: 'onMigrating failed' })
      else this.dispatch({ type: 'noticed' })
    }
    if (!neverAnswers) process.after(shape.applyMs, look)
  }

  #resume(epoch: number | undefined): void {
    const job = this.#job
    job.process.point('before-resume')
    if (epoch !== undefined) job.epoch = epoch
    if (this.#frozenAt !== undefined) {
      const { step, memory } = job.training
      job.happened({ type: 'thawed', step, epoch, digest: digestOf(memory) })
    }
    this.#frozenAt = undefined
    job.parks.switchoverIsOff(this.#park)
    job.process.point('after-resume')
  }

  // ---- the door

  #connected(end: End): void {
    const { process } = this.#job
    let isKnown = false
    const giveUp = process.after(LIMITS.helloTimeoutMs, () => {
      if (!isKnown) end.close()
    })
    end.listen({
      message: (message: FromTarget) => {
        if (message.type === 'hello' || message.type === 'bulkHello') {
          isKnown = message.type === 'hello' ? this.#hello(end, message) : this.#bulkHello(end, message)
          if (isKnown) giveUp()
          else end.close()
        } else if (end === this.#control) this.#fromTarget(message)
      },
      closed: (error) => {
        if (end !== this.#control && !this.#bulk.includes(end)) return
        this.dispatch({
          type: 'lost',
          error: error ?? { kind: 'connection-lost', message: 'the target closed a connection' },
        })
      },
    })
  }

  #hello(end: End, hello: Extract<FromTarget, { type: 'hello' }>): boolean {
    const isRight = hello.migrationId === this.migrationId && hello.secret === this.#open.secret
    if (!isRight || this.#control !== undefined) return false
    this.#control = end
    this.dispatch({
      type: 'hello',
      versions: hello.versions,
      identity: hello.identity,
      roundTripMs: hello.roundTripMs,
    })
    return true
  }

  #bulkHello(end: End, { stream, bulkToken }: Extract<FromTarget, { type: 'bulkHello' }>): boolean {
    if (bulkToken !== this.#open.secret || stream >= this.#bulk.length) return false
    if (this.#bulk[stream] !== undefined) return false
    this.#bulk[stream] = end
    const open = this.#bulk.filter((each) => each !== undefined)
    if (open.length === this.#bulk.length) {
      this.#sender = new PageSender(this.#job.process, open)
      this.dispatch({ type: 'streamsOpen' })
    }
    return true
  }

  #fromTarget(message: Exclude<FromTarget, { type: 'hello' | 'bulkHello' }>): void {
    switch (message.type) {
      case 'pong':
        return this.#pong(message)
      case 'installed':
        if (this.#sender?.installed(message.stream, message.bytes) === true)
          return this.dispatch({ type: 'installed' })
        return this.dispatch({
          type: 'lost',
          error: { kind: 'out-of-order', message: 'the target installed what was not sent' },
        })
      case 'ready':
        return this.dispatch({ type: 'targetReady', installedMs: message.installedAtMs })
      case 'running': {
        const { epoch, claimRoundTripMs, claimWaitMs, runningAtMs, verifyMs } = message
        const target = { runningMs: runningAtMs, claimWaitMs }
        return this.dispatch({ type: 'targetRunning', epoch, claimRoundTripMs, target, verifyMs })
      }
      case 'failed':
        return this.dispatch({ type: 'lost', error: message.error })
    }
  }

  #say(message: FromSource): void {
    this.#control?.send(message)
  }

  // ---- clock and ticks

  #ping(): void {
    this.#pings += 1
    this.#say({ type: 'ping', id: this.#pings, sentAtMs: this.#job.process.nowMs() })
  }

  #pong({ sentAtMs, atMs }: Extract<FromTarget, { type: 'pong' }>): void {
    this.#clock.add({ sentMs: sentAtMs, atMs, receivedMs: this.#job.process.nowMs() })
    this.dispatch({ type: 'clock', roundTripMs: this.#clock.roundTripMs, clock: this.#clock.offset })
    if (this.#pings < FIRST_PINGS) this.#ping()
  }

  #tick(): void {
    this.#stopTicking = this.#job.process.after(TICK_MS, () => {
      this.dispatch({ type: 'tick', bytesInFlight: this.#sender?.bytesInFlight ?? 0 })
      if (this.#state.name === 'ended') return
      this.#tellProgress()
      this.#ticks += 1
      if (this.#control !== undefined && (this.#ticks * TICK_MS) % LIMITS.heartbeatIntervalMs === 0)
        this.#ping()
      this.#tick()
    })
  }

  #tellProgress(): void {
    if (this.#state.name === 'ended' || this.#state.name === 'handedOver') return
    const facts = progressFactsOf(this.#state, { roundPages: 0, roundPagesSent: 0 })
    this.#percent = percentDone(facts, this.#percent)
    const leftMs = timeLeftMs(facts)
    const progress = {
      percent: this.#percent,
      ...(leftMs === undefined ? {} : { timeLeftMs: leftMs }),
      round: Math.max(0, this.#state.run.nextRound - 1),
      roundPages: 0,
      roundPagesSent: 0,
      remainingBytes: 0,
      sentBytes: this.#sender?.sentBytes ?? 0,
      bytesPerSecond: 0,
      step: this.#job.training.step,
      ...(isPausing(this.#state) && { isPaused: true as const }),
    }
    const { migrationId } = this
    this.#job.tell({ type: 'migrationProgress', migrationId, status: statusOf(this.#state), progress })
  }

  // ---- rounds

  /** One round at a time: one that was stopped returns its pages before the next begins. */
  #whileSending(send: (next: () => void) => void): void {
    this.#sendQueue.push(send)
    if (!this.#isSending) this.#sendNext()
  }

  #sendNext(): void {
    const send = this.#sendQueue.shift()
    this.#isSending = send !== undefined
    send?.(() => this.#sendNext())
  }

  #sendRound(round: number, next: () => void): void {
    const { training } = this.#job
    const begun = { atMs: this.#job.process.nowMs(), step: training.step }
    if (!this.#isLatest(round)) return next()
    if (this.#subscription === undefined) {
      this.#subscription = this.#job.dirty.subscribe()
      return this.#send(round, PageSet.full(this.#job.shape.pages), begun, next)
    }
    this.#whenPending(round, begun.step, (pages) => {
      if (pages === undefined) next()
      else this.#send(round, pages, begun, next)
    })
  }

  /** Of one that was paused meanwhile, and goes on, the next round is asked for already. */
  #isLatest(round: number): boolean {
    return this.#isPrecopying() && this.#state.name !== 'ended' && this.#state.run.nextRound === round + 1
  }

  #isPrecopying(): boolean {
    const { name } = this.#state
    return name === 'active' || name === 'holding' || name === 'parking'
  }

  #whenPending(round: number, beganStep: number, then: (pages: PageSet | undefined) => void): void {
    if (!this.#isLatest(round)) return then(undefined)
    const subscription = this.#subscribed()
    if (subscription.pending.size > 0 || this.#job.training.step !== beganStep)
      return then(subscription.take())
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
    this.#wakeIdle = wake
    this.#job.process.after(ms, wake)
  }

  #send(round: number, pages: PageSet, begun: { atMs: number; step: number }, next: () => void): void {
    const { process, training, shape } = this.#job
    const sender = this.#sender
    if (sender === undefined) throw new Error('bug: a round without streams')
    sender.sendRound(round, pages, training.memory.pages, (sent) => {
      const report = this.#reportOf(pages, sent, begun)
      if (this.#state.name === 'ended') return next()
      if (sent.rest.size > 0 || !this.#isLatest(round)) {
        this.dispatch({ type: 'roundStopped', round: report })
        return next()
      }
      const pendingPages = this.#subscribed().pending.size
      const learnt = { pendingPages, bytesPerMs: sent.bytesPerMs }
      const lessons = shape.splits ? { ...learnt, shape: training.lastCompute } : learnt
      // A round that had nothing to wait for is no shorter than the real one's turns of the event loop.
      process.after(0.2, () => {
        if (this.#state.name === 'ended') return next()
        if (this.#isLatest(round)) this.dispatch({ type: 'roundSent', round: report, ...lessons })
        else this.dispatch({ type: 'roundStopped', round: report })
        next()
      })
    })
  }

  /** What did not leave of a stopped round is pending again. */
  #reportOf(pages: PageSet, { rest, wireBytes }: Sent, begun: { atMs: number; step: number }): RoundReport {
    if (rest.size > 0 && this.#state.name !== 'ended') this.#subscribed().putBack(rest)
    const sent = pages.size - rest.size
    return {
      pages: sent,
      pageBytes: sent * PAGE_BYTES,
      wireBytes,
      durationMs: this.#job.process.nowMs() - begun.atMs,
      steps: this.#job.training.step - begun.step,
      codec: 'raw',
    }
  }

  #isDraining(attempt: number): boolean {
    return this.#state.name === 'draining' && this.#state.run.parks === attempt
  }

  #sendFinalRound({ round, attempt }: Effect<'sendFinalRound'>, next: () => void): void {
    const sender = this.#sender
    if (!this.#isDraining(attempt) || sender === undefined) return next()
    const { process, training } = this.#job
    const begun = { atMs: process.nowMs(), step: training.step }
    const isFirst = this.#subscription === undefined
    if (isFirst) this.#subscription = this.#job.dirty.subscribe()
    const pages = isFirst ? PageSet.full(this.#job.shape.pages) : this.#subscribed().take()
    const scannedMs = process.nowMs()
    sender.sendRound(round, pages, training.memory.pages, (sent) => {
      const report = this.#reportOf(pages, sent, begun)
      const finish = (deltaWireBytes: number): void => {
        if (this.#state.name === 'ended') return next()
        const final = { ...report, wireBytes: report.wireBytes + deltaWireBytes }
        if (sent.rest.size > 0 || !this.#isDraining(attempt))
          this.dispatch({ type: 'roundStopped', round: final })
        else {
          const maxInFlightBytes = sender.mostInFlight
          this.dispatch({ type: 'finalRoundSent', round: final, scannedMs, maxInFlightBytes })
        }
        next()
      }
      const delta = this.#parked?.delta
      if (sent.rest.size > 0 || delta === undefined) finish(0)
      else sender.sendDelta(attempt, this.#job.stagedDelta(delta), finish)
    })
  }

  #subscribed(): Subscription {
    if (this.#subscription === undefined) throw new Error('bug: a round before round 0')
    return this.#subscription
  }

  #sendFinal({ attempt, step, memoryDigest }: Effect<'sendFinal'>): void {
    const [parked, sender] = [this.#parked, this.#sender]
    if (parked === undefined || sender === undefined) throw new Error('bug: final without a parked thread')
    this.#frozenAt = this.#job.process.nowMs()
    this.#job.happened({ type: 'froze', step, epoch: this.#job.epoch })
    this.#say({
      type: 'final',
      attempt,
      step,
      epoch: this.#job.epoch,
      smallState: Uint8Array.from(new Uint8Array(Int32Array.of(parked.small).buffer)),
      ...(parked.delta === undefined ? {} : { delta: this.#job.sentDelta }),
      smallStateDigest: hex64(parked.small),
      spool: [...this.#job.spool.all],
      lastSequences: sender.lastSequences,
      ...(memoryDigest !== undefined && { memoryDigest }),
    })
  }

  // ---- the end

  #finish({ status, error, report }: Effect<'finish'>): void {
    this.#sender?.stop()
    this.#wakeIdle()
    this.#job.training.throttlePercent = 0
    this.#subscription?.end()
    this.#subscription = undefined
    if (error !== undefined) this.#say({ type: 'failed', error })
    this.#stopListening()
    for (const stream of this.#bulk) stream?.close()
    this.#control?.close()
    this.#tellEnded(status, { ...(error && { error }), ...(report && { report }) })
    if (this.#state.name !== 'ended') return
    this.#stopTicking()
    this.#over()
  }

  #tellEnded(
    status: 'completed' | 'cancelled' | 'failed',
    what: { error?: ErrorReport; report?: MigrationReport },
  ): void {
    this.#ending = { type: 'migrationEnded', migrationId: this.migrationId, status, ...what }
    this.#job.tell(this.#ending)
  }
}
