/**
 * The workers of one workload, as far as orders go: started, told, and seen off.
 *
 * There is the one that owns the workload, during a migration a second one, and after it for a moment one that was
 * told to go. Which of them is which is decided elsewhere (workload.ts, migration-machine.ts). An order to a host that
 * is away is dropped: what must not be lost is said again when its agent is back, and a worker that was killed
 * meanwhile is then one that nobody knows, which the agent is told to kill.
 *
 * Invariants: nothing that a worker says counts once it is killed or has exited; one that was told to go is gone, or
 * killed, within `REAP_MS`.
 */
import { type BundleProgress, type FromWorker, type Launch, LIMITS, type ToWorker } from '@godwit/protocol'
import type { Logger } from 'pino'
import type { Clock } from './clock.ts'
import type { Inventory } from './inventory.ts'
import type { WorkloadSpec } from './workload-view.ts'

/** From the word to stop to SIGKILL, with the time that a message takes on a busy machine. */
export const REAP_MS = LIMITS.stopGraceMs + LIMITS.heartbeatIntervalMs

/** What differs between launches of one job. */
type OneLaunch = Pick<Launch, 'workerId' | 'mode' | 'epoch' | 'computeOnly'>
type Prepared = Extract<FromWorker, { type: 'prepared' }>

export interface WorkersEdge {
  readonly inventory: Inventory
  readonly clock: Clock
  readonly log: Logger
  /** Its identity is kept when it is gone: an ended workload still says which tracker it had. */
  isOwner(workerId: string): boolean
  /** A worker that was told to go has not: call `kill`, in the workload's queue. */
  overdue(workerId: string): void
}

export class WorkloadWorkers {
  readonly #spec: WorkloadSpec
  readonly #edge: WorkersEdge
  readonly #prepared = new Map<string, Prepared>()
  /** Of those that wait for their bundle: how far it is. */
  readonly #fetching = new Map<string, BundleProgress>()
  readonly #reapers = new Map<string, () => void>()

  constructor(spec: WorkloadSpec, edge: WorkersEdge) {
    this.#spec = spec
    this.#edge = edge
  }

  /** What the worker said as it was ready. */
  prepared(workerId: string): Prepared | undefined {
    return this.#prepared.get(workerId)
  }

  isFetching(workerId: string, progress: BundleProgress): void {
    this.#fetching.set(workerId, progress)
  }

  /** Undefined once it has all of its bundle, or if it does not say. */
  fetching(workerId: string): BundleProgress | undefined {
    return this.#fetching.get(workerId)
  }

  isPrepared(workerId: string, message: Prepared): void {
    this.#fetching.delete(workerId)
    this.#prepared.set(workerId, message)
  }

  launch(host: string, launch: OneLaunch): void {
    const { inventory } = this.#edge
    inventory.launched({ workerId: launch.workerId, host, workload: this.#spec.id })
    inventory.send(host, { type: 'launch', launch: launchOf(this.#spec, launch) })
  }

  /** Launched by an earlier coordinator: heard, and told, once its agent is back. */
  isKnown(workerId: string, host: string): void {
    this.#edge.inventory.launched({ workerId, host, workload: this.#spec.id })
  }

  tell(workerId: string, message: ToWorker): void {
    const { inventory, log } = this.#edge
    const worker = inventory.worker(workerId)
    if (worker === undefined) return
    const sent = inventory.send(worker.host, { type: 'toWorker', workerId, message })
    if (!sent) log.debug({ workerId, type: message.type }, 'not sent: the host is disconnected')
  }

  /** From now on nothing that it says counts. */
  kill(workerId: string): void {
    const { inventory } = this.#edge
    const worker = inventory.worker(workerId)
    if (worker === undefined) return
    inventory.send(worker.host, { type: 'kill', workerId })
    this.forget(workerId)
  }

  /** It has exited. */
  forget(workerId: string): void {
    const { inventory, isOwner } = this.#edge
    inventory.forget(workerId)
    this.#fetching.delete(workerId)
    this.#reapers.get(workerId)?.()
    this.#reapers.delete(workerId)
    if (!isOwner(workerId)) this.#prepared.delete(workerId)
  }

  /** It was told to go: killed if it does not. */
  retire(workerId: string): void {
    const { inventory, clock, overdue } = this.#edge
    if (this.#reapers.has(workerId) || inventory.worker(workerId) === undefined) return
    this.#reapers.set(
      workerId,
      clock.after(REAP_MS, () => overdue(workerId)),
    )
  }

  close(): void {
    for (const cancel of this.#reapers.values()) cancel()
  }
}

export function launchOf(
  { id, program, bundle, parameters, steps, tracker, checkpointEveryMs }: WorkloadSpec,
  { computeOnly, ...launch }: OneLaunch,
): Launch {
  return {
    ...launch,
    workloadId: id,
    program,
    ...(bundle === undefined ? {} : { bundle }),
    ...(computeOnly === true ? { computeOnly } : {}),
    parameters,
    steps,
    tracker,
    ...(checkpointEveryMs === undefined ? {} : { checkpointEveryMs }),
  }
}
