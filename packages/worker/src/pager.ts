/**
 * The pager: the worker's main thread. It owns the training thread, the dirty tracker, the outputs and whichever
 * migration is under way, and it never computes, so that it is awake when something happens.
 *
 * Invariants: outputs are stamped here with the epoch that owned the job when the thread took the step; at most one
 * migration is under way; whatever fails in a migration leaves the thread alone.
 */
import { Worker } from 'node:worker_threads'
import { estimateMigration, RecentSteps } from '@godwit/engine'
import { Arena, arenaBytes, chooseTracker, DirtyPages, layoutDigest } from '@godwit/memory'
import {
  type FromWorker,
  fromErrorReport,
  GodwitError,
  type Identity,
  type MigrationReport,
  type Output,
  type ToWorker,
  toErrorReport,
  trackedBytes,
  type WorkerLaunch,
} from '@godwit/protocol'
import { Checkpoints } from './checkpoints.ts'
import { maxStagedBytes, touch } from './delta-staging.ts'
import type { Job } from './job.ts'
import { probeJob } from './job-probe.ts'
import { Migrations } from './migrations.ts'
import { Outputs } from './outputs.ts'
import { Parks } from './parks.ts'
import { Restored } from './restored.ts'
import {
  ControlWords,
  type FromThread,
  REQUEST,
  type RehearsePark,
  type TakeOver,
  type ThreadStart,
  type ToProgram,
  type ToThread,
} from './thread-messages.ts'
import { warmUp } from './warm-up.ts'

type Loaded = Extract<FromThread, { type: 'loaded' }>

export interface PagerEdge {
  tell(message: FromWorker): void
  exit(code: number): void
}

export class Pager {
  readonly #launch: WorkerLaunch
  readonly #edge: PagerEdge
  readonly #memory = Arena.createMemory()
  readonly #control = new ControlWords()
  readonly #outputs: Outputs
  readonly #recentSteps = new RecentSteps()
  readonly #thread: Worker
  #loaded:
    | {
        message: Loaded
        paged: Uint8Array
        dirtyPages: DirtyPages
        identity: Omit<Identity, 'rehearsalDigest'>
      }
    | undefined
  #trackerReason: string | undefined
  #job: Job | undefined
  readonly #parks = new Parks(this.#control)
  readonly #migrations = new Migrations((message) => this.#tell(message))
  readonly #restored = new Restored(() => this.#trainsHere())
  #checkpoints: Checkpoints | undefined
  /** Its steps are taken here, and are the job's. */
  #trains = false
  #last: FromWorker | undefined
  #stagingMemory: SharedArrayBuffer | undefined
  /** What the thread reported while the job was not ours yet: released, and stamped, when it is. */
  #withheld: Extract<FromThread, { type: 'step' }>[] | undefined
  /** From the process's start to being ready. */
  #setupMs = 0
  #latestEstimate: { readonly to: string; readonly estimated: MigrationReport['estimated'] } | undefined
  /** Given so far: the number of the latest. */
  #notices = 0
  /** The thread said how it ended. */
  #over = false

