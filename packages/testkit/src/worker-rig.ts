/**
 * Real worker processes with a scripted agent and coordinator around them: for what two workers do to each other,
 * without two more processes in the way. Claims are granted as the coordinator would in good times; outputs are
 * collected with their stamps, and each step must come once.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Channel, dial } from '@godwit/channel'
import { entryFile, nodeArguments } from '@godwit/launch'
import {
  type FromWorker,
  fromWorker,
  LIMITS,
  type MigrationOptions,
  type MigrationReport,
  migrationOptions,
  type Output,
  type Parameters,
  type ToWorker,
  type WorkerLaunch,
} from '@godwit/protocol'

const WORKER = nodeArguments(entryFile('worker/main'))

type Message<Type extends FromWorker['type']> = Extract<FromWorker, { type: Type }>

export interface JobSpec {
  readonly program: string
  readonly steps: number
  readonly parameters?: Parameters
  readonly tracker?: WorkerLaunch['tracker']
}

/** Where a worker runs: this machine, or a part of it that is entered by a command. */
export interface RigPlace {
  /** Put before the worker's own command, e.g. `ip netns exec NAME`. It must not fork: its process is the worker's. */
  readonly command: readonly string[]
  /** Where the worker listens for a migration and is dialled. */
  readonly host: string
  /** Which host of the cluster it is; unless somebody says so, a source is on `a` and a target on `b`. */
  readonly name?: string
}

const HERE: RigPlace = { command: [], host: '127.0.0.1' }

/** Resolves a program of @godwit/trainer by name, anything else as a path. */
export function programFile(program: string): string {
  return program.includes('/')
    ? program
    : fileURLToPath(import.meta.resolve(`@godwit/trainer/programs/${program}`))
}

export class RigWorker {
  readonly process: ChildProcess
  readonly received: FromWorker[] = []
  readonly exited: Promise<number | null>
  #channel: Channel<FromWorker, ToWorker> | undefined
  #onMessage: (message: FromWorker) => void = () => {}
  /** What the rig found wrong with a message of this worker: said to whoever waits for it. */
  #objection: unknown
  readonly #events = new EventEmitter().setMaxListeners(100)
  readonly #folder: string
  /** Where it is dialled, and which host of the cluster that is. */
  readonly host: string
  readonly hostName: string | undefined

