/**
 * The workers of this host: who runs, what memory they hold, and where messages go. One whose program has to be brought first counts as
 * running from its launch.
 *
 * Workers are strangers to each other as well: what one does, up to being killed, changes nothing for its
 * neighbours but the memory that the next one may have.
 *
 * Invariants: for every launch that is not a repeat exactly one `exited` follows, whether a process came to be or
 * not; only processes started by this host's agents are ever killed.
 */
import {
  type BundleProgress,
  type BundleRef,
  type ErrorReport,
  type FromAgent,
  type FromWorker,
  GodwitError,
  type Launch,
  LIMITS,
  type ToWorker,
  toErrorReport,
  type WorkerLaunch,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import { SharedBandwidth } from './bandwidth.ts'
import type { BundleSource } from './bundle-source.ts'
import { Bundles } from './bundles.ts'
import { CheckpointFolders } from './checkpoint-folders.ts'
import { DataDir, type Passport, readPassport, type WorkerFolder } from './data-dir.ts'
import { resolveProgram } from './programs.ts'
import { findWorker, startWorker } from './worker-handle.ts'
import { WorkerLogs } from './worker-logs.ts'
import { type WorkerPlace, WorkerProcess } from './worker-process.ts'

export interface WorkersOptions {
  dataDir: string
  programFolders: readonly string[]
  /** The entry of the worker: a file that is run with its folder as the only argument. */
  workerMain: string
  /** Paged memory of all workers together. */
  memoryBytes: number
  orphanTimeoutMs: number
  listenHost: string
  portRange: readonly [number, number]
  /** In a secured cluster: where the host's certificate and key are. */
  credentialsFolder?: string | undefined
  /** Bytes a second for all migrations that leave this host; undefined: no limit. */
  maxBandwidth?: number | undefined
  /** Of all bundles that are kept. */
  bundleSpaceBytes?: number | undefined
  /** Why this host runs no bundles. */
  bundleRefusal?: string | undefined
  bundleSource: () => BundleSource
}

export interface WorkersHandlers {
  message(workerId: string, message: FromWorker): void
  exited(workerId: string, error: ErrorReport | undefined): void
  /** What a worker's program has printed. */
  printed(message: Extract<FromAgent, { type: 'log' }>): void
  /** How far the bundle is that it waits for. */
  fetching(workerId: string, progress: BundleProgress): void
}

interface Running {
  readonly process: WorkerProcess
  readonly workloadId: string
  /** Paged memory, with shadow and staging, as far as it is known. */
  reservedBytes: number
}

/** One whose bundle is being brought. */
interface Coming {
  readonly controller: AbortController
  /** To be told once it runs. */
  readonly messages: ToWorker[]
}

/** More than the coordinator ever says to a worker that is not ready. */
const MAX_WAITING = 100

export class Workers {
  readonly #options: WorkersOptions
  readonly #handlers: WorkersHandlers
  readonly #log: Logger
  readonly #dataDir: DataDir
  readonly #checkpoints: CheckpointFolders
  readonly #running = new Map<string, Running>()
  readonly #coming = new Map<string, Coming>()
  readonly bundles: Bundles
  /** Of what leaves this host. */
  readonly bandwidth: SharedBandwidth
  /** What their programs print. */
  readonly logs: WorkerLogs
  #stopping: (() => void) | undefined

  /** Errors: those of `DataDir`. */
  constructor(options: WorkersOptions, handlers: WorkersHandlers, log: Logger) {
    this.#options = options
    this.#handlers = handlers
    this.#log = log
    this.#dataDir = new DataDir(options.dataDir)
    this.#checkpoints = new CheckpointFolders(this.#dataDir.path)
    this.logs = new WorkerLogs(handlers.printed)
    this.bundles = new Bundles({
      dataDir: this.#dataDir.path,
      spaceBytes: options.bundleSpaceBytes ?? LIMITS.defaultBundleSpaceBytes,
      refusal: options.bundleRefusal,
      source: options.bundleSource,
      log,
    })
    this.bandwidth = new SharedBandwidth(options.maxBandwidth, (workerId, bytesPerSecond) =>
      this.#running
        .get(workerId)
        ?.process.send({ type: 'bandwidth', ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) }),
    )
  }

  /** Takes over the workers that an earlier agent of this host left running, as far as they are who they say. */
  adopt(): void {
    for (const { workerId, folder } of this.#dataDir.left()) {
      const handle = findWorker(folder)
      if (handle === undefined) continue
      const passport = readPassport(folder)
      if (passport?.workerId !== workerId) {
        this.#log.warn({ workerId, workerPid: handle.pid }, 'not taken over: its launch.json is not readable')
        continue
      }
      this.#dataDir.takeBack(folder)
      this.#attend({ passport, handle, folder })
    }
  }

  ids(): string[] {
    return [...this.#running.keys(), ...this.#coming.keys()]
  }

  /** Workloads of which this host keeps checkpoints. */
  checkpoints(): string[] {
    return this.#checkpoints.list()
  }

  /** Now, or when the workload's worker here has ended. */
  deleteCheckpoint(workloadId: string): void {
    const isInUse = this.#runs(workloadId)
    this.#log.debug({ workloadId, isInUse }, 'its checkpoint is of no use any more')
    this.#tidy(workloadId, () => this.#checkpoints.delete(workloadId, isInUse))
  }

  /** The process of a worker that runs here. */
  pid(workerId: string): number | undefined {
    return this.#running.get(workerId)?.process.pid
  }

  /** Starts a worker; whatever keeps it from starting is told as its exit. A repeat of a running one does nothing. */
  launch(launch: Launch): void {
    const { workerId, bundle } = launch
    if (this.#running.has(workerId) || this.#coming.has(workerId)) {
      this.#log.warn({ workerId }, 'launch of a worker that runs already')
      return
    }
    if (bundle === undefined)
      this.#start(launch, () => resolveProgram(launch.program, this.#options.programFolders))
    else void this.#bring(launch, bundle)
  }

  async #bring(launch: Launch, bundle: BundleRef): Promise<void> {
    const { workerId, computeOnly = false } = launch
    const coming: Coming = { controller: new AbortController(), messages: [] }
    const { signal } = coming.controller
    this.#coming.set(workerId, coming)
    let found: () => string
    try {
      const file = await this.bundles.bring({
        ...{ workerId, bundle, computeOnly, signal },
        fetched: (bytes) => this.#handlers.fetching(workerId, { bytes, ofBytes: bundle.bytes }),
      })
      found = () => file
    } catch (error) {
      found = () => {
        throw error
      }
    }
    if (this.#coming.get(workerId) !== coming) return
    this.#coming.delete(workerId)
    this.#start(launch, found)
    for (const message of coming.messages) this.send(workerId, message)
  }

  /** True if it was on its way: now it is over. */
  #giveUp(workerId: string): boolean {
    const coming = this.#coming.get(workerId)
    if (coming === undefined) return false
    this.#coming.delete(workerId)
    coming.controller.abort()
    this.#handlers.exited(workerId, undefined)
    return true
  }

  /** `program`: finds its file. */
  #start(launch: Launch, program: () => string): void {
    const { workerId } = launch
    let folder: WorkerFolder | undefined
    try {
      if (this.#stopping !== undefined)
        throw new GodwitError('host-disconnected', 'this host is shutting down')
      if (this.#running.size + this.#coming.size >= LIMITS.maxWorkers) {
        throw new GodwitError('too-large', `this host runs ${LIMITS.maxWorkers} workers already`)
      }
      folder = this.#dataDir.create(this.#complete(launch, program()))
      const passport = readPassport(folder)
      if (passport === undefined) throw new Error(`${folder.path} does not say what was written to it`)
      this.#attend({ passport, handle: startWorker(this.#options.workerMain, folder), folder })
    } catch (error) {
      if (folder !== undefined) this.#dataDir.release(folder, false)
      this.bundles.release(workerId)
      if (error instanceof GodwitError) {
        this.#log.warn({ workerId, error: error.message }, 'a worker could not be started')
      } else this.#log.error({ workerId, err: error }, 'a bug kept a worker from being started')
      this.#handlers.exited(workerId, bounded(toErrorReport(error)))
    }
  }

  send(workerId: string, message: ToWorker): void {
    const coming = this.#coming.get(workerId)
    if (coming !== undefined) {
      if (message.type === 'stop' || message.type === 'release') this.#giveUp(workerId)
      else if (coming.messages.length < MAX_WAITING) coming.messages.push(message)
      return
    }
    const running = this.#running.get(workerId)
    if (running === undefined) {
      this.#log.debug({ workerId, type: message.type }, 'message for a worker that is gone')
      return
    }
    this.bandwidth.toldWorker(workerId, message)
    running.process.send(message)
  }

  kill(workerId: string): void {
    if (!this.#giveUp(workerId)) this.#running.get(workerId)?.process.kill()
  }

  /** Makes every worker say again what has not been acknowledged: the coordinator may not have got it. */
  reconnectAll(): void {
    this.logs.again()
    for (const { process } of this.#running.values()) process.reconnect()
  }

  /** Tells every worker to stop, kills those left after `graceMs`, and settles when none is. */
  async stopAll(graceMs: number): Promise<void> {
    const all = new Promise<void>((resolve) => {
      this.#stopping = resolve
    })
    for (const workerId of [...this.#coming.keys()]) this.#giveUp(workerId)
    for (const [workerId, { process }] of this.#running) {
      if (process.isConnected) this.send(workerId, { type: 'stop' })
      else this.kill(workerId)
    }
    const timer = setTimeout(() => {
      for (const workerId of this.ids()) this.kill(workerId)
    }, graceMs)
    if (this.#running.size > 0) await all
    clearTimeout(timer)
  }

  #attend(place: WorkerPlace): void {
    const { workerId, workloadId, bundle }: Passport = place.passport
    if (bundle !== undefined) this.bundles.use(workerId, bundle)
    const process = new WorkerProcess(place, {
      message: (message) => {
        if (message.type === 'prepared') running.reservedBytes = memoryOf(message)
        if (message.type === 'checkpointed' && message.report !== undefined)
          this.#checkpoints.written(workloadId)
        this.bandwidth.heardWorker(workerId, message)
        this.#handlers.message(workerId, message)
      },
      unreadable: (why, count) => {
        // One that says nothing else must not fill the log.
        if (Number.isInteger(Math.log2(count)))
          this.#log.error({ workerId, why, count }, 'a worker said something that is no message')
      },
      exited: (error) => {
        this.#running.delete(workerId)
        this.bundles.release(workerId)
        this.bandwidth.gone(workerId)
        this.logs.ended(workerId)
        this.#dataDir.release(place.folder, error !== undefined && !process.toldToEnd)
        if (!this.#runs(workloadId)) this.#tidy(workloadId, () => this.#checkpoints.left(workloadId))
        this.#log.info({ workerId, error }, 'worker ended')
        this.#handlers.exited(workerId, error && bounded(error))
        if (this.#running.size === 0) this.#stopping?.()
      },
    })
    const running: Running = { process, workloadId, reservedBytes: 0 }
    this.#running.set(workerId, running)
    this.logs.attend(place.passport, place.folder.logPath)
    this.#log.info({ workerId, workerPid: process.pid }, 'worker under way')
  }

  #runs(workloadId: string): boolean {
    return [...this.#running.values()].some((running) => running.workloadId === workloadId)
  }

  /** What can't be deleted costs space and nothing else. */
  #tidy(workloadId: string, body: () => void): void {
    try {
      body()
    } catch (error) {
      this.#log.warn({ workloadId, error: (error as Error).message }, 'a checkpoint could not be deleted')
    }
  }

  #complete(launch: Launch, programFile: string): WorkerLaunch {
    const { orphanTimeoutMs, listenHost, portRange, credentialsFolder } = this.#options
    return {
      ...launch,
      programFile,
      checkpointFolder: this.#checkpoints.prepare(launch.workloadId),
      orphanTimeoutMs,
      listenHost,
      portRange: [portRange[0], portRange[1]],
      ...(credentialsFolder !== undefined && { credentialsFolder }),
      memoryLimitBytes: this.#freeBytes(),
      outputBatchMs: LIMITS.outputBatchMs,
    }
  }

  /** Workers that are still being set up are not in it yet: they find out when they allocate. */
  #freeBytes(): number {
    let bytes = this.#options.memoryBytes
    for (const { reservedBytes } of this.#running.values()) bytes -= reservedBytes
    return Math.max(0, bytes)
  }
}

/** What is longer than the protocol allows would end our connection instead of informing anybody. */
function bounded(error: ErrorReport): ErrorReport {
  return { ...error, message: error.message.slice(0, LIMITS.maxErrorLength) }
}

function memoryOf({ memoryBytes, identity }: Extract<FromWorker, { type: 'prepared' }>): number {
  const { arenaBytes, tracker } = identity
  return memoryBytes ?? (tracker === 'compare' ? 2 * arenaBytes : arenaBytes)
}
