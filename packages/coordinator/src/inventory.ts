/**
 * The hosts, and which worker runs on which of them for which workload.
 *
 * A host is remembered after its agent has gone: its workers may well go on without it. A worker is known from its
 * launch until its exit, or until it is killed: from then on nothing that it says counts, and should it be found
 * alive when its agent comes back, it is killed again.
 *
 * Invariants: a host has at most one connected agent; a worker belongs to one host and one workload for all its life.
 */
import { type FromAgent, GodwitError, type HostView, LIMITS, type ToAgent } from '@godwit/protocol'

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
  readonly memoryBytes: number
  readonly cores: number
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

  /** Errors: `host-name-taken`, `too-large` (more hosts than the limit). */
  connect(registration: Registration, agent: AgentLink): Host {
    const { name, address, faultDomain, memoryBytes, cores } = registration
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
    const host = { name, address, faultDomain, memoryBytes, cores, agent }
    this.#hosts.set(name, host)
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
    return away
  }

  forgetHost(name: string): void {
    this.#hosts.delete(name)
  }

  hosts(): Host[] {
    return [...this.#hosts.values()]
  }

  /** Errors: `unknown-host`, `host-disconnected`. */
  connectedHost(name: string): Host {
    const host = this.#hosts.get(name)
    if (host === undefined) {
      const names = [...this.#hosts.keys()].join(', ')
      throw new GodwitError(
        'unknown-host',
        `there is no host ${name}: ${names === '' ? 'no agent has connected yet' : `there are ${names}`}`,
      )
    }
    if (host.agent === undefined) {
      throw new GodwitError('host-disconnected', `the agent of ${name} is not connected`)
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
    this.#workers.delete(workerId)
  }

  workersOf(workload: string): KnownWorker[] {
    return [...this.#workers.values()].filter((worker) => worker.workload === workload)
  }

  workersOn(host: string): KnownWorker[] {
    return [...this.#workers.values()].filter((worker) => worker.host === host)
  }
}

/**
 * The connected host with most memory left over; of equal ones that with fewer workloads. `usage` tells what the
 * workloads of a host take. Errors: `host-disconnected` when no host is connected.
 */
export function roomiestHost(
  hosts: readonly Host[],
  usage: (host: string) => { bytes: number; workloads: number },
): Host {
  const candidates = hosts
    .filter((host) => host.agent !== undefined)
    .map((host) => {
      const { bytes, workloads } = usage(host.name)
      return { host, workloads, freeBytes: host.memoryBytes - bytes }
    })
    .sort(
      (a, b) =>
        b.freeBytes - a.freeBytes || a.workloads - b.workloads || (a.host.name < b.host.name ? -1 : 1),
    )
  const best = candidates[0]
  if (best === undefined) {
    throw new GodwitError('host-disconnected', 'no agent is connected: start one with `godwit agent`')
  }
  return best.host
}

export function hostView(host: Host, workloads: string[]): HostView {
  const { name, address, faultDomain, memoryBytes, cores, agent } = host
  const state = agent === undefined ? 'disconnected' : 'connected'
  return { name, address, faultDomain, state, memoryBytes, cores, workloads }
}
