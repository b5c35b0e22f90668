/**
 * A simulated agent: registered with the coordinator, its workers on the other side, messages passed between them.
 *
 * What waits for the coordinator's return waits in the agent room's real Backlog. What its agent.ts, workers.ts and
 * coordinator-link.ts do around it is done here: one connection, made again with growing delays; a worker whose end
 * is untold still counts as running; a newly started agent takes over the workers that run on its host.
 */
import { Backlog } from '@godwit/agent'
import { reconnectDelayMs } from '@godwit/channel'
import { type FromAgent, type Launch, LIMITS, OUR_VERSIONS, RELEASE, type ToAgent } from '@godwit/protocol'
import { AgentWorker } from './agent-worker.ts'
import type { End } from './connection.ts'
import type { Process } from './process.ts'
import type { World } from './world.ts'

const GIB = 2 ** 30

export class SimAgent {
  readonly process: Process
  readonly #world: World
  readonly #workers = new Map<string, AgentWorker>()
  readonly #backlog = new Backlog()
  /** Workloads whose checkpoint goes with their last worker here. */
  readonly #doomed = new Set<string>()
  #channel: End | undefined
  #isRegistered = false
  #wasRegistered = false
  #failures = 0

  constructor(world: World, process: Process) {
    this.#world = world
    this.process = process
    for (const worker of world.workersOn(process.node)) this.#attend(worker.process.name, false)
    this.#connect()
  }

  get isRegistered(): boolean {
    return this.process.isAlive && this.#isRegistered
  }

  // ---- the coordinator

  #connect(): void {
    this.#world.network.dial(this.process, 'coordinator', 'agent', {
      failed: () => this.#lost(),
      open: (end) => {
        this.#channel = end
        end.listen({
          message: (message: ToAgent) => this.#fromCoordinator(message),
          closed: () => {
            if (this.#channel !== end) return
            this.#channel = undefined
            this.#isRegistered = false
            this.#lost()
          },
        })
        this.process.after(LIMITS.helloTimeoutMs, () => {
          if (this.#channel === end && !this.#isRegistered) end.close()
        })
        end.send(this.#register())
      },
    })
  }

  #register(): FromAgent {
    const workers = [...new Set([...this.#workers.keys(), ...this.#backlog.exited()])]
    return {
      type: 'register',
      versions: OUR_VERSIONS,
      name: this.process.node,
      address: this.process.node,
      faultDomain: this.process.node,
      memoryBytes: 8 * GIB,
      cores: 2,
      workers,
      checkpoints: this.#world.checkpointsOn(this.process.node),
    }
  }

  #lost(): void {
    if (!this.process.isAlive) return
    // Whoever is started when nobody answers, and has nobody to look after, ends, and is started again.
    if (!this.#wasRegistered && this.#workers.size === 0) {
      this.process.die()
      return
    }
    const delayMs = reconnectDelayMs(this.#failures++, this.process.random.next())
    this.process.after(delayMs, () => this.#connect())
  }

  #accepted(): void {
    this.#isRegistered = true
    this.#failures = 0
    for (const message of this.#backlog.take()) this.#channel?.send(message)
    this.#channel?.send({ type: 'about', release: RELEASE } satisfies FromAgent)
    const isAgain = this.#wasRegistered
    this.#wasRegistered = true
    if (isAgain) for (const worker of this.#workers.values()) worker.reconnect()
  }

  #send(message: FromAgent): void {
    if (this.#isRegistered) this.#channel?.send(message)
    else this.#backlog.add(message)
  }

  #fromCoordinator(message: ToAgent): void {
    switch (message.type) {
      case 'registered':
        return this.#accepted()
      case 'refused':
        this.#channel?.close()
        return
      case 'launch':
        return this.#launch(message.launch)
      case 'toWorker':
        this.#workers.get(message.workerId)?.send(message.message)
        return
      case 'kill':
        this.#workers.get(message.workerId)?.kill()
        return
      case 'deleteCheckpoint':
        return this.#deleteCheckpoint(message.workloadId)
      case 'openProbe':
      case 'dialProbe':
      case 'checkHost':
        return
    }
  }

  // ---- its workers

  #launch(launch: Launch): void {
    const { workerId } = launch
    if (this.#workers.has(workerId)) return
    this.#doomed.delete(launch.workloadId)
    this.process.point('before-spawn')
    this.process.leave(() => {
      this.#world.startWorker(this.process.node, launch)
      this.#attend(workerId, true)
    })
    this.process.point('after-spawn')
  }

  /** Not under the hands of a worker that still runs: then it goes with that. */
  #deleteCheckpoint(workload: string): void {
    const isInUse = [...this.#workers.values()].some(({ worker }) => worker.launch.workloadId === workload)
    if (isInUse) this.#doomed.add(workload)
    else {
      this.#doomed.delete(workload)
      this.process.leave(() => this.#world.deleteCheckpoint(this.process.node, workload))
    }
  }

  #attend(workerId: string, isChild: boolean): void {
    const worker = this.#world.worker(workerId)
    if (worker === undefined) throw new Error(`bug: there is no worker ${workerId}`)
    const attended = new AgentWorker(
      this.process,
      this.#world.network,
      { worker, isChild },
      {
        message: (message) => {
          if (message.type === 'checkpointed') this.#doomed.delete(worker.launch.workloadId)
          this.#send({ type: 'fromWorker', workerId, message })
        },
        exited: (error) => {
          this.#workers.delete(workerId)
          if (this.#doomed.has(worker.launch.workloadId)) this.#deleteCheckpoint(worker.launch.workloadId)
          this.#send(
            error === undefined
              ? { type: 'workerExited', workerId }
              : { type: 'workerExited', workerId, error },
          )
        },
      },
    )
    this.#workers.set(workerId, attended)
  }
}
