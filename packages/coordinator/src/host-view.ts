/** A host as placement judges it, and as clients see it, from what the coordinator knows of it. */
import { type HostView, LIMITS, type MaintenanceView } from '@godwit/protocol'
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
    ...(utilisation !== undefined && { utilisation }),
    stepsPerSecond: sum(here.map((job) => job.stepsPerSecond)),
    workloads: here
      .map(({ id }) => id)
      .sort()
      .slice(0, LIMITS.maxListedJobs),
  }
}

function withoutJobs({ jobs: _, ...counts }: MaintenanceView): Omit<MaintenanceView, 'jobs'> {
  return counts
}
