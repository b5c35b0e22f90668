/**
 * A simulated worker process: a training thread, the pager around it, and the door for its agent.
 *
 * What the worker room's main.ts, pager.ts and migrations.ts do between the engine's machines and the agent is done
 * here, on simulated time. The machines themselves are the real ones.
 */
import { Endings } from '@godwit/engine'
import {
  type ErrorReport,
  type FromWorker,
  fromErrorReport,
  GodwitError,
  type Identity,
  type Launch,
  LIMITS,
  type Output,
  PAGE_BYTES,
  type SentDelta,
  type ToWorker,
  toErrorReport,
} from '@godwit/protocol'
import { type CheckpointFile, SimCheckpoints } from './checkpoints.ts'
import type { End } from './connection.ts'
import { Dirty } from './dirty.ts'
import { SimIncoming } from './incoming.ts'
import type { Gone, OfWorker, SimJob } from './job.ts'
import { SimOutgoing } from './outgoing.ts'
import { SimParks } from './parks.ts'
import type { Process } from './process.ts'
import { digestOf, hex64, initial, type ProgramShape, pagesDigest } from './program.ts'
import { Spool } from './spool.ts'
import { Training } from './training.ts'
import type { World } from './world.ts'

type Said<Type extends FromWorker['type']> = Extract<FromWorker, { type: Type }>
type Command<Type extends ToWorker['type']> = Extract<ToWorker, { type: Type }>

export class SimWorker {
  readonly process: Process
  readonly launch: Launch
  readonly #world: World
  readonly #job: SimJob
  readonly #checkpoints: SimCheckpoints
  /** Of a restored worker: what it loaded, once it has looked. */
  #loaded: { readonly file: CheckpointFile | undefined } | undefined
  #resumeEpoch: number | undefined
  #hasResumed = false
  /** Its steps are the job's. */
  #trains = false
  #agent: End | undefined
  #cancelOrphan: () => void = () => {}
  #unsaid: FromWorker[] = []
  #last: FromWorker | undefined
  #outgoing: SimOutgoing | undefined
  #incoming: SimIncoming | undefined
  #hasDialled = false
  #isPrepared = false
  /** As many of the latest as the real one keeps. */
  readonly #endings = new Endings()
  #withheld: { step: number; loss: number; stepMs: number }[] | undefined
  readonly #own = new Set<number>()
  #exits: Gone | undefined
  /** Why the process is gone, once it is. */
  goneBecause: Gone | undefined
  exitCode: number | null = null

