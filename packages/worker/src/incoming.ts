/**
 * The target's edge: dials the source, installs what comes, claims the job, and goes on with it. Every decision is in
 * @godwit/engine's target machine.
 */
import { createHash } from 'node:crypto'
import { Channel, dial, type WebSocket } from '@godwit/channel'
import {
  startTarget,
  stepTarget,
  type TargetEffect,
  type TargetEvent,
  type TargetState,
} from '@godwit/engine'
import {
  type BulkFrame,
  decodeFrame,
  encodeValue,
  type FromSource,
  type FromTarget,
  fromSource,
  GodwitError,
  LIMITS,
  MAX_FRAME_BYTES,
  OUR_VERSIONS,
  PAGE_BYTES,
  type ToWorker,
  toErrorReport,
} from '@godwit/protocol'
import { nowMs } from './clock.ts'
import type { Job } from './job.ts'

/** Installed bytes are said once they are a quarter of the window over all streams: saying each frame cost a tenth of its way. */
const SAID_AT_BYTES = LIMITS.windowBytes / 4

type FinalMessage = Extract<FromSource, { type: 'final' }>
type Dial = Extract<ToWorker, { type: 'dial' }>

export class Incoming {
  readonly migrationId: string
  readonly #job: Job
  readonly #dial: Dial
  readonly #installedBytes: number[] = []
  readonly #saidBytes: number[] = []
  readonly #streams: WebSocket[] = []
  #state: TargetState
  #control: Channel<FromSource, FromTarget> | undefined
  #bulkToken = ''
  #final: FinalMessage | undefined
  #claimedMs = 0
  #claimRoundTripMs = 0
  #resumedMs: number | undefined
  #atGateMs: number | undefined
  #grantedMs: number | undefined
  #repeat: NodeJS.Timeout | undefined
  #version = 0

  constructor(job: Job, message: Dial) {
    this.#job = job
    this.#dial = message
    this.migrationId = message.migrationId
    this.#state = startTarget(job.dirtyPages.pageCount)
  }