  constructor(launch: WorkerLaunch, edge: PagerEdge) {
    this.#launch = launch
    this.#edge = edge
    this.#outputs = new Outputs((outputs) => edge.tell({ type: 'outputs', outputs }), launch.outputBatchMs)
    if (launch.mode === 'incoming') {
      this.#control.request({ set: REQUEST.await | REQUEST.gate })
      this.#withheld = []
    }
    if (launch.mode === 'restored') this.#control.request({ set: REQUEST.await })
    const { programFile, bundle, parameters, steps, mode } = launch
    const start: ThreadStart = {
      memory: this.#memory,
      control: this.#control.buffer,
      programFile,
      bundle: bundle?.digest,
      parameters,
      steps,
      mode,
    }
    this.#thread = new Worker(new URL('./training-thread.mjs', import.meta.url), { workerData: start })
    this.#thread.on('message', (message: FromThread) => this.#fromThread(message))
    this.#thread.on('error', (error) =>
      this.#fail(new GodwitError('program-failed', `the training thread died: ${error.message}`)),
    )
    // `process.exit` in a program ends only its thread, and says nothing.
    this.#thread.on('exit', (code) => {
      if (this.#over) return
      this.#fail(
        new GodwitError(
          'program-failed',
          `the training thread ended by itself (code ${code}) after step ${this.#control.step}`,
        ),
      )
    })
  }

  /** An agent has connected: it may be another one, so it is told again what it must know. */
  agentConnected(): void {
    if (this.#last !== undefined) this.#edge.tell(this.#last)
    this.#outputs.resend()
  }

  fromAgent(message: ToWorker): void {
    switch (message.type) {
      case 'openOutgoing': {
        const estimated = this.#latestEstimate?.to === message.to ? this.#latestEstimate.estimated : undefined
        void this.#migrations.openOutgoing(message, this.#trainingJob(), estimated)
        return
      }
      case 'dial':
        this.#dial(message)
        return
      case 'cancelMigration':
        this.#migrations.cancel(message)
        return
      case 'switchover':
        this.#migrations.switchover(message)
        return
      case 'pauseMigration':
        this.#migrations.pause(message)
        return
      case 'showPages':
        this.#migrations.showPages(message)
        return
      case 'claimResult':
        this.#migrations.claimResult(message)
        return
      case 'recoverResult':
        this.#migrations.recoverResult(message)
        return
      case 'release':
        this.#migrations.release(message)
        return
      case 'acknowledge':
        this.#outputs.acknowledge(message.step)
        this.#control.acknowledge(message.step + 1)
        return
      case 'estimate':
        void this.#answerEstimate(message)
        return
      case 'bandwidth':
        this.#migrations.hostBandwidth = message.bytesPerSecond
        return
      case 'stop':
        this.#stop()
        return
      case 'resume':
        this.#restored.resume(message.epoch)
        return
      case 'checkpoint':
        this.#checkpoint(message.checkpointId)
        return
    }
  }

  #fromThread(message: FromThread): void {
    switch (message.type) {
      case 'loaded':
        this.#onLoaded(message)
        return
      case 'prepared':
        void this.#onPrepared(message.rehearsalDigest)
        return
      case 'step':
        if (this.#withheld === undefined) this.#addOutput(message)
        else this.#withheld.push(message)
        return
      case 'parked':
        if (!this.#parks.parked(message)) this.#migrations.parked(message)
        return
      case 'noticed':
        this.#migrations.noticed(message)
        return
      case 'hookFailed':
        console.error(message.message)
        return
      case 'resumed':
        this.#migrations.resumed(message.atMs)
        return
      case 'parkFailed':
        if (!this.#parks.parkFailed(message)) this.#migrations.parkFailed(message)
        return
      case 'atGate':
        this.#migrations.atGate(message.atMs)
        return
      case 'ended':
        this.#onEnded(message.steps, message.stateDigest)
        return
      case 'stopped':
        this.#over = true
        this.#edge.exit(0)
        return
      case 'failed':
        this.#fail(fromErrorReport(message.error), message.step)
        return
    }
  }

  #addOutput({ step, loss, metrics, stepMs }: Extract<FromThread, { type: 'step' }>): void {
    const output: Output = { step, epoch: this.epoch, loss, stepMs }
    this.#outputs.add(metrics === undefined ? output : { ...output, metrics })
    this.#recentSteps.add(stepMs)
    this.#migrations.stepped(stepMs)
  }

  #onLoaded(message: Loaded): void {
    try {
      const { layout, program, programDigest, parametersDigest, dataDigests, mathDigests } = message
      const paged = arenaBytes(this.#memory, layout)
      const { tracker, reason } = chooseTracker(paged, this.#launch.tracker)
      this.#trackerReason = reason
      const deltaBytes = message.deltaArrays === undefined ? 0 : maxStagedBytes(message.deltaArrays)
      const neededBytes = trackedBytes({ arenaBytes: layout.byteLength, tracker: tracker.kind }) + deltaBytes
      const { memoryLimitBytes } = this.#launch
      if (neededBytes > memoryLimitBytes) {
        throw new GodwitError(
          'out-of-memory',
          `the workload needs ${neededBytes} bytes of memory with the ${tracker.kind} tracker, and the host has ${memoryLimitBytes} to give`,
        )
      }
      this.#loaded = {
        message,
        paged,
        dirtyPages: new DirtyPages(tracker),
        identity: {
          program,
          programDigest,
          parametersDigest,
          layoutDigest: layoutDigest(layout),
          dataDigests,
          mathDigests,
          arenaBytes: layout.byteLength,
          tracker: tracker.kind,
        },
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  async #onPrepared(rehearsalDigest: string): Promise<void> {
    if (this.#launch.mode === 'incoming') await warmUp().catch((error: unknown) => console.error(error))
    if (this.#loaded === undefined) return
    const { paged, dirtyPages, message } = this.#loaded
    const identity = { ...this.#loaded.identity, rehearsalDigest }
    const maxDeltaBytes = message.deltaArrays && maxStagedBytes(message.deltaArrays)
    this.#setupMs = performance.now()
    const job: Job = {
      launch: this.#launch,
      identity,
      paged,
      dirtyPages,
      maxDeltaBytes,
      tellsProgram: message.tellsProgram,
      spareBytes: this.#launch.memoryLimitBytes - trackedBytes(identity) - (maxDeltaBytes ?? 0),
      control: this.#control,
      parks: this.#parks,
      outputs: this.#outputs,
      recentSteps: this.#recentSteps,
      epoch: this.#launch.epoch,
      tell: (message) => this.#tell(message),
      notify: (notice) => {
        this.#notices += 1
        this.#toldAtBoundary({ type: 'notice', notice: this.#notices, ...notice })
        return this.#notices
      },
      saysStay: () => this.#toldAtBoundary({ type: 'stays' }),
      rehearsePark: () => this.#toldAtBoundary({ type: 'rehearsePark' }),
      takeOver: (state, spool) => this.#takeOver(state, spool),
      staging: () => this.#staging(maxDeltaBytes ?? 0),
      startOver: () => this.#startOver(),
      openGate: () => this.#openGate(),
      exit: (code) => this.#edge.exit(code),
    }
    this.#job = job
    this.#checkpoints = new Checkpoints(job)
    try {
      const restored = this.#launch.mode === 'restored' ? await this.#restored.load(job) : undefined
      const trackerReason = this.#trackerReason
      this.#say({
        type: 'prepared',
        identity,
        memoryBytes: trackedBytes(identity) + (maxDeltaBytes ?? 0),
        ...(trackerReason !== undefined && { trackerReason }),
        ...(restored && { restored }),
      })
    } catch (error) {
      this.#fail(error)
      return
    }
    if (this.#launch.mode === 'fresh') this.#trainsHere()
    if (this.#launch.mode === 'restored') this.#restored.ready()
  }

  /** From here on its steps are the job's. */
  #trainsHere(): void {
    this.#trains = true
    this.#checkpoints?.begin()
  }

  #checkpoint(checkpointId: string): void {
    const job = this.#trainingJob()
    if (job instanceof GodwitError)
      this.#edge.tell({ type: 'checkpointed', checkpointId, error: toErrorReport(job) })
    else this.#checkpoints?.ask(checkpointId)
  }

  /** The epoch that its steps are stamped with. */
  get epoch(): number {
    return this.#job?.epoch ?? this.#launch.epoch
  }

  /** The job, or why nothing can be done with it now. */
  #trainingJob(): Job | GodwitError {
    if (this.#last?.type === 'ended')
      return new GodwitError('workload-ended', 'the workload took its last step before it could move')
    if (this.#job === undefined || !this.#trains)
      return new GodwitError(
        'not-running',
        'the workload has not taken its first steps here yet: try again in a moment',
      )
    return this.#job
  }

  async #answerEstimate(message: Extract<ToWorker, { type: 'estimate' }>): Promise<void> {
    const { probeId, to, link, options } = message
    try {
      const job = this.#trainingJob()
      if (job instanceof GodwitError)
        throw new GodwitError('not-running', 'only of a workload that trains can be said what its move costs')
      const measured = await probeJob(job, this.#setupMs)
      const estimate = estimateMigration(measured, link, options)
      const { downtimeMs, totalMs } = estimate
      this.#latestEstimate = { to, estimated: { downtimeMs, totalMs } }
      this.#edge.tell({ type: 'estimated', probeId, estimate })
    } catch (error) {
      this.#edge.tell({ type: 'estimated', probeId, error: toErrorReport(error) })
    }
  }

  #dial(message: Extract<ToWorker, { type: 'dial' }>): void {
    if (this.#job === undefined || this.#launch.mode !== 'incoming') return
    try {
      this.#migrations.dial(message, this.#job)
    } catch (error) {
      this.#fail(error)
    }
  }

  #takeOver(state: TakeOver, spool: readonly Output[]): void {
    // The thread first: it is the job that stands still.
    this.#control.acknowledge(state.step - spool.length)
    this.#toThread(state)
    this.#control.request({ clear: REQUEST.await })
    this.#outputs.adopt(spool)
  }

  #startOver(): void {
    this.#toThread({ type: 'startOver' })
    this.#control.request({ clear: REQUEST.await })
  }

  #openGate(): void {
    this.#control.request({ clear: REQUEST.gate })
    const withheld = this.#withheld ?? []
    this.#withheld = undefined
    for (const message of withheld) this.#addOutput(message)
    this.#trainsHere()
  }

  #staging(byteLength: number): SharedArrayBuffer {
    if (this.#stagingMemory === undefined) {
      this.#stagingMemory = new SharedArrayBuffer(byteLength)
      touch(this.#stagingMemory)
      this.#toThread({ type: 'staging', memory: this.#stagingMemory })
    }
    return this.#stagingMemory
  }

  #toThread(message: ToThread): void {
    this.#thread.postMessage(message)
  }

  #toldAtBoundary(message: ToProgram | RehearsePark): void {
    this.#toThread(message)
    this.#control.request({ set: REQUEST.tell })
  }

  #onEnded(steps: number, stateDigest: string): void {
    this.#over = true
    this.#migrations.trainingEnded()
    this.#checkpoints?.over(new GodwitError('workload-ended', 'the workload took its last step'))
    this.#outputs.flush()
    this.#say({ type: 'ended', epoch: this.epoch, steps, stateDigest })
  }

  #stop(): void {
    if (this.#last?.type === 'ended') this.#edge.exit(0)
    else this.#control.request({ set: REQUEST.stop })
  }

  #tell(message: FromWorker): void {
    this.#edge.tell(message)
    // A target has the job: what is being written would be a checkpoint of its past.
    if (message.type === 'migrationEnded' && message.status === 'completed')
      this.#checkpoints?.abandon(
        new GodwitError('checkpoint-failed', 'the workload has moved to another host'),
      )
  }

  /** Says something that a newly connected agent must hear as well. */
  #say(message: FromWorker): void {
    this.#last = message
    this.#edge.tell(message)
  }

  #fail(error: unknown, step?: number): void {
    this.#over = true
    this.#outputs.flush()
    this.#say({ type: 'failed', error: toErrorReport(error), ...(step === undefined ? {} : { step }) })
    this.#edge.exit(1)
  }
}
