/**
 * The source's edge: carries out what the engine's source machine asks for, and tells it what happened.
 *
 * It sends rounds and what follows them; who may receive them is target-door.ts's, and every decision is in @godwit/engine.
 */
import { crashPoint, FrameWriter, type WebSocket } from '@godwit/channel'
import {
  ClockEstimate,
  type Ending,
  expectedDowntimeOf,
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
import type { Subscription } from '@godwit/memory'
import {
  type ErrorReport,
  type FromTarget,
  GodwitError,
  LIMITS,
  type MigrationReport,
  PageSet,
  type RoundReport,
  type ToWorker,
  toErrorReport,
} from '@godwit/protocol'
import { membershipIn } from '@godwit/trust'
import { nowMs } from './clock.ts'
import { finalDigest } from './final-digest.ts'
import { FrameEncoder } from './frame-encoder.ts'
import { hashMemory } from './hash-memory.ts'
import type { Job, Parked } from './job.ts'
import { Pacing } from './pacing.ts'
import { PagePictures } from './page-pictures.ts'
import { PageSender, pageBytesOf } from './page-sender.ts'
import { StepWatch } from './step-watch.ts'
import { TargetDoor, type TargetSays } from './target-door.ts'
import { warmUp } from './warm-up.ts'

type Open = Extract<ToWorker, { type: 'openOutgoing' }> & Pick<SourceConfig, 'estimated'>
type Effect<Type extends SourceEffect['type']> = Extract<SourceEffect, { type: Type }>

/** Pings sent one after the other at the start: they bound the clock offset. Afterwards one a heartbeat. */
const FIRST_PINGS = 8
const TICK_MS = 50
/** While rounds are sent, or could be. */
const ROUNDS: ReadonlySet<SourceState['name']> = new Set(['active', 'holding', 'paused'])
/** How often a round that has nothing to send looks again. */
const IDLE_ROUND_MS = 5

export class Outgoing {
  readonly migrationId: string
  readonly #job: Job
  readonly #ended: () => void
  readonly #clock = new ClockEstimate()
  readonly #encoder: FrameEncoder
  readonly #pacing: Pacing
  readonly #pictures: PagePictures
  readonly #steps: StepWatch
  readonly #door: TargetDoor
  /** When the move was asked for. */
  readonly #startedMs: number
  readonly #queue: SourceEvent[] = []
  #state: SourceState
  #sender: PageSender | undefined
  #subscription: Subscription | undefined
  #parked: Parked | undefined
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<void> = Promise.resolve()
  #stepping = false
  #pings = 0
  #park = 0
  /** The latest that the program was given. */
  #notice: number | undefined
  #port: number | undefined
  #ending: Ending | undefined
  #version = 0
  #roundPages = 0
  #percent = 0
  #staging: SharedArrayBuffer | undefined
  /** Ends the wait of a round that has nothing to send. */
  #wakeIdle: () => void = () => {}

  constructor(job: Job, open: Open, ended: () => void) {
    this.#job = job
    this.#ended = ended
    this.migrationId = open.migrationId
    this.#door = new TargetDoor(
      {
        migrationId: open.migrationId,
        secret: open.secret,
        to: open.to,
      },
      {
        hello: ({ versions, identity, roundTripMs }) =>
          this.dispatch({ type: 'hello', versions, identity, roundTripMs }),
        message: (message) => this.#fromTarget(message),
        streamsOpen: (sockets) => this.#streamsOpen(sockets),
        lost: (error) => this.#lost(error),
      },
    )
    this.#encoder = new FrameEncoder(job.dirtyPages.pageCount, open.options.codec, job.spareBytes)
    this.#pacing = new Pacing(open.options.maxBandwidth)
    this.#pictures = new PagePictures(job.dirtyPages.pageCount)
    this.#steps = new StepWatch(job.recentSteps, open.options)
    const { workloadId } = job.launch
    const { from, to, options, elapsedMs, migrationId, estimated, asksForTurn } = open
    const { identity } = job
    const beganMs = nowMs()
    this.#startedMs = beganMs - elapsedMs
    this.#state = startSource(
      {
        migrationId,
        workload: workloadId,
        from,
        to,
        tracker: identity.tracker,
        identity,
        options,
        elapsedMs,
        ...(estimated && { estimated }),
        ...(asksForTurn === true && { asksForTurn }),
        tellsProgram: job.tellsProgram,
        pageCount: job.dirtyPages.pageCount,
        splits: job.maxDeltaBytes !== undefined,
      },
      beganMs,
    )
  }

  /**
   * Starts listening and returns the port, or undefined when it was cancelled meanwhile. Errors: `port-in-use`, `bad-arguments`, and
   * those of `membershipIn`.
   */
  async listen(): Promise<number | undefined> {
    // Before the target is told to dial: beside its rounds it would be in their way, and in that of a park.
    await warmUp().catch((error: unknown) => console.error(error))
    this.#job.rehearsePark()
    const { launch } = this.#job
    const { credentialsFolder } = launch
    const member = credentialsFolder === undefined ? undefined : membershipIn(credentialsFolder)
    const port = await this.#door.listen(launch, member)
    this.#port = port
    if (this.#state.name === 'ended') {
      this.#door.close()
      return undefined
    }
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    return port
  }

  /** How it ended, as it was said; undefined while it is under way. */
  get ending(): Ending | undefined {
    return this.#ending
  }

  /** Says again what whoever asked for this migration has not heard. Nothing while it does not listen yet: that is still to be said. */
  sayAgain(): void {
    if (this.#ending !== undefined) this.#job.tell(this.#ending)
    else if (this.#port !== undefined)
      this.#job.tell({ type: 'outgoingOpened', migrationId: this.migrationId, port: this.#port })
  }

  /** Tells the engine. Events that arise while it decides wait for their turn. */
  dispatch(event: SourceEvent): void {
    this.#queue.push(event)
    if (this.#stepping) return
    this.#stepping = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const { state, effects } = stepSource(this.#state, next, nowMs())
        this.#state = state
        for (const effect of effects) this.#carryOut(effect)
      }
    } catch (error) {
      this.#bug(error)
    } finally {
      this.#stepping = false
    }
  }

  /** A failed assertion ends the migration, not the training that can go on: unless the job may be another's already. */
  #bug(error: unknown): void {
    console.error(error)
    const report = toErrorReport(error)
    this.#queue.length = 0
    if (isCommitted(this.#state)) {
      this.#carryOut({ type: 'askRecover', error: report })
      return
    }
    this.#state = { name: 'ended' }
    this.#carryOut({ type: 'resume' })
    this.#carryOut({ type: 'finish', status: 'failed', error: report })
  }

  parked(parked: Parked): void {
    if (!this.#isCurrent(parked.park)) return
    crashPoint('after-park')
    this.#parked = parked
    const { step, parkedMs, delta } = parked
    this.dispatch({ type: 'parked', step, parkedMs, deltaBytes: delta?.byteLength ?? 0 })
  }

  parkFailed({ park, error }: { park: number; error: ErrorReport }): void {
    if (this.#isCurrent(park)) this.dispatch({ type: 'lost', error })
  }

  /** One that comes when it is waited for no more means nothing. */
  noticed({ notice, failed }: { notice: number; failed: boolean }): void {
    if (!awaitsNotice(this.#state) || notice !== this.#notice) return
    this.dispatch({ type: 'noticed', ...(failed && { problem: 'onMigrating failed (the log says how)' }) })
  }

  /** This migration's share of what the host gives all of its own, in bytes a second; undefined: no limit. */
  set hostBandwidth(bandwidth: number | undefined) {
    this.#pacing.hostBandwidth = bandwidth
  }

  /** Its turn has come, as is said until it is heard: to one that has parked, or would not any more, it means nothing. */
  letGo(): void {
    if (this.#state.name === 'holding') this.dispatch({ type: 'switchover' })
  }

  /** Somebody looks at its pages. */
  showPages(): void {
    this.#pictures.wanted(nowMs())
  }

  /** The thread applied a step. */
  stepped(stepMs: number): void {
    if (this.#sender === undefined || !this.#isPrecopying()) return
    this.#pacing.gentleBytesPerMs = this.#steps.stepped(stepMs, this.#sender.inFlight.sentBytes)
  }

  /** False for a park that was taken back before the thread got there. */
  #isCurrent(park: number): boolean {
    return this.#state.name === 'parking' && park === this.#park
  }

  #carryOut(effect: SourceEffect): void {
    switch (effect.type) {
      case 'welcome':
        this.#version = effect.version
        this.#door.welcome(effect)
        this.#ping()
        return
      case 'refuse':
        this.#door.send({ type: 'refused', error: effect.error })
        return
      case 'sendRound':
        this.#whileSending(() => this.#sendRound(effect))
        return
      case 'hurry':
        this.#wakeIdle()
        return
      case 'notify':
        this.#notify()
        return
      case 'askTurn':
        this.#tellProgress()
        return
      case 'park':
        this.#pacing.hurries = true
        crashPoint('before-park')
        this.#park = this.#job.parks.forSwitchover(effect.point)
        return
      case 'sendFinalRound':
        this.#whileSending(() => this.#sendFinalRound(effect))
        return
      case 'stopRound':
        this.#sender?.stop()
        this.#wakeIdle()
        return
      case 'throttle':
        this.#job.control.throttlePercent = effect.percent
        return
      case 'hashMemory':
        void this.#hashMemory()
        return
      case 'sendFinal':
        this.#sendFinal(effect)
        return
      case 'resume':
        this.#pacing.hurries = false
        if (effect.epoch !== undefined) this.#job.epoch = effect.epoch
        crashPoint('before-resume')
        this.#job.parks.switchoverIsOff(this.#park)
        crashPoint('after-resume')
        return
      case 'askRecover':
        this.#job.tell({ type: 'recover', migrationId: this.migrationId, error: effect.error })
        return
      case 'finish':
        this.#finish(effect)
        return
      case 'tellAgain':
        this.#tellEnded('completed', { report: effect.report })
        return
      case 'exit':
        this.#job.exit(0)
        return
    }
  }

  // ---- the target

  #fromTarget(message: TargetSays): void {
    switch (message.type) {
      case 'pong':
        this.#pong(message)
        return
      case 'installed':
        if (this.#sender?.inFlight.installed(message.stream, message.bytes) === true)
          this.dispatch({ type: 'installed' })
        else this.#lost(new GodwitError('out-of-order', 'the target installed what was not sent'))
        return
      case 'ready':
        this.dispatch({ type: 'targetReady', installedMs: message.installedAtMs })
        return
      case 'running': {
        const { epoch, claimRoundTripMs, claimWaitMs, runningAtMs, verifyMs } = message
        const target = { runningMs: runningAtMs, claimWaitMs }
        this.dispatch({ type: 'targetRunning', epoch, claimRoundTripMs, target, verifyMs })
        return
      }
      case 'failed':
        this.dispatch({ type: 'lost', error: message.error })
        return
    }
  }

  #streamsOpen(sockets: readonly WebSocket[]): void {
    try {
      const streams = sockets.map((socket) => new FrameWriter(socket))
      this.#sender = new PageSender(streams, this.#version, {
        encoder: this.#encoder,
        pacing: this.#pacing,
        pictures: this.#pictures,
      })
      this.#sender.inFlight.sawRoundTrip(this.#clock.roundTripMs)
      // Now, not when it is needed: its pages' faults would be downtime.
      if (this.#job.maxDeltaBytes !== undefined) this.#staging = this.#job.staging()
      this.dispatch({ type: 'streamsOpen' })
    } catch (error) {
      this.#lost(error)
    }
  }

  #lost(error: unknown): void {
    this.dispatch({ type: 'lost', error: toErrorReport(error) })
  }

  // ---- clock

  #ping(): void {
    this.#pings += 1
    this.#door.send({ type: 'ping', id: this.#pings, sentAtMs: nowMs() })
  }

  #pong({ sentAtMs, atMs }: Extract<FromTarget, { type: 'pong' }>): void {
    const receivedMs = nowMs()
    if (sentAtMs > receivedMs) {
      this.#lost(new GodwitError('bad-message', 'a pong to a ping that was never sent'))
      return
    }
    this.#clock.add({ sentMs: sentAtMs, atMs, receivedMs })
    this.#sender?.inFlight.sawRoundTrip(this.#clock.roundTripMs)
    this.dispatch({ type: 'clock', roundTripMs: this.#clock.roundTripMs, clock: this.#clock.offset })
    if (this.#pings < FIRST_PINGS) this.#ping()
  }

  #ticks = 0

  #tick(): void {
    this.dispatch({ type: 'tick', bytesInFlight: this.#sender?.inFlight.bytes ?? 0 })
    this.#ticks += 1
    if (this.#door.isConnected && (this.#ticks * TICK_MS) % LIMITS.heartbeatIntervalMs === 0) this.#ping()
    this.#tellProgress()
    this.#tellPages()
  }

  /** Never while the thread is on its way to stand, or stands. */
  #tellPages(): void {
    const [sender, subscription, atMs] = [this.#sender, this.#subscription, nowMs()]
    const isSending = ROUNDS.has(this.#state.name)
    if (!isSending || sender === undefined || subscription === undefined || !this.#pictures.isDue(atMs))
      return
    const waiting = [...sender.unsent.runs(), ...subscription.pendingPages()]
    const picture = this.#pictures.make(atMs, waiting)
    if (picture !== undefined) this.#job.tell({ type: 'pages', migrationId: this.migrationId, picture })
  }

  // ---- rounds

  /** One round at a time: one that was stopped returns its pages before the next begins. */
  #whileSending(send: () => Promise<void>): void {
    this.#sending = this.#sending.then(send).catch((error: unknown) => this.#lost(error))
  }

  async #sendRound({ round, pauseMs }: Effect<'sendRound'>): Promise<void> {
    if (pauseMs !== undefined) await this.#pause(pauseMs)
    const begun = { atMs: nowMs(), step: this.#job.control.step }
    if (!this.#isLatest(round)) return
    const pages =
      this.#subscription === undefined ? this.#everyPage() : await this.#pendingPages(round, begun.step)
    if (pages === undefined) return
    const { report, bytesPerMs, isWhole } = await this.#send(round, pages, begun)
    if (this.#state.name === 'ended') return
    if (!isWhole || !this.#isLatest(round)) {
      this.dispatch({ type: 'roundStopped', round: report })
      return
    }
    const subscription = this.#subscribed()
    subscription.collect()
    this.dispatch({
      type: 'roundSent',
      round: report,
      pendingPages: subscription.pendingPageCount(),
      bytesPerMs,
      shape: this.#job.control.lastCompute,
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

  #everyPage(): PageSet {
    const subscription = this.#job.dirtyPages.subscribe()
    this.#subscription = subscription
    return PageSet.full(subscription.pageCount)
  }

  /** A round without pages teaches nothing: waits for a write or a step. Undefined when there is no time left for a round. */
  async #pendingPages(round: number, beganStep: number): Promise<PageSet | undefined> {
    const subscription = this.#subscribed()
    for (;;) {
      if (!this.#isLatest(round)) return undefined
      subscription.collect()
      if (subscription.pendingPageCount() > 0 || this.#job.control.step !== beganStep)
        return subscription.take()
      await this.#pause(IDLE_ROUND_MS)
    }
  }

  /** Or until it is woken. */
  async #pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#wakeIdle = resolve
      timer = setTimeout(resolve, ms)
    })
    clearTimeout(timer)
  }

  /** The thread is parked: what is pending, or without any round before everything, and then the delta that it parked with. */
  async #sendFinalRound({ round, attempt }: Effect<'sendFinalRound'>): Promise<void> {
    // It waited for the round before to stop: the park may have been given up meanwhile, or the migration have ended.
    if (!this.#isDraining(attempt)) return
    const begun = { atMs: nowMs(), step: this.#job.control.step }
    const pages = this.#subscription === undefined ? this.#everyPage() : this.#subscription.take()
    const scannedMs = nowMs()
    const { report, isWhole } = await this.#send(round, pages, begun)
    const sender = this.#sender as PageSender
    const deltaWireBytes = isWhole ? await this.#sendDelta(sender, attempt) : 0
    if (this.#state.name === 'ended') return
    const final = {
      ...report,
      wireBytes: report.wireBytes + deltaWireBytes,
      durationMs: nowMs() - begun.atMs,
    }
    // Given up in the very moment in which the last frame left: the next round follows.
    if (!isWhole || !this.#isDraining(attempt)) this.dispatch({ type: 'roundStopped', round: final })
    else {
      const maxInFlightBytes = sender.inFlight.mostBytes
      const stepSlowdown = this.#steps.measured
      this.dispatch({ type: 'finalRoundSent', round: final, scannedMs, maxInFlightBytes, stepSlowdown })
    }
  }

  #isDraining(attempt: number): boolean {
    return this.#state.name === 'draining' && this.#state.run.parks === attempt
  }

  async #sendDelta(sender: PageSender, attempt: number): Promise<number> {
    const [delta, memory] = [this.#parked?.delta, this.#staging]
    if (delta === undefined) return 0
    if (memory === undefined) throw new Error('bug: a delta without memory for it')
    const { byteLength } = delta
    return sender.sendDelta(attempt, { memory, byteLength, stagedBytes: () => this.#job.control.stagedBytes })
  }

  /** What did not leave of a stopped round is pending again. */
  async #send(
    round: number,
    pages: PageSet,
    begun: { atMs: number; step: number },
  ): Promise<{ report: RoundReport; bytesPerMs: number | undefined; isWhole: boolean }> {
    const [sender, subscription] = [this.#sender, this.#subscribed()]
    if (sender === undefined) throw new Error('bug: a round without streams')
    this.#roundPages = pages.size
    const { wireBytes, codec, bytesPerMs, rest } = await sender.sendRound(round, pages, {
      image: subscription.image(),
      isParked: this.#state.name === 'draining',
    })
    if (rest.size > 0 && this.#state.name !== 'ended') subscription.putBack(rest)
    const sent = pages.size - rest.size
    const report: RoundReport = {
      pages: sent,
      pageBytes: pageBytesOf(sent),
      wireBytes,
      startMs: begun.atMs - this.#startedMs,
      durationMs: nowMs() - begun.atMs,
      steps: this.#job.control.step - begun.step,
      codec,
    }
    return { report, bytesPerMs, isWhole: rest.size === 0 }
  }

  #subscribed(): Subscription {
    if (this.#subscription === undefined) throw new Error('bug: a round before round 0')
    return this.#subscription
  }

  async #hashMemory(): Promise<void> {
    this.dispatch({ type: 'memoryHashed', ...(await hashMemory(this.#job.paged)) })
  }

  #sendFinal({ attempt, step, memoryDigest }: Effect<'sendFinal'>): void {
    const [parked, sender] = [this.#parked, this.#sender]
    if (parked === undefined || sender === undefined) throw new Error('bug: final without a parked thread')
    const { smallState, delta } = parked
    this.#door.send({
      type: 'final',
      attempt,
      step,
      epoch: this.#job.epoch,
      smallState,
      delta,
      smallStateDigest: finalDigest(smallState, delta?.values),
      spool: [...this.#job.outputs.spooled],
      lastSequences: sender.lastSequences,
      ...(memoryDigest !== undefined && { memoryDigest }),
    })
  }

  #notify(): void {
    if (this.#state.name === 'ended') return
    const { from, to } = this.#state.run.config
    const expectedDowntimeMs = expectedDowntimeOf(this.#state)
    this.#notice = this.#job.notify({ from, to, expectedDowntimeMs })
  }

  // ---- progress and end

  #tellProgress(): void {
    const state = this.#state
    if (state.name === 'ended' || state.name === 'handedOver') return
    const expectedDowntimeMs = expectedDowntimeOf(state)
    const roundPagesSent = this.#sender?.roundPagesSent ?? 0
    const facts = progressFactsOf(state, { roundPages: this.#roundPages, roundPagesSent })
    this.#percent = percentDone(facts, this.#percent)
    const leftMs = timeLeftMs(facts)
    this.#job.tell({
      type: 'migrationProgress',
      migrationId: this.migrationId,
      status: statusOf(state),
      progress: {
        round: Math.max(0, state.run.nextRound - 1),
        roundPages: this.#roundPages,
        roundPagesSent,
        remainingBytes: pageBytesOf(this.#roundPages - roundPagesSent),
        percent: this.#percent,
        ...(leftMs === undefined ? {} : { timeLeftMs: leftMs }),
        sentBytes: this.#sender?.inFlight.sentBytes ?? 0,
        bytesPerSecond:
          state.name === 'paused'
            ? 0
            : Math.min(this.#sender?.inFlight.bytesPerMs ?? 0, this.#pacing.allowedBytesPerMs) * 1000,
        step: this.#job.control.step,
        ...(expectedDowntimeMs === undefined ? {} : { expectedDowntimeMs }),
        ...(isPausing(state) && { isPaused: true }),
      },
    })
  }

  #finish({ status, error, report }: Effect<'finish'>): void {
    this.#sender?.stop()
    this.#wakeIdle()
    this.#job.control.throttlePercent = 0
    this.#subscription?.end()
    this.#subscription = undefined
    if (error !== undefined) this.#door.send({ type: 'failed', error })
    if (this.#notice !== undefined && status !== 'completed') this.#job.saysStay()
    this.#door.close()
    this.#tellEnded(status, { ...(error && { error }), ...(report && { report }) })
    if (this.#state.name !== 'ended') return
    clearInterval(this.#timer)
    this.#ended()
  }

  #tellEnded(
    status: 'completed' | 'cancelled' | 'failed',
    what: { error?: ErrorReport; report?: MigrationReport },
  ): void {
    this.#ending = { type: 'migrationEnded', migrationId: this.migrationId, status, ...what }
    this.#job.tell(this.#ending)
  }
}

function isCommitted(state: SourceState): boolean {
  return state.name === 'frozen' || state.name === 'handedOver' || state.name === 'recovering'
}

const awaitsNotice = ({ name }: SourceState): boolean => name === 'active' || name === 'paused'