  constructor(
    folder: string,
    launch: WorkerLaunch,
    at: { node: string; place: RigPlace; env: Readonly<Record<string, string>> },
  ) {
    this.#folder = folder
    this.host = at.place.host
    this.hostName = at.place.name
    mkdirSync(folder)
    writeFileSync(join(folder, 'launch.json'), JSON.stringify(launch))
    const log = openSync(join(folder, 'output.log'), 'a')
    const [command, ...args] = [...at.place.command, at.node, ...WORKER, folder]
    this.process = spawn(command as string, args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...at.env },
    })
    this.exited = once(this.process, 'exit').then(([code]) => {
      this.#events.emit('change')
      return code as number | null
    })
  }

  get log(): string {
    return readFileSync(join(this.#folder, 'output.log'), 'utf8')
  }

  async connect(onMessage: (message: FromWorker) => void): Promise<void> {
    this.#onMessage = onMessage
    // Not by the exit code alone: a worker that was killed has none, and would be dialled for ever.
    while (!this.hasEnded) {
      try {
        const socket = await dial(`ws+unix:${join(this.#folder, 'worker.sock')}:/`)
        const channel = new Channel<FromWorker, ToWorker>(socket, fromWorker, {
          message: (message) => {
            this.received.push(message)
            try {
              onMessage(message)
            } catch (objection) {
              this.#objection ??= objection
            }
            this.#events.emit('change')
          },
          closed: (error) => {
            if (error?.kind === 'bad-message') console.error(`the rig lost a worker: ${error.message}`)
            // As an agent would: a worker that was stopped for long has been silent for too long.
            if (!this.hasEnded && channel === this.#channel) this.connect(this.#onMessage).catch(() => {})
            this.#events.emit('change')
          },
        })
        this.#channel = channel
        return
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    throw new Error(`the worker ended before it listened:\n${this.log}`)
  }

  /** As a second agent that connects while the first still does; the newest is spoken to. */
  async connectAgain(): Promise<void> {
    const before = this.#channel
    await this.connect(this.#onMessage)
    before?.close()
  }

  /** Resolves when the connection to a worker that is gone is gone as well: nothing that it said is heard after that. */
  async silent(): Promise<void> {
    while (this.#channel?.isOpen === true) await once(this.#events, 'change')
  }

  /** As an agent that is gone. */
  disconnect(): void {
    const channel = this.#channel
    this.#channel = undefined
    channel?.close()
  }

  send(message: ToWorker): void {
    this.#channel?.send(message)
  }

  /** The first message of this type that was or will be received and passes the test. */
  async next<Type extends FromWorker['type']>(
    type: Type,
    accept: (message: Message<Type>) => boolean = () => true,
  ): Promise<Message<Type>> {
    for (;;) {
      const found = this.received.find(
        (message): message is Message<Type> => message.type === type && accept(message as Message<Type>),
      )
      if (found !== undefined) return found
      this.refuseIfWrong()
      if (this.hasEnded) {
        const last = this.received
          .filter(({ type }) => type !== 'outputs' && type !== 'migrationProgress')
          .at(-1)
        throw new Error(
          `the worker ended (${this.process.exitCode ?? this.process.signalCode}) without ${type}; it said last ${JSON.stringify(last)}\n${this.log}`,
        )
      }
      await once(this.#events, 'change')
    }
  }

  /** Resolves when `ready` is true, asking again whenever this worker says something. */
  async until(ready: () => boolean): Promise<void> {
    while (!ready()) {
      this.refuseIfWrong()
      if (this.hasEnded) throw new Error(`the worker ended too early\n${this.log}`)
      await once(this.#events, 'change')
    }
  }

  /** Throws what the rig found wrong with this worker, once: nothing good comes from waiting for it. */
  refuseIfWrong(): void {
    const objection = this.#objection
    this.#objection = undefined
    if (objection !== undefined) throw objection
  }

  get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null
  }
}

/** One job's accepted steps: the coordinator's rule, written apart from it. */
export class Ledger {
  readonly outputs: Output[] = []
  /** When each of them came, by `performance.now()`: the job's pace as somebody outside sees it. */
  readonly arrivalsMs: number[] = []

  /** Takes steps in order, each once. A repeat must be the very same output; one that a later epoch computed again, the same bits. */
  accept(outputs: readonly Output[], atMs: number = performance.now()): void {
    for (const output of outputs) {
      const before = this.outputs[output.step]
      if (before !== undefined) {
        const bits = output.epoch > before.epoch ? computed : JSON.stringify
        if (bits(before) !== bits(output))
          throw new Error(`step ${output.step} came twice: ${JSON.stringify([before, output])}`)
      } else if (output.step === this.outputs.length) {
        this.outputs.push(output)
        this.arrivalsMs.push(atMs)
      } else throw new Error(`step ${output.step} came where ${this.outputs.length} is due`)
    }
  }
}

/** What of an output is the program's, -0 and all. */
function computed({ loss, metrics = {} }: Output): string {
  const values = [loss, ...Object.values(metrics)]
  return JSON.stringify([Buffer.from(Float64Array.from(values).buffer).toString('hex'), Object.keys(metrics)])
}

export class Rig {
  readonly folder = mkdtempSync(join(tmpdir(), 'godwit-rig-'))
  readonly workers: RigWorker[] = []
  ledger = new Ledger()
  /** Whether the coordinator that is played here says yes, and whether it says that outputs arrived. */
  grantClaims = true
  acknowledges = true
  #epoch = 1
  #count = 0

  async start(
    spec: JobSpec,
    {
      mode = 'fresh',
      node = process.execPath,
      place = HERE,
      launch = {},
      env = {},
    }: {
      mode?: WorkerLaunch['mode']
      node?: string
      place?: RigPlace
      launch?: Partial<WorkerLaunch>
      env?: Readonly<Record<string, string>>
    } = {},
  ): Promise<RigWorker> {
    this.#count += 1
    const workerId = `w${this.#count}`
    const worker = new RigWorker(
      join(this.folder, workerId),
      {
        workerId,
        workloadId: 'job',
        program: spec.program,
        programFile: programFile(spec.program),
        checkpointFolder: join(this.folder, 'checkpoint'),
        parameters: spec.parameters ?? {},
        steps: spec.steps,
        mode,
        epoch: this.#epoch,
        tracker: spec.tracker ?? 'auto',
        orphanTimeoutMs: 30_000,
        listenHost: place.host,
        portRange: [0, 0],
        memoryLimitBytes: 8 * 2 ** 30,
        outputBatchMs: LIMITS.outputBatchMs,
        ...launch,
      },
      { node, place, env },
    )
    this.workers.push(worker)
    const { ledger } = this
    await worker.connect((message) => {
      if (message.type === 'outputs') {
        ledger.accept(message.outputs)
        if (this.acknowledges) worker.send({ type: 'acknowledge', step: ledger.outputs.length - 1 })
      }
      if (message.type !== 'claim' || !this.grantClaims) return
      this.#epoch += 1
      worker.send({
        type: 'claimResult',
        migrationId: message.migrationId,
        granted: true,
        epoch: this.#epoch,
      })
    })
    await worker.next('prepared')
    return worker
  }

  /** Opens a migration at `source` and has `target` dial it. */
  async open(source: RigWorker, target: RigWorker, options: Partial<MigrationOptions> = {}): Promise<string> {
    const migrationId = `m${randomBytes(4).toString('hex')}`
    const secret = randomBytes(32).toString('hex')
    const { hostName: from = 'a', host } = source
    const { hostName: to = 'b' } = target
    const ask = (): void =>
      source.send({
        type: 'openOutgoing',
        migrationId,
        from,
        to,
        secret,
        options: migrationOptions.parse(options),
        elapsedMs: 0,
      })
    ask()
    // A source that was stopped for long wakes up to a connection that it gives up, with all that was sent on it.
    const again = setInterval(ask, LIMITS.repeatMs)
    const ours = (message: { migrationId: string }): boolean => message.migrationId === migrationId
    const answer = await Promise.race([
      source.next('outgoingOpened', ours),
      source.next('migrationEnded', ours),
    ]).finally(() => clearInterval(again))
    if (answer.type === 'outgoingOpened')
      target.send({ type: 'dial', migrationId, from, host, port: answer.port, secret })
    return migrationId
  }

  /** Moves the job to `target`, lets the source go, and returns the report. */
  async migrate(
    source: RigWorker,
    target: RigWorker,
    options: Partial<MigrationOptions> = {},
  ): Promise<MigrationReport> {
    const migrationId = await this.open(source, target, options)
    const ours = (message: { migrationId: string }): boolean => message.migrationId === migrationId
    // Nobody here gives a job back: a source that asks for it would wait for ever, frozen.
    const ended = await Promise.race([source.next('migrationEnded', ours), source.next('recover', ours)])
    if (ended.type === 'recover' || ended.report === undefined) {
      const how = ended.type === 'recover' ? 'in a source that has lost its target' : ended.status
      throw new Error(
        `the migration ended ${how}: ${JSON.stringify(ended.error)}\n${source.log}\n${target.log}`,
      )
    }
    const { report } = ended
    // As a coordinator does it: a source is let go when the target's first step, or the job's end, is known.
    const isOver = (): boolean => target.received.some(({ type }) => type === 'ended')
    await target.until(() => this.ledger.outputs.length > report.step || isOver())
    source.send({ type: 'release', migrationId })
    await source.exited
    return report
  }

  /** As a coordinator that lets a restored worker train. */
  resume(worker: RigWorker): void {
    this.#epoch += 1
    worker.send({ type: 'resume', epoch: this.#epoch })
  }

  /** Has the worker write a checkpoint; resolves with what it answers. */
  async checkpoint(worker: RigWorker): Promise<Extract<FromWorker, { type: 'checkpointed' }>> {
    const checkpointId = `c${randomBytes(4).toString('hex')}`
    worker.send({ type: 'checkpoint', checkpointId })
    return worker.next('checkpointed', (message) => message.checkpointId === checkpointId)
  }

  /** Kills the worker and waits until it is gone, and what it had said has been heard. */
  async kill(worker: RigWorker): Promise<void> {
    worker.process.kill('SIGKILL')
    await worker.exited
    await worker.silent()
  }

  /** As a coordinator that gives the job back to its frozen source. */
  takeBack(source: RigWorker, migrationId: string): void {
    this.#epoch += 1
    source.send({ type: 'recoverResult', migrationId, granted: true, epoch: this.#epoch })
  }

  /** Resolves when step number `step` was accepted from `worker`. */
  async reached(worker: RigWorker, step: number): Promise<void> {
    const isReached = (): boolean => this.ledger.outputs.length > step
    const hasEnded = (): boolean => worker.received.some(({ type }) => type === 'ended')
    await worker.until(() => isReached() || hasEnded())
    if (!isReached()) throw new Error(`the job has ended before step ${step}: give it more of them`)
  }

  /** Waits for the job's end at `worker` and lets it go. */
  async finish(worker: RigWorker): Promise<{ outputs: Output[]; stateDigest: string }> {
    const { stateDigest, steps } = await worker.next('ended')
    await worker.until(() => this.ledger.outputs.length === steps)
    worker.send({ type: 'stop' })
    await worker.exited
    return { outputs: this.ledger.outputs, stateDigest }
  }

  /** Runs another job, one that never moves. */
  async control(spec: JobSpec, node?: string): Promise<{ outputs: Output[]; stateDigest: string }> {
    this.ledger = new Ledger()
    this.#epoch = 1
    return this.finish(await this.start(spec, node === undefined ? {} : { node }))
  }

  /** Ends every worker that still runs and removes all files. Throws what was wrong and nobody has been told yet. */
  async close(): Promise<void> {
    for (const worker of this.workers) worker.process.kill('SIGKILL')
    await Promise.all(this.workers.map((worker) => worker.exited))
    rmSync(this.folder, { recursive: true, force: true })
    for (const worker of this.workers) worker.refuseIfWrong()
  }
}

export function lossBits(outputs: readonly Output[]): string {
  const losses = Float64Array.from(outputs, (output) => output.loss)
  return Buffer.from(losses.buffer).toString('hex')
}