  async start(): Promise<void> {
    try {
      const socket = await dial(this.#url('control'))
      const control = new Channel<FromSource, FromTarget>(socket, fromSource, {
        message: (message) => this.#fromSource(message),
        closed: (error) =>
          this.#lost(error ?? new GodwitError('connection-lost', 'the source closed the connection')),
      })
      this.#control = control
      const { migrationId, secret } = this.#dial
      control.send({
        type: 'hello',
        versions: OUR_VERSIONS,
        migrationId,
        secret,
        identity: this.#job.identity,
      })
    } catch (error) {
      this.#lost(error)
    }
  }

  claimResult(granted: boolean, epoch: number): void {
    // A repeated claim is answered again.
    if (this.#grantedMs !== undefined) return
    clearInterval(this.#repeat)
    this.#claimRoundTripMs = nowMs() - this.#claimedMs
    if (granted) this.#grantedMs = nowMs()
    this.#dispatch({ type: 'claimResult', granted, epoch })
  }

  /** The thread has the state and computes. */
  resumed(atMs: number): void {
    this.#resumedMs = atMs
    this.#tellRunning()
  }

  /** The thread computed its first delta before the claim was answered. */
  atGate(atMs: number): void {
    this.#atGateMs = atMs
  }

  #url(path: string): string {
    return `ws://${this.#dial.host.includes(':') ? `[${this.#dial.host}]` : this.#dial.host}:${this.#dial.port}/${path}`
  }

  #dispatch(event: TargetEvent): void {
    const { state, effects } = stepTarget(this.#state, event)
    this.#state = state
    for (const effect of effects) this.#carryOut(effect)
  }

  #lost(error: unknown): void {
    this.#dispatch({ type: 'lost', error: toErrorReport(error) })
  }

  #carryOut(effect: TargetEffect): void {
    switch (effect.type) {
      case 'openStreams':
        void this.#openStreams(effect.streams).catch((error: unknown) => this.#lost(error))
        return
      case 'install':
        this.#install(effect.frame)
        return
      case 'takeOver':
        this.#takeOver()
        return
      case 'openGate':
        this.#job.epoch = effect.epoch
        this.#job.openGate()
        this.#tellRunning()
        return
      case 'exit':
        clearInterval(this.#repeat)
        this.#control?.send({ type: 'failed', error: effect.error })
        this.#control?.close()
        for (const stream of this.#streams) stream.terminate()
        this.#job.tell({ type: 'failed', error: effect.error })
        this.#job.exit(1)
        return
    }
  }

  #fromSource(message: FromSource): void {
    switch (message.type) {
      case 'welcome':
        this.#bulkToken = message.bulkToken
        this.#version = message.version
        this.#dispatch({ type: 'welcome', streams: message.streams })
        return
      case 'refused':
        this.#dispatch({ type: 'refused', error: message.error })
        return
      case 'ping':
        this.#control?.send({ type: 'pong', id: message.id, sentAtMs: message.sentAtMs, atMs: nowMs() })
        return
      case 'final':
        this.#finalArrived(message)
        return
      case 'failed':
        this.#dispatch({ type: 'lost', error: message.error })
        return
    }
  }

  #finalArrived(message: FinalMessage): void {
    const { attempt, step, lastSequences, smallState, smallStateDigest } = message
    if (createHash('sha256').update(smallState).digest('hex') !== smallStateDigest) {
      this.#lost(new GodwitError('bad-checksum', 'the small state is not what was sent'))
      return
    }
    this.#final ??= message
    this.#dispatch({ type: 'final', final: { attempt, step, lastSequences } })
  }

  async #openStreams(streams: number): Promise<void> {
    for (let stream = 0; stream < streams; stream++) {
      const socket = await dial(this.#url('bulk'), { maxMessageBytes: MAX_FRAME_BYTES })
      this.#streams.push(socket)
      this.#installedBytes.push(0)
      socket.on('message', (data) => this.#frame(stream, data as Buffer))
      socket.on('error', (error) => this.#lost(new GodwitError('connection-lost', error.message)))
      socket.on('close', () => this.#lost(new GodwitError('connection-lost', 'a bulk connection closed')))
      const { migrationId } = this.#dial
      socket.send(
        encodeValue({
          type: 'bulkHello',
          migrationId,
          bulkToken: this.#bulkToken,
          stream,
        } satisfies FromTarget),
      )
      socket.resume()
    }
  }

  #frame(stream: number, data: Buffer): void {
    let frame: BulkFrame
    try {
      frame = decodeFrame(data, this.#job.dirtyPages.pageCount, this.#version)
      if (frame.stream !== stream)
        throw new GodwitError('bad-frame', `a frame of stream ${frame.stream} on stream ${stream}`)
    } catch (error) {
      this.#lost(error)
      return
    }
    // Counted before it is installed, so that what `final` waits for is acknowledged by then.
    const bytes = (this.#installedBytes[stream] as number) + data.length
    this.#installedBytes[stream] = bytes
    this.#dispatch({ type: 'frame', frame })
    const unsaid = bytes - (this.#saidBytes[stream] ?? 0)
    if (unsaid < SAID_AT_BYTES / this.#streams.length && frame.kind !== 'roundEnd') return
    this.#saidBytes[stream] = bytes
    this.#control?.send({ type: 'installed', stream, bytes })
  }

  #install(frame: BulkFrame): void {
    if (frame.kind !== 'pages') return
    const { paged } = this.#job
    let payloadAt = 0
    for (const { firstPage, pageCount, encoding } of frame.runs) {
      const [from, length] = [firstPage * PAGE_BYTES, pageCount * PAGE_BYTES]
      if (encoding === 'zero') {
        paged.fill(0, from, from + length)
        continue
      }
      paged.set(frame.payload.subarray(payloadAt, payloadAt + length), from)
      payloadAt += length
    }
  }

  #takeOver(): void {
    const final = this.#final
    if (final === undefined) throw new Error('bug: taking over without final')
    const installedAtMs = nowMs()
    this.#job.takeOver({ step: final.step, smallState: final.smallState }, final.spool)
    this.#claimedMs = nowMs()
    const claim = (): void =>
      this.#job.tell({ type: 'claim', migrationId: this.migrationId, fromStep: final.step })
    claim()
    this.#repeat = setInterval(claim, LIMITS.repeatMs)
    this.#control?.send({ type: 'ready', attempt: final.attempt, installedAtMs })
  }

  /** Once the job is ours and the thread goes on, whichever came last. It may still be computing its first step. */
  #tellRunning(): void {
    const [runningAtMs, grantedMs] = [this.#resumedMs, this.#grantedMs]
    if (runningAtMs === undefined || grantedMs === undefined) return
    this.#control?.send({
      type: 'running',
      epoch: this.#job.epoch,
      runningAtMs,
      claimWaitMs: this.#atGateMs === undefined ? 0 : Math.max(0, grantedMs - this.#atGateMs),
      claimRoundTripMs: this.#claimRoundTripMs,
    })
  }
}
