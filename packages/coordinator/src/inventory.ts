/**
 * The hosts, and which worker runs on which of them for which workload.
 *
 * A host is remembered after its agent has gone: its workers may well go on without it. A worker is known from its
 * launch until its exit, or until it is killed: from then on nothing that it says counts, and should it be found
 * alive when its agent comes back, it is killed again.
 *
 * Invariants: a host has at most one connected agent; a worker belongs to one host and one workload for all its life.
 */
import {
  FIRST_RELEASE,
  type FromAgent,
  GodwitError,
  type HostView,
  type Labels,
  LIMITS,
  type ToAgent,
  type Utilisation,
  type VersionRange,
} from '@godwit/protocol'

type Registration = Extract<FromAgent, { type: 'register' }>

/** The connection to an agent. */
export interface AgentLink {
  send(message: ToAgent): void
  /** Ends the connection, so that the agent connects anew and everything unanswered is said again. */
  end?(error: GodwitError): void
}

export interface Host {
  readonly name: string
  readonly address: string
  readonly faultDomain: string
  readonly labels?: Labels | undefined
  readonly memoryBytes: number
  readonly cores: number
  readonly maxJobs?: number | undefined
  /** Undefined while disconnected. */
  readonly agent: AgentLink | undefined
  /** While it is: since when, in watched time. */
  readonly awaySinceMs?: number
}

export interface KnownWorker {
  readonly workerId: string
  readonly host: string
  readonly workload: string
}

export class Inventory {
  readonly #hosts = new Map<string, Host>()
  readonly #workers = new Map<string, KnownWorker>()
  /** In maintenance: they take no jobs. */
  readonly #closed = new Set<string>()
  /** Of connected hosts, what they said last. */
  readonly #utilisation = new Map<string, Utilisation>()
  /** Which versions of the protocol they speak, and which release they have said that they are. */
  readonly #versions = new Map<string, VersionRange>()
  readonly #releases = new Map<string, string>()
  readonly #changed: (host: string) => void
  readonly #workerGone: (worker: KnownWorker) => void

  /** `changed` is told of each host about which something else is known since, `workerGone` of each worker that is heard no more. */
  constructor(
    changed: (host: string) => void = () => {},
    workerGone: (worker: KnownWorker) => void = () => {},
  ) {
    this.#changed = changed
    this.#workerGone = workerGone
  }

  /** Errors: `host-name-taken`, `too-large` (more hosts than the limit). */
  connect(registration: Registration, agent: AgentLink): Host {
    const { name, address, faultDomain, labels, memoryBytes, cores, maxJobs, versions } = registration
    const known = this.#hosts.get(name)
    if (known?.agent !== undefined) {
      throw new GodwitError(
        'host-name-taken',
        `an agent is connected under the name ${name}: choose another name, or stop that one first`,
      )
    }
    if (known === undefined && this.#hosts.size >= LIMITS.maxHosts) {
      throw new GodwitError('too-large', `${LIMITS.maxHosts} hosts are registered, which is the limit`)
    }
    const host = { name, address, faultDomain, labels, memoryBytes, cores, maxJobs, agent }
    this.#hosts.set(name, host)
    this.#versions.set(name, versions)
    this.#changed(name)
    return host
  }

  /** A host that an earlier coordinator knew: its agent is expected. */
  expect(host: Omit<Host, 'agent'>): void {
    this.#hosts.set(host.name, { ...host, agent: undefined })
  }

  /** `agent` has gone. The host as it is now, or undefined when another agent has taken its place already. */
  disconnect(name: string, agent: AgentLink, awaySinceMs: number): Host | undefined {
    const host = this.#hosts.get(name)
    if (host?.agent !== agent) return undefined
    const away = { ...host, agent: undefined, awaySinceMs }
    this.#hosts.set(name, away)
    this.#utilisation.delete(name)
    this.#versions.delete(name)
    this.#releases.delete(name)
    this.#changed(name)
    return away
  }

  forgetHost(name: string): void {
    this.#hosts.delete(name)
    this.#closed.delete(name)
    this.#changed(name)
  }

