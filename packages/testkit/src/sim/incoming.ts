/**
 * The target's edge in the simulation: dials the source, installs what comes, claims the job and goes on with it, as
 * the engine's real target machine asks for.
 */
import {
  startTarget,
  stepTarget,
  type TargetEffect,
  type TargetEvent,
  type TargetState,
} from '@godwit/engine'
import {
  type ErrorReport,
  type FromSource,
  type FromTarget,
  LIMITS,
  OUR_VERSIONS,
  type ToWorker,
} from '@godwit/protocol'
import type { End } from './connection.ts'
import type { SimJob } from './job.ts'
import type { SimFrame } from './page-sender.ts'
import { digestOf } from './program.ts'

type Dial = Extract<ToWorker, { type: 'dial' }>
type Final = Extract<FromSource, { type: 'final' }>

/** Short: one stream, unless the plan says how many. */
const ROUND_TRIP_MS = 1
const LOST: ErrorReport = { kind: 'connection-lost', message: 'the source closed a connection' }

export class SimIncoming {
  readonly migrationId: string
  readonly #job: SimJob
  readonly #dial: Dial
  readonly #over: () => void
  readonly #staging: Uint8Array
  readonly #streams: End[] = []
  readonly #installedBytes: number[] = []
  #state: TargetState
  #control: End | undefined
  #final: Final | undefined
  /** The frame that is being installed. */
  #frame: SimFrame | undefined
  #bulkToken = ''
  #claimedMs = 0
  #roundTripMs = 0
  #verifyMs: number | undefined
  #grantedMs: number | undefined
  #resumedMs: number | undefined
  #atGateMs: number | undefined
  #stopRepeating: () => void = () => {}

  constructor(job: SimJob, dial: Dial, over: () => void) {
    this.#job = job
    this.#dial = dial
    this.#over = over
    this.migrationId = dial.migrationId
    this.#staging = new Uint8Array(job.shape.deltaBytes)
    this.#state = startTarget(job.shape.pages, job.shape.deltaBytes)
  }