  constructor(world: World, process: Process, launch: Launch) {
    this.#world = world
    this.process = process
    this.launch = launch
    const shape = world.shapeOf(launch.workloadId)
    this.#job = this.#makeJob(shape)
    this.#checkpoints = new SimCheckpoints(this.#job, launch.checkpointEveryMs)
    if (launch.mode === 'incoming') this.#withheld = []
    process.onDeath(() => {
      this.goneBecause ??= 'fault'
      this.#job.happened({ type: 'gone', why: this.goneBecause })
    })
    this.#waitForAgent()
    world.network.listen(process, this.address, (end) => this.#agentConnects(end))
    process.after(process.random.between(20, 400), () => this.#prepared())
  }

  get address(): string {
    return `worker:${this.process.name}`
  }

  /** It has sent `final` and nobody has let it go on. */
  get isFrozen(): boolean {
    return this.#outgoing?.isFrozen === true
  }

  get isParked(): boolean {
    return this.#job.training.isParked
  }

  get step(): number {
    return this.#job.training.step
  }

  // ---- the agent's door

  #waitForAgent(): void {
    this.#cancelOrphan = this.process.after(LIMITS.orphanTimeoutMs, () => this.end('orphaned', 3))
  }

  #agentConnects(end: End): void {
    end.listen({
      message: (message: ToWorker) => this.#fromAgent(message),
      closed: () => {
        if (this.#agent === end && this.#exits === undefined) this.#waitForAgent()
      },
    })
    this.#agent = end
    this.#cancelOrphan()
    const { workerId, workloadId } = this.launch
    const { epoch } = this.#job
    const launchDigest = hex64(workerId)
    end.send({ type: 'hello', workerId, workloadId, epoch, launchDigest } satisfies FromWorker)
    if (this.#last !== undefined) this.#tell(this.#last)
    this.#job.spool.resend()
    for (const message of this.#unsaid.splice(0)) this.#tell(message)
    if (this.#exits !== undefined) this.#leave(this.#exits)
  }

  #tell(message: FromWorker): void {
    if (message.type === 'outputs') this.#published(message)
    if (message.type === 'migrationEnded' && message.status === 'completed') this.#checkpoints.abandon(MOVED)
    if (this.#agent?.isOpen === true) this.#agent.send(message)
    else if (message.type !== 'outputs' && message.type !== 'migrationProgress') this.#unsaid.push(message)
  }

  #published({ outputs }: Said<'outputs'>): void {
    if (!this.process.isAlive) return
    for (const { step, epoch } of outputs) {
      this.#job.happened({ type: 'published', step, epoch, isOwn: this.#own.has(step) })
    }
  }

  /** Ends once what was said has gone out. */
  #exit(why: Gone): void {
    if (this.#exits !== undefined) return
    this.#exits = why
    this.process.after(LIMITS.stopGraceMs, () => this.end(why, why === 'gave up' ? 1 : 0))
    if (this.#agent?.isOpen === true) this.#leave(why)
  }

  #leave(why: Gone): void {
    this.#agent?.close()
    this.process.after(1, () => this.end(why, why === 'gave up' ? 1 : 0))
  }

  /** The process is gone. */
  end(why: Gone, exitCode: number | null): void {
    if (!this.process.isAlive) return
    this.goneBecause = why
    this.exitCode = exitCode
    this.process.die()
  }

  // ---- what it is told

  #fromAgent(message: ToWorker): void {
    switch (message.type) {
      case 'openOutgoing':
        return this.#openOutgoing(message)
      case 'dial':
        return this.#dial(message)
      case 'cancelMigration':
        return this.#cancel(message)
      case 'switchover':
        if (this.#outgoing?.migrationId === message.migrationId) this.#outgoing.letGo()
        return
      case 'pauseMigration':
        if (this.#outgoing?.migrationId === message.migrationId) this.#outgoing.pause(message.isPaused)
        return
      case 'claimResult':
        if (this.#incoming?.migrationId === message.migrationId)
          this.#incoming.claimResult(message.granted, message.epoch)
        return
      case 'recoverResult':
        if (this.#outgoing?.migrationId === message.migrationId) {
          const { granted, epoch } = message
          this.#outgoing.dispatch({ type: 'recoverResult', granted, epoch })
        }
        return
      case 'release':
        if (this.#outgoing?.migrationId === message.migrationId) this.#outgoing.dispatch({ type: 'release' })
        return
      case 'acknowledge':
        this.#job.spool.acknowledge(message.step)
        return this.#job.training.acknowledge(message.step + 1)
      case 'stop':
        if (this.#last?.type === 'ended') this.#exit('stopped')
        else this.#job.training.stop()
        return
      case 'resume':
        this.#resumeEpoch ??= message.epoch
        return this.#resume()
      case 'checkpoint':
        return this.#checkpoint(message.checkpointId)
      case 'estimate':
      case 'bandwidth':
      case 'showPages':
        return
    }
  }

  #openOutgoing(message: Command<'openOutgoing'>): void {
    const { migrationId } = message
    if (this.#outgoing?.migrationId === migrationId) return this.#outgoing.sayAgain()
    const ending = this.#endings.get(migrationId)
    if (ending !== undefined) return this.#tell(ending)
    const why = this.#whyNot()
    if (why !== undefined) return this.#never(migrationId, 'failed', toErrorReport(why))
    const outgoing = new SimOutgoing(this.#job, message, () => {
      if (outgoing.ending !== undefined) this.#endings.keep(outgoing.ending)
      this.#outgoing = undefined
    })
    this.#outgoing = outgoing
    this.#tell({ type: 'outgoingOpened', migrationId, port: outgoing.listen() })
  }

  #whyNot(): GodwitError | undefined {
    if (!this.#trains) return new GodwitError('not-running', 'the workload takes no steps here yet')
    if (this.#last?.type === 'ended')
      return new GodwitError('workload-ended', 'the workload took its last step before it could move')
    if (this.#outgoing !== undefined)
      return new GodwitError('already-migrating', 'another migration of this workload is under way')
    return undefined
  }

  #dial(message: Command<'dial'>): void {
    if (this.#hasDialled || !this.#isPrepared || this.launch.mode !== 'incoming') return
    this.#hasDialled = true
    this.#incoming = new SimIncoming(this.#job, message, () => {
      this.#incoming = undefined
    })
    this.#incoming.start()
  }

  #cancel({ migrationId, error }: Command<'cancelMigration'>): void {
    if (this.#outgoing?.migrationId === migrationId) this.#outgoing.dispatch({ type: 'cancel', error })
    else this.#tell(this.#endings.get(migrationId) ?? this.#endings.never(migrationId, 'cancelled', error))
  }

  #never(migrationId: string, status: 'cancelled' | 'failed', error: Said<'failed'>['error']): void {
    this.#tell(this.#endings.never(migrationId, status, error))
  }

  // ---- the job

  #prepared(): void {
    const { identity, training } = this.#job
    this.#isPrepared = true
    if (this.launch.mode !== 'restored') this.#say({ type: 'prepared', identity })
    else {
      const file = this.#world.checkpointOf(this.process.node, this.launch.workloadId)
      this.#loaded = { file }
      const restored = file === undefined ? { step: 0, error: NO_CHECKPOINT } : { step: file.step }
      this.#say({ type: 'prepared', identity, restored })
      this.#resume()
    }
    if (this.launch.mode !== 'fresh') return
    training.begin()
    this.#trainsHere()
  }

  #trainsHere(): void {
    this.#trains = true
    this.#checkpoints.begin()
  }

  /** Once it has loaded what there is, and was told to. */
  #resume(): void {
    const { job, loaded, epoch } = { job: this.#job, loaded: this.#loaded, epoch: this.#resumeEpoch }
    if (loaded === undefined || epoch === undefined || this.#hasResumed) return
    this.#hasResumed = true
    this.process.point('before-resume')
    job.epoch = epoch
    const { file } = loaded
    const { training } = job
    if (file !== undefined) {
      training.memory.pages.set(file.pages)
      training.memory.small = file.small
      training.acknowledge(file.step - file.spool.length)
      training.restore(file.step)
      job.spool.adopt(file.spool)
    }
    job.happened({ type: 'restored', step: training.step, epoch, digest: digestOf(training.memory) })
    training.begin()
    this.process.point('after-resume')
    this.#trainsHere()
  }

  #checkpoint(checkpointId: string): void {
    if (this.#trains && this.#last?.type !== 'ended') return this.#checkpoints.ask(checkpointId)
    this.#tell({
      type: 'checkpointed',
      checkpointId,
      error: toErrorReport(this.#whyNot() ?? new GodwitError('not-running', 'not now')),
    })
  }

  #say(message: FromWorker): void {
    this.#last = message
    this.#tell(message)
  }

  #stepped(step: number, loss: number, stepMs: number): void {
    if (this.#withheld === undefined) this.#addOutput(step, loss, stepMs)
    else this.#withheld.push({ step, loss, stepMs })
  }

  #addOutput(step: number, loss: number, stepMs: number): void {
    this.#own.add(step)
    this.#job.spool.add({ step, epoch: this.#job.epoch, loss, stepMs })
  }

  #takeOver(step: number, delta: number | undefined, spool: readonly Output[]): void {
    this.#job.training.acknowledge(step - spool.length)
    this.#job.training.takeOver(step, delta)
    this.#job.spool.adopt(spool)
  }

