/** A host as placement judges it, and as clients see it, from what the coordinator knows of it. */
import {
  commonVersion,
  type HostView,
  LIMITS,
  type MaintenanceView,
  OUR_VERSIONS,
  PROTOCOL_VERSION,
  RELEASE,
} from '@godwit/protocol'
import type { Host, Inventory } from './inventory.ts'
import { type HostFacts, type JobFacts, placesOf } from './placement.ts'

export function factsOfHost(host: Host, inventory: Inventory): HostFacts {
  const { name, faultDomain, labels = {}, memoryBytes, maxJobs } = host
  return {
    name,
    faultDomain,
    labels,
    memoryBytes,
    maxJobs,
    isConnected: host.agent !== undefined,
    isInMaintenance: inventory.isClosed(name),
    utilisation: inventory.utilisation(name),
  }
}

/** A job that is not over, with its speed. */
export type HostedJob = JobFacts & { readonly host: string; readonly stepsPerSecond: number }

/** Those that count on each host: they are there, or on their way there. */
export function jobsByHost<Job extends HostedJob>(jobs: readonly Job[]): Map<string, Job[]> {
  const byHost = new Map<string, Job[]>()
  for (const job of jobs) {
    for (const host of placesOf(job)) {
      const there = byHost.get(host)
      if (there === undefined) byHost.set(host, [job])
      else there.push(job)
    }
  }
  return byHost
}

export interface HostViewFacts {
  readonly host: Host
  readonly inventory: Inventory
  /** Those of `jobsByHost`. */
  readonly jobs: readonly HostedJob[]
  /** Unless it is over. */
  readonly maintenance: MaintenanceView | undefined
}

export function viewOfHost({ host, inventory, jobs, maintenance }: HostViewFacts): HostView {
  const { name, address, faultDomain, labels, memoryBytes, cores, maxJobs } = host
  const here = jobs.filter((job) => job.host === name)
  const utilisation = inventory.utilisation(name)
  const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0)
  return {
    name,
    address,
    faultDomain,
    ...(labels !== undefined && { labels }),
    state: inventory.state(name) ?? 'disconnected',
    ...(maintenance !== undefined && { maintenance: withoutJobs(maintenance) }),
    memoryBytes,
    usedMemoryBytes: sum(jobs.map((job) => job.memoryBytes)),
    cores,
    ...(maxJobs !== undefined && { maxJobs }),
    ...ageOf(name, inventory),
    ...(utilisation !== undefined && { utilisation }),
    stepsPerSecond: sum(here.map((job) => job.stepsPerSecond)),
    workloads: here
      .map(({ id }) => id)
      .sort()
      .slice(0, LIMITS.maxListedJobs),
  }
}

/** Its agent's, while that is connected, beside ours. */
function ageOf(name: string, inventory: Inventory): Pick<HostView, 'release' | 'protocol' | 'isBehind'> {
  const [release, versions] = [inventory.release(name), inventory.versions(name)]
  const protocol = versions && commonVersion(OUR_VERSIONS, versions)
  if (protocol === undefined) return {}
  const isBehind = protocol < PROTOCOL_VERSION || (release !== undefined && isOlder(release, RELEASE))
  return { ...(release !== undefined && { release }), protocol, ...(isBehind && { isBehind }) }
}

/** Releases are numbers with dots between them. */
function isOlder(release: string, than: string): boolean {
  return release.localeCompare(than, 'en', { numeric: true }) < 0
}

function withoutJobs({ jobs: _, ...counts }: MaintenanceView): Omit<MaintenanceView, 'jobs'> {
  return counts
}