  start(): void {
    const { process, network, identity } = this.#job
    network.dial(process, this.#address(), 'control', {
      failed: () => this.#lost({ kind: 'unreachable', message: 'nobody answers at the source' }),
      open: (end) => {
        this.#control = end
        end.listen({
          message: (message: FromSource) => this.#fromSource(message),
          closed: (error) => this.#lost(error ?? LOST),
        })
        const { migrationId, secret } = this.#dial
        this.#say({
          type: 'hello',
          versions: OUR_VERSIONS,
          migrationId,
          secret,
          identity,
          roundTripMs: ROUND_TRIP_MS,
        })
      },
    })
  }

  claimResult(granted: boolean, epoch: number): void {
    if (this.#grantedMs !== undefined) return
    this.#stopRepeating()
    const { process } = this.#job
    this.#roundTripMs = process.nowMs() - this.#claimedMs
    if (granted) this.#grantedMs = process.nowMs()
    this.#dispatch({ type: 'claimResult', granted, epoch })
  }

  resumed(atMs: number): void {
    this.#resumedMs = atMs
    this.#tellRunning()
  }

  atGate(atMs: number): void {
    this.#atGateMs = atMs
  }

  #address(): string {
    return `${this.#dial.host}:${this.#dial.port}`
  }

  #dispatch(event: TargetEvent): void {
    this.#job.cell('target', this.#state.name, event.type)
    try {
      const before = this.#state.name
      const { state, effects } = stepTarget(this.#state, event)
      this.#state = state
      for (const effect of effects) this.#carryOut(effect)
      if (state.name !== before) this.#job.process.point(`entered:target.${state.name}`)
    } catch (error) {
      this.#job.bug(error)
    }
  }

  #lost(error: ErrorReport): void {
    this.#dispatch({ type: 'lost', error })
  }

  #carryOut(effect: TargetEffect): void {
    switch (effect.type) {
      case 'openStreams':
        return this.#openStream(0, effect.streams)
      case 'install':
        return this.#install(effect.frame)
      case 'hashMemory':
        return this.#job.hashMemory((digest, verifyMs) => {
          this.#verifyMs = verifyMs
          this.#dispatch({ type: 'memoryHashed', digest })
        })
      case 'takeOver':
        return this.#takeOver()
      case 'openGate':
        this.#job.process.point('before-resume')
        this.#job.epoch = effect.epoch
        this.#job.openGate()
        this.#tellRunning()
        this.#job.process.point('after-resume')
        return
      case 'exit':
        this.#stopRepeating()
        this.#say({ type: 'failed', error: effect.error })
        this.#control?.close()
        for (const stream of this.#streams) stream.close()
        this.#job.tell({ type: 'failed', error: effect.error })
        return this.#job.exit('gave up')
    }
  }

  #say(message: FromTarget): void {
    this.#control?.send(message)
  }

  #fromSource(message: FromSource): void {
    switch (message.type) {
      case 'welcome':
        this.#bulkToken = message.bulkToken
        return this.#dispatch({ type: 'welcome', streams: message.streams })
      case 'refused':
        return this.#dispatch({ type: 'refused', error: message.error })
      case 'ping': {
        const { id, sentAtMs } = message
        return this.#say({ type: 'pong', id, sentAtMs, atMs: this.#job.process.nowMs() })
      }
      case 'final': {
        const { attempt, step, lastSequences, delta, memoryDigest } = message
        this.#final ??= message
        const deltaBytes = delta?.byteLength ?? 0
        const final = { attempt, step, lastSequences, deltaBytes, memoryDigest }
        return this.#dispatch({ type: 'final', final })
      }
      case 'failed':
        return this.#lost(message.error)
    }
  }

  #openStream(stream: number, streams: number): void {
    if (stream === streams) return
    const { process, network } = this.#job
    network.dial(process, this.#address(), 'bulk', {
      failed: () => this.#lost({ kind: 'unreachable', message: 'the source lets in no bulk connection' }),
      open: (end) => {
        this.#streams.push(end)
        this.#installedBytes.push(0)
        end.listen({
          message: (frame: SimFrame) => this.#arrived(stream, frame),
          closed: () => this.#lost(LOST),
        })
        const { migrationId } = this.#dial
        const hello = { type: 'bulkHello', migrationId, bulkToken: this.#bulkToken, stream } as const
        end.send(hello satisfies FromTarget)
        this.#openStream(stream + 1, streams)
      },
    })
  }

  #arrived(stream: number, frame: SimFrame): void {
    const bytes = (this.#installedBytes[stream] as number) + frame.bytes
    this.#installedBytes[stream] = bytes
    this.#frame = frame
    this.#dispatch({ type: 'frame', frame: frame.frame })
    this.#say({ type: 'installed', stream, bytes })
  }

  #install(frame: SimFrame['frame']): void {
    if (frame.kind === 'delta') this.#staging.set(frame.payload, frame.byteOffset)
    const { pages } = this.#job.training.memory
    for (const [page, value] of this.#frame?.values ?? []) pages[page] = value
  }

  #takeOver(): void {
    const { job, final } = { job: this.#job, final: this.#final }
    if (final === undefined) throw new Error('bug: taking over without final')
    job.process.point('before-install:final')
    const installedAtMs = job.process.nowMs()
    const { step, smallState, delta, spool } = final
    const { memory } = job.training
    memory.small = new Int32Array(smallState.slice().buffer)[0] as number
    job.happened({ type: 'installed', step, digest: digestOf(memory) })
    job.takeOver(step, delta && deltaIn(this.#staging), spool)
    this.#claimedMs = job.process.nowMs()
    this.#claim(step)
    this.#say({ type: 'ready', attempt: final.attempt, installedAtMs })
    job.process.point('after-install:final')
  }

  #claim(fromStep: number): void {
    this.#job.tell({ type: 'claim', migrationId: this.migrationId, fromStep })
    this.#stopRepeating = this.#job.process.after(LIMITS.repeatMs, () => this.#claim(fromStep))
  }

  #tellRunning(): void {
    const [runningAtMs, grantedMs] = [this.#resumedMs, this.#grantedMs]
    if (runningAtMs === undefined || grantedMs === undefined) return
    this.#say({
      type: 'running',
      epoch: this.#job.epoch,
      runningAtMs,
      claimWaitMs: this.#atGateMs === undefined ? 0 : Math.max(0, grantedMs - this.#atGateMs),
      claimRoundTripMs: this.#roundTripMs,
      ...(this.#verifyMs !== undefined && { verifyMs: this.#verifyMs }),
    })
    this.#over()
  }
}

/** The delta, or rubbish if its parts are not of one piece. */
function deltaIn(staging: Uint8Array): number {
  const words = new Int32Array(staging.slice().buffer)
  const first = words[0] as number
  return words.every((word) => word === first) ? first : words.reduce((sum, word) => sum + word, 1)
}