  #openGate(): void {
    this.#job.training.openGate()
    const withheld = this.#withheld ?? []
    this.#withheld = undefined
    for (const { step, loss, stepMs } of withheld) this.#addOutput(step, loss, stepMs)
    this.#trainsHere()
  }

  #ended(steps: number, stateDigest: string): void {
    this.#outgoing?.dispatch({ type: 'trainingEnded' })
    this.#checkpoints.over()
    this.#job.spool.flush()
    this.#say({ type: 'ended', epoch: this.#job.epoch, steps, stateDigest })
  }

  #makeJob(shape: ProgramShape): SimJob {
    const { process, launch } = this
    const world = this.#world
    const dirty = new Dirty(shape.pages)
    const training = new Training(
      process,
      { memory: initial(shape), shape, dirty },
      {
        stepped: (step, loss, stepMs) => this.#stepped(step, loss, stepMs),
        parked: (parked) => {
          if (!parks.parked(parked)) this.#outgoing?.parked(parked)
        },
        resumed: (atMs) => this.#incoming?.resumed(atMs),
        atGate: (atMs) => this.#incoming?.atGate(atMs),
        ended: (steps, digest) => this.#ended(steps, digest),
        stopped: () => this.end('stopped', 0),
      },
    )
    const parks = new SimParks(training)
    return {
      process,
      parks,
      saveCheckpoint: (file) => world.saveCheckpoint(process.node, launch.workloadId, file),
      network: world.network,
      workload: launch.workloadId,
      shape,
      identity: identityOf(shape),
      training,
      dirty,
      spool: new Spool(process, (outputs) => this.#tell({ type: 'outputs', outputs })),
      epoch: launch.epoch,
      sentDelta: sentDeltaOf(shape),
      tell: (message) => this.#tell(message),
      happened: (happening: OfWorker) => {
        const { workerId: worker, workloadId: workload } = launch
        world.happened({ ...happening, worker, workload } as Parameters<World['happened']>[0])
      },
      cell: (table, state, event) => world.coverage.cell(table, state, event),
      bug: (error) => world.bug(process, error),
      freePort: () => world.freePort(),
      address: (port) => `${process.node}:${port}`,
      stagedDelta: (delta) => new Uint8Array(new Int32Array(shape.deltaBytes / 4).fill(delta).buffer),
      hashMemory: (done) => {
        const digest = pagesDigest(training.memory)
        const verifyMs = process.random.pick([0.3, 3, 60, 500]) * process.random.between(0.3, 1)
        process.after(verifyMs, () => done(digest, verifyMs))
      },
      takeOver: (step, delta, spool) => this.#takeOver(step, delta, spool),
      openGate: () => this.#openGate(),
      exit: (why) => this.#exit(why),
    }
  }
}

function identityOf(shape: ProgramShape): Identity {
  return {
    program: 'simulated',
    programDigest: hex64(1),
    parametersDigest: hex64(2),
    layoutDigest: hex64(3),
    dataDigests: {},
    mathDigests: {},
    rehearsalDigest: hex64(shape.seed),
    arenaBytes: shape.pages * PAGE_BYTES,
    tracker: 'userfaultfd',
  }
}

function sentDeltaOf(shape: ProgramShape): SentDelta {
  return { arrays: [], byteLength: shape.deltaBytes, values: new Uint8Array(0), computeMs: shape.computeMs }
}

const MOVED: ErrorReport = { kind: 'checkpoint-failed', message: 'the workload has moved to another host' }
const NO_CHECKPOINT: ErrorReport = { kind: 'checkpoint-unusable', message: 'there is no checkpoint' }

/** What the agent knows of a failure. */
export const crashed = (workerId: string) =>
  toErrorReport(fromErrorReport({ kind: 'worker-crashed', message: `worker ${workerId} is gone` }))
