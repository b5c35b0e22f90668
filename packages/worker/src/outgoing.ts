/**
 * The source's edge: carries out what the engine's source machine asks for, and tells it what happened.
 *
 * Rounds are sent by outgoing-rounds.ts, who may receive them is target-door.ts's, and every decision is in @godwit/engine.
 */
import { crashPoint, FrameWriter, type WebSocket } from '@godwit/channel'
import {
  ClockEstimate,
  type Ending,
  expectedDowntimeOf,
  isPrecopying,
  type SourceConfig,
  type SourceEffect,
  type SourceEvent,
  type SourceState,
  startSource,
  statusOf,
  stepSource,
} from '@godwit/engine'
import {
  type ErrorReport,
  type FromTarget,
  GodwitError,
  LIMITS,
  type MigrationReport,
  type ToWorker,
  toErrorReport,
} from '@godwit/protocol'
import { membershipIn } from '@godwit/trust'
import { nowMs } from './clock.ts'
import { finalDigest } from './final-digest.ts'
import { FrameEncoder } from './frame-encoder.ts'
import { hashMemory } from './hash-memory.ts'
import type { Job, Parked } from './job.ts'
import { progressOf } from './outgoing-progress.ts'
import { type Effect, OutgoingRounds } from './outgoing-rounds.ts'
import { Pacing } from './pacing.ts'
import { PagePictures } from './page-pictures.ts'
import { PageSender } from './page-sender.ts'
import { StepWatch } from './step-watch.ts'
import { TargetDoor, type TargetSays } from './target-door.ts'
import { warmUp } from './warm-up.ts'

type Open = Extract<ToWorker, { type: 'openOutgoing' }> & Pick<SourceConfig, 'estimated'>

/** Pings sent one after the other at the start: they bound the clock offset. Afterwards one a heartbeat. */
const FIRST_PINGS = 8
const TICK_MS = 50
/** While rounds are sent, or could be. */
const ROUNDS: ReadonlySet<SourceState['name']> = new Set(['active', 'holding', 'paused'])

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
  readonly #rounds: OutgoingRounds
  readonly #queue: SourceEvent[] = []
  #state: SourceState
  #parked: Parked | undefined
  #timer: NodeJS.Timeout | undefined
  #stepping = false
  #pings = 0
  #park = 0
  /** The latest that the program was given. */
  #notice: number | undefined
  #port: number | undefined
  #ending: Ending | undefined
  #version = 0
  #percent = 0

  constructor(job: Job, open: Open, ended: () => void) {
    this.#job = job
    this.#ended = ended
    const { from, to, options, elapsedMs, migrationId, secret, estimated, asksForTurn } = open
    this.migrationId = migrationId
    this.#door = new TargetDoor(
      { migrationId, secret, to },
      {
        hello: ({ versions, identity, roundTripMs }) =>
          this.dispatch({ type: 'hello', versions, identity, roundTripMs }),
        message: (message) => this.#fromTarget(message),
        streamsOpen: (sockets) => this.#streamsOpen(sockets),
        lost: (error) => this.#lost(error),
      },
    )
    this.#encoder = new FrameEncoder(job.dirtyPages.pageCount, options.codec, job.spareBytes)
    this.#pacing = new Pacing(options.maxBandwidth)
    this.#pictures = new PagePictures(job.dirtyPages.pageCount)
    this.#steps = new StepWatch(job.recentSteps, options)
    const { workloadId } = job.launch
    const { identity } = job
    const beganMs = nowMs()
    this.#rounds = new OutgoingRounds({
      job,
      steps: this.#steps,
      startedMs: beganMs - elapsedMs,
      state: () => this.#state,
      delta: () => this.#parked?.delta,
      dispatch: (event) => this.dispatch(event),
      lost: (error) => this.#lost(error),
    })
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
    const { sender } = this.#rounds
    if (sender === undefined || !isPrecopying(this.#state)) return
    this.#pacing.gentleBytesPerMs = this.#steps.stepped(stepMs, sender.inFlight.sentBytes)
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
        this.#rounds.send(effect)
        return
      case 'hurry':
        this.#rounds.hurry()
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
        this.#rounds.sendFinal(effect)
        return
      case 'stopRound':
        this.#rounds.stop()
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
        if (this.#rounds.sender?.inFlight.installed(message.stream, message.bytes) === true)
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
      const sender = new PageSender(streams, this.#version, {
        encoder: this.#encoder,
        pacing: this.#pacing,
        pictures: this.#pictures,
      })
      sender.inFlight.sawRoundTrip(this.#clock.roundTripMs)
      this.#rounds.open(sender)
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
    this.#rounds.sender?.inFlight.sawRoundTrip(this.#clock.roundTripMs)
    this.dispatch({ type: 'clock', roundTripMs: this.#clock.roundTripMs, clock: this.#clock.offset })
    if (this.#pings < FIRST_PINGS) this.#ping()
  }

  #ticks = 0

  #tick(): void {
    this.dispatch({ type: 'tick', bytesInFlight: this.#rounds.sender?.inFlight.bytes ?? 0 })
    this.#ticks += 1
    if (this.#door.isConnected && (this.#ticks * TICK_MS) % LIMITS.heartbeatIntervalMs === 0) this.#ping()
    this.#tellProgress()
    this.#tellPages()
  }

  /** Never while the thread is on its way to stand, or stands. */
  #tellPages(): void {
    const atMs = nowMs()
    if (!ROUNDS.has(this.#state.name) || !this.#pictures.isDue(atMs)) return
    const waiting = this.#rounds.waitingRuns()
    if (waiting === undefined) return
    const picture = this.#pictures.make(atMs, waiting)
    if (picture !== undefined) this.#job.tell({ type: 'pages', migrationId: this.migrationId, picture })
  }

  async #hashMemory(): Promise<void> {
    this.dispatch({ type: 'memoryHashed', ...(await hashMemory(this.#job.paged)) })
  }

  #sendFinal({ attempt, step, memoryDigest }: Effect<'sendFinal'>): void {
    const [parked, { sender }] = [this.#parked, this.#rounds]
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
    const progress = progressOf(state, {
      ...this.#rounds.progress,
      atLeastPercent: this.#percent,
      inFlight: this.#rounds.sender?.inFlight,
      allowedBytesPerMs: this.#pacing.allowedBytesPerMs,
      step: this.#job.control.step,
    })
    this.#percent = progress.percent
    this.#job.tell({
      type: 'migrationProgress',
      migrationId: this.migrationId,
      status: statusOf(state),
      progress,
    })
  }

  #finish({ status, error, report }: Effect<'finish'>): void {
    this.#rounds.stop()
    this.#job.control.throttlePercent = 0
    this.#rounds.end()
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
