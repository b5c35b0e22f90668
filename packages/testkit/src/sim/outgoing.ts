/**
 * The source's edge in the simulation: carries out what the engine's real source machine asks for, on simulated pages.
 * What the worker room's outgoing.ts does around that machine is done here in the same order; rounds are sent by outgoing-rounds.ts.
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
  type ToWorker,
} from '@godwit/protocol'
import type { End } from './connection.ts'
import type { SimJob } from './job.ts'
import { type Effect, SimOutgoingRounds } from './outgoing-rounds.ts'
import { PageSender } from './page-sender.ts'
import { digestOf, hex64 } from './program.ts'
import type { ThreadParked } from './training.ts'

type Open = Extract<ToWorker, { type: 'openOutgoing' }>

const FIRST_PINGS = 3
/** The real one looks more often. */
const TICK_MS = 250

export class SimOutgoing {
  readonly migrationId: string
  readonly #job: SimJob
  readonly #open: Open
  readonly #over: () => void
  readonly #clock = new ClockEstimate()
  readonly #queue: SourceEvent[] = []
  readonly #rounds: SimOutgoingRounds
  #bulk: (End | undefined)[] = []
  #port: number | undefined
  #ending: Ending | undefined
  #state: SourceState
  #stopListening: () => void = () => {}
  #stopTicking: () => void = () => {}
  #control: End | undefined
  #parked: ThreadParked | undefined
  #park = 0
  #notices = 0
  #pings = 0
  #percent = 0
  #ticks = 0
  #isStepping = false
  #frozenAt: number | undefined

  constructor(job: SimJob, open: Open, over: () => void) {
    this.#job = job
    this.#open = open
    this.#over = over
    this.migrationId = open.migrationId
    this.#rounds = new SimOutgoingRounds({
      job,
      state: () => this.#state,
      delta: () => this.#parked?.delta,
      dispatch: (event) => this.dispatch(event),
    })
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
        return this.#rounds.send(effect)
      case 'hurry':
        return this.#rounds.hurry()
      case 'notify':
        return this.#notify()
      case 'askTurn':
        return this.#tellProgress()
      case 'park':
        this.#job.process.point('before-park')
        this.#park = this.#job.parks.forSwitchover(effect.point)
        return
      case 'sendFinalRound':
        return this.#rounds.sendFinal(effect)
      case 'stopRound':
        return this.#rounds.stop()
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
      this.#rounds.open(new PageSender(this.#job.process, open))
      this.dispatch({ type: 'streamsOpen' })
    }
    return true
  }

  #fromTarget(message: Exclude<FromTarget, { type: 'hello' | 'bulkHello' }>): void {
    switch (message.type) {
      case 'pong':
        return this.#pong(message)
      case 'installed':
        if (this.#rounds.sender?.installed(message.stream, message.bytes) === true)
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
      this.dispatch({ type: 'tick', bytesInFlight: this.#rounds.sender?.bytesInFlight ?? 0 })
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
      sentBytes: this.#rounds.sender?.sentBytes ?? 0,
      bytesPerSecond: 0,
      step: this.#job.training.step,
      ...(isPausing(this.#state) && { isPaused: true as const }),
    }
    const { migrationId } = this
    this.#job.tell({ type: 'migrationProgress', migrationId, status: statusOf(this.#state), progress })
  }

  #sendFinal({ attempt, step, memoryDigest }: Effect<'sendFinal'>): void {
    const [parked, { sender }] = [this.#parked, this.#rounds]
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
    this.#rounds.stop()
    this.#job.training.throttlePercent = 0
    this.#rounds.end()
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