  close(name: string, isClosed: boolean): void {
    if (isClosed) this.#closed.add(name)
    else this.#closed.delete(name)
    this.#changed(name)
  }

  isClosed(name: string): boolean {
    return this.#closed.has(name)
  }

  /** Of a host in maintenance whose agent is away: `disconnected`. Undefined of one that is not known. */
  state(name: string): HostView['state'] | undefined {
    const host = this.#hosts.get(name)
    if (host === undefined) return undefined
    if (host.agent === undefined) return 'disconnected'
    return this.#closed.has(name) ? 'maintenance' : 'connected'
  }

  said(name: string, utilisation: Utilisation): void {
    this.#utilisation.set(name, utilisation)
    this.#changed(name)
  }

  isOfRelease(name: string, release: string): void {
    this.#releases.set(name, release)
    this.#changed(name)
  }

  /** Of its agent: undefined while that is away, or has only just connected. */
  release(name: string): string | undefined {
    const range = this.#versions.get(name)
    return this.#releases.get(name) ?? (range?.max === 1 ? FIRST_RELEASE : undefined)
  }

  /** Undefined while it is away. */
  versions(name: string): VersionRange | undefined {
    return this.#versions.get(name)
  }

  utilisation(name: string): Utilisation | undefined {
    return this.#utilisation.get(name)
  }

  hosts(): Host[] {
    return [...this.#hosts.values()]
  }

  /** One that takes jobs. Errors: `unknown-host`, `host-disconnected`, `in-maintenance`. */
  receivingHost(name: string): Host {
    const host = this.connectedHost(name)
    if (this.#closed.has(name)) throw inMaintenance(name)
    return host
  }

  /** All that keeps a host from taking jobs, in the words of `receivingHost`. */
  refusals(name: string): { readonly away?: string; readonly maintenance?: string } {
    return {
      ...(this.isConnected(name) ? {} : { away: isAway(name).message }),
      ...(this.isClosed(name) ? { maintenance: inMaintenance(name).message } : {}),
    }
  }

  /** Errors: `unknown-host`, `host-disconnected`. */
  connectedHost(name: string): Host {
    const host = this.knownHost(name)
    if (host.agent === undefined) throw isAway(name)
    return host
  }

  /** Errors: `unknown-host`. */
  knownHost(name: string): Host {
    const host = this.#hosts.get(name)
    if (host === undefined) {
      const names = [...this.#hosts.keys()].join(', ')
      throw new GodwitError(
        'unknown-host',
        `there is no host ${name}: ${names === '' ? 'no agent has connected yet' : `there are ${names}`}`,
      )
    }
    return host
  }

  isKnown(name: string): boolean {
    return this.#hosts.has(name)
  }

  isConnected(name: string): boolean {
    return this.#hosts.get(name)?.agent !== undefined
  }

  /** Nothing is sent to a host that is not connected. */
  send(name: string, message: ToAgent): boolean {
    const agent = this.#hosts.get(name)?.agent
    agent?.send(message)
    return agent !== undefined
  }

  launched(worker: KnownWorker): void {
    this.#workers.set(worker.workerId, worker)
  }

  worker(workerId: string): KnownWorker | undefined {
    return this.#workers.get(workerId)
  }

  forget(workerId: string): void {
    const worker = this.#workers.get(workerId)
    this.#workers.delete(workerId)
    if (worker !== undefined) this.#workerGone(worker)
  }

  workersOf(workload: string): KnownWorker[] {
    return this.#workersWhere((worker) => worker.workload === workload)
  }

  workersOn(host: string): KnownWorker[] {
    return this.#workersWhere((worker) => worker.host === host)
  }

  #workersWhere(isSo: (worker: KnownWorker) => boolean): KnownWorker[] {
    const found: KnownWorker[] = []
    for (const worker of this.#workers.values()) if (isSo(worker)) found.push(worker)
    return found
  }
}

function isAway(name: string): GodwitError {
  return new GodwitError('host-disconnected', `the agent of ${name} is not connected`)
}

function inMaintenance(name: string): GodwitError {
  return new GodwitError(
    'in-maintenance',
    `${name} is in maintenance and takes no jobs: choose another host, or end it with godwit maintenance exit ${name}`,
  )
}
