/**
 * The target's edge: dials the source, installs what comes, claims the job, and goes on with it. Every decision is in
 * @godwit/engine's target machine.
 */
import {
  bracketed,
  Channel,
  crashPoint,
  type DialSecurity,
  dial,
  dialBulk,
  roundTripOf,
  type WebSocket,
} from '@godwit/channel'
import {
  startTarget,
  stepTarget,
  type TargetEffect,
  type TargetEvent,
  type TargetState,
} from '@godwit/engine'
import { copyBytes, XorDecoder } from '@godwit/memory'
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
  type ToWorker,
  toErrorReport,
} from '@godwit/protocol'
import { hostSecurity, membershipIn } from '@godwit/trust'
import { nowMs } from './clock.ts'
import { finalDigest } from './final-digest.ts'
import { hashMemory } from './hash-memory.ts'
import { installPages } from './install.ts'
import type { Job } from './job.ts'

/** Installed bytes are said once they are so many over all streams: saying each frame cost a tenth of its way. */
const SAID_AT_BYTES = MAX_FRAME_BYTES

type FinalMessage = Extract<FromSource, { type: 'final' }>
type Dial = Extract<ToWorker, { type: 'dial' }>

export class Incoming {
  readonly migrationId: string
  readonly #job: Job
  readonly #over: () => void
  readonly #dial: Dial
  /** In a secured cluster: whom we expect, and who we are. */
  #security: DialSecurity | undefined
  readonly #installedBytes: number[] = []
  readonly #saidBytes: number[] = []
  readonly #streams: WebSocket[] = []
  /** Where a delta is put together. */
  readonly #staging: SharedArrayBuffer
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
  #verifyMs: number | undefined
  #saidAtMs = 0
  #decoder: XorDecoder | undefined

  /** `over` is called when the job is ours and runs: nothing more will be asked of this. */
  constructor(job: Job, message: Dial, over: () => void) {
    this.#over = over
    this.#job = job
    this.#dial = message
    this.migrationId = message.migrationId
    this.#staging = job.staging()
    this.#state = startTarget(job.dirtyPages.pageCount, this.#staging.byteLength)
  }

  async start(): Promise<void> {
    try {
      const { from, host, port } = this.#dial
      const { credentialsFolder } = this.#job.launch
      const security =
        credentialsFolder === undefined ? undefined : hostSecurity(membershipIn(credentialsFolder), from)
      this.#security = security
      const scheme = security === undefined ? 'ws' : 'wss'
      const socket = await dial(`${scheme}://${bracketed(host)}:${port}/control`, security && { security })
      const roundTripMs = await roundTripOf(socket)
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
        roundTripMs,
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
    crashPoint('after-resume')
    this.#resumedMs = atMs
    this.#tellRunning()
  }

  /** The thread computed its first delta before the claim was answered. */
  atGate(atMs: number): void {
    this.#atGateMs = atMs
  }

  #dispatch(event: TargetEvent): void {
    const { state, effects } = stepTarget(this.#state, event)
    this.#state = state
    try {
      for (const effect of effects) this.#carryOut(effect)
    } catch (error) {
      // What was being installed is no good, or there is a bug: nothing of this is claimed any more.
      this.#state = { name: 'ended' }
      this.#carryOut({ type: 'exit', error: toErrorReport(error) })
    }
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
      case 'hashMemory':
        void this.#hashMemory()
        return
      case 'takeOver':
        this.#takeOver()
        return
      case 'openGate':
        crashPoint('before-resume')
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
    const { attempt, step, lastSequences, smallState, delta, smallStateDigest, memoryDigest } = message
    if (finalDigest(smallState, delta?.values) !== smallStateDigest) {
      this.#lost(new GodwitError('bad-checksum', 'the small state is not what was sent'))
      return
    }
    this.#final ??= message
    const deltaBytes = delta?.byteLength ?? 0
    this.#dispatch({ type: 'final', final: { attempt, step, lastSequences, deltaBytes, memoryDigest } })
  }

  async #openStreams(streams: number): Promise<void> {
    for (let stream = 0; stream < streams; stream++) {
      const { host, port } = this.#dial
      const at = { host, port, path: '/bulk', security: this.#security }
      const socket = await dialBulk(at, MAX_FRAME_BYTES, {
        message: (bytes) => this.#frame(stream, bytes),
        failed: (error) => this.#lost(error),
      })
      this.#streams.push(socket)
      this.#installedBytes.push(0)
      socket.on('error', (error) => this.#lost(new GodwitError('connection-lost', error.message)))
      socket.on('close', () => this.#lost(new GodwitError('connection-lost', 'a bulk connection closed')))
      const { migrationId } = this.#dial
      crashPoint('before-send:bulkHello')
      socket.send(
        encodeValue({
          type: 'bulkHello',
          migrationId,
          bulkToken: this.#bulkToken,
          stream,
        } satisfies FromTarget),
      )
      crashPoint('after-send:bulkHello')
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
    const isFew = unsaid < SAID_AT_BYTES / this.#streams.length && frame.kind !== 'roundEnd'
    const atMs = nowMs()
    if (isFew && atMs - this.#saidAtMs < LIMITS.heartbeatIntervalMs) return
    this.#saidAtMs = atMs
    this.#saidBytes[stream] = bytes
    this.#control?.send({ type: 'installed', stream, bytes })
  }

  #install(frame: BulkFrame): void {
    if (frame.kind === 'delta')
      copyBytes(new Uint8Array(this.#staging).subarray(frame.byteOffset), frame.payload)
    installPages(frame, this.#job.paged, () => {
      this.#decoder ??= new XorDecoder()
      return this.#decoder
    })
  }

  async #hashMemory(): Promise<void> {
    const { digest, verifyMs } = await hashMemory(this.#job.paged)
    this.#verifyMs = verifyMs
    this.#dispatch({ type: 'memoryHashed', digest })
  }

  #takeOver(): void {
    const final = this.#final
    if (final === undefined) throw new Error('bug: taking over without final')
    const installedAtMs = nowMs()
    const { step, smallState, delta } = final
    const given = delta && { sent: delta, staging: this.#staging }
    crashPoint('before-install:final')
    this.#job.takeOver({ type: 'takeOver', step, smallState, delta: given }, final.spool)
    crashPoint('after-install:final')
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
      ...(this.#verifyMs !== undefined && { verifyMs: this.#verifyMs }),
    })
    this.#over()
  }
}
