/**
 * On which host a job is to be: each host is refused for the first thing that stands in the way, or scored, and the best one is taken.
 *
 * What refuses: its agent, maintenance, labels, rules, the number of its jobs, memory. What scores: free memory above all, then an idle
 * processor, few jobs in its zone and rack, and that the job's checkpoint lies there. Every host gets its sentence, so that whoever wonders
 * is told, and a full cluster or rules that contradict each other are said host by host.
 *
 * Invariants: pure; a host that is refused is never taken; some host is taken unless all are refused; the order in which hosts and
 * jobs are given changes nothing.
 */
import {
  GodwitError,
  type Labels,
  LIMITS,
  type PlacementRules,
  rackOf,
  type Utilisation,
  type Verdict,
  zoneOf,
} from '@godwit/protocol'

export interface HostFacts {
  readonly name: string
  readonly isConnected: boolean
  readonly isInMaintenance: boolean
  readonly faultDomain: string
  readonly labels: Labels
  readonly memoryBytes: number
  readonly maxJobs: number | undefined
  readonly utilisation: Utilisation | undefined
}

/** A job that is not over. */
export interface JobFacts {
  readonly id: string
  /** Undefined for one that is yet to be placed. */
  readonly host: string | undefined
  /** While a migration of it is under way. */
  readonly move?:
    | {
        readonly id: string
        readonly from: string
        readonly to: string
        /** That asked for it. */
        readonly maintenance?: string | undefined
      }
    | undefined
  /** As far as is known: 0 before it has said. */
  readonly memoryBytes: number
  readonly rules: PlacementRules
  /** Where its latest checkpoint lies. */
  readonly checkpointHost?: string | undefined
}

export interface Placement {
  /** Undefined when every host is refused. */
  readonly chosen: string | undefined
  /** The best host first, those that were refused last. */
  readonly verdicts: readonly Verdict[]
}

/** What this one job may not do, besides what its rules say: by host, why. */
export type Refusals = ReadonlyMap<string, string>

const AWAY = 'its agent is not connected'
const WEIGHTS = { memory: 50, processor: 20, zone: 15, rack: 10, checkpoint: 5 }

/** A job counts where it is, and where it is going. `jobs` may hold the one that is placed: it does not stand in its own way. */
export function place(
  job: JobFacts,
  hosts: readonly HostFacts[],
  jobs: readonly JobFacts[],
  refusals: Refusals = new Map(),
): Placement {
  const others = new Occupancy(
    jobs.filter(({ id }) => id !== job.id),
    hosts,
  )
  const judged = hosts.map((host): Judged => {
    const reason = refusals.get(host.name) ?? refusalOf(host, job, others)
    if (reason !== undefined) return { host, score: undefined, reason }
    return { host, ...scoreOf(host, job, others) }
  })
  const [best, ...rest] = judged.sort(byScore)
  const chosen = best?.score === undefined ? undefined : best.host.name
  const verdicts = [...(best === undefined ? [] : [best]), ...rest].map(
    ({ host, score, reason }): Verdict => {
      const sentence = shortened(reason)
      if (score === undefined) return { host: host.name, verdict: 'refused', reason: sentence }
      const verdict = host.name === chosen ? 'taken' : 'possible'
      return { host: host.name, verdict, score: Math.round(score * 10) / 10, reason: sentence }
    },
  )
  return { chosen, verdicts }
}

interface Judged {
  readonly host: HostFacts
  readonly score: number | undefined
  readonly reason: string
}

/** Equal ones by what they have, then by name. */
function byScore(a: Judged, b: Judged): number {
  if (a.score === undefined || b.score === undefined)
    return Number(a.score === undefined) - Number(b.score === undefined) || byName(a, b)
  return b.score - a.score || b.host.memoryBytes - a.host.memoryBytes || byName(a, b)
}

const byName = (a: Judged, b: Judged): number => (a.host.name < b.host.name ? -1 : 1)

/** What the other jobs take. */
class Occupancy {
  readonly #byHost = new Map<string, { jobs: JobFacts[]; bytes: number }>()
  readonly #perDomain = new Map<string, { jobs: number; hosts: number }>()
  readonly #byId = new Map<string, JobFacts>()

  constructor(jobs: readonly JobFacts[], hosts: readonly HostFacts[]) {
    for (const job of jobs) {
      this.#byId.set(job.id, job)
      for (const host of placesOf(job)) {
        const there = this.#byHost.get(host) ?? { jobs: [], bytes: 0 }
        there.jobs.push(job)
        there.bytes += job.memoryBytes
        this.#byHost.set(host, there)
      }
    }
    for (const { name, faultDomain } of hosts) {
      for (const domain of new Set([zoneOf(faultDomain), faultDomain])) {
        const all = this.#perDomain.get(domain) ?? { jobs: 0, hosts: 0 }
        all.hosts += 1
        all.jobs += this.on(name).jobs.length
        this.#perDomain.set(domain, all)
      }
    }
  }

  on(host: string): { readonly jobs: readonly JobFacts[]; readonly bytes: number } {
    return this.#byHost.get(host) ?? { jobs: [], bytes: 0 }
  }

  job(id: string): JobFacts | undefined {
    return this.#byId.get(id)
  }

  jobsPerHost(domain: string): number {
    const { jobs, hosts } = this.#perDomain.get(domain) ?? { jobs: 0, hosts: 1 }
    return jobs / hosts
  }
}

/** One that moves takes room at both ends. */
export function placesOf({ host, move }: JobFacts): Set<string> {
  return new Set([host, move?.from, move?.to].filter((name) => name !== undefined))
}

/** Where it will be when all that is under way has come to its end. */
export function destinationOf({ host, move }: JobFacts): string | undefined {
  return move?.to ?? host
}

function refusalOf(host: HostFacts, job: JobFacts, others: Occupancy): string | undefined {
  if (!host.isConnected) return AWAY
  if (host.isInMaintenance) return 'it is in maintenance'
  if (host.name === job.host) return 'the job is there already'
  return labelRefusal(host, job.rules) ?? ruleRefusal(host, job, others) ?? roomRefusal(host, job, others)
}

function labelRefusal(host: HostFacts, { requires = {} }: PlacementRules): string | undefined {
  const missing = Object.entries(requires).find(([key, value]) => host.labels[key] !== value)
  if (missing === undefined) return undefined
  const [key, value] = missing
  const has = host.labels[key]
  return `the job requires ${key}=${value}, and it has ${has === undefined ? `no label ${key}` : `${key}=${has}`}`
}

/** To be apart is asked of both, to be together only of the one that says it: the other goes where it likes, and is followed. */
function ruleRefusal(host: HostFacts, job: JobFacts, others: Occupancy): string | undefined {
  for (const id of job.rules.with ?? []) {
    const partner = others.job(id)
    const at = partner && destinationOf(partner)
    if (at !== undefined && at !== host.name) return `the job must be with ${id}, which is on ${at}`
  }
  const apart = job.rules.apartFrom ?? []
  const here = others.on(host.name).jobs
  const shunned = here
    .map(({ id, rules }) =>
      apart.includes(id) || rules.apartFrom?.includes(job.id) === true ? id : undefined,
    )
    .filter((id) => id !== undefined)
    .sort()[0]
  return shunned && `the job must be apart from ${shunned}, which is there`
}

function countRefusal({ name, maxJobs }: HostFacts, others: Occupancy): string | undefined {
  const { jobs } = others.on(name)
  if (maxJobs === undefined || jobs.length < maxJobs) return undefined
  return `it has ${jobs.length} of at most ${maxJobs} jobs`
}

function roomRefusal(host: HostFacts, job: JobFacts, others: Occupancy): string | undefined {
  const tooMany = countRefusal(host, others)
  if (tooMany !== undefined) return tooMany
  const free = host.memoryBytes - others.on(host.name).bytes
  if (free > 0 && free >= job.memoryBytes) return undefined
  const needs = job.memoryBytes === 0 ? '' : `, and the job needs ${mebibytes(job.memoryBytes)}`
  return `${mebibytes(Math.max(0, free))} of its memory are free${needs}`
}

function scoreOf(
  host: HostFacts,
  job: JobFacts,
  others: Occupancy,
): { readonly score: number; readonly reason: string } {
  const { jobs, bytes } = others.on(host.name)
  const free = host.memoryBytes - bytes - job.memoryBytes
  const rack = rackOf(host.faultDomain)
  const zone = zoneOf(host.faultDomain)
  const isNear = job.checkpointHost === host.name
  const cpu = host.utilisation?.cpu
  const score =
    WEIGHTS.memory * (free / host.memoryBytes) +
    // Of one that has not said, half is believed.
    WEIGHTS.processor * (1 - (cpu ?? 0.5)) +
    WEIGHTS.zone / (1 + others.jobsPerHost(zone)) +
    WEIGHTS.rack / (1 + others.jobsPerHost(rack ?? zone)) +
    (isNear ? WEIGHTS.checkpoint : 0)
  const parts = [
    `${mebibytes(free)} of ${mebibytes(host.memoryBytes)} free with the job there`,
    ...(cpu === undefined ? [] : [`processor ${Math.round(100 * cpu)}% busy`]),
    `${jobs.length} ${jobs.length === 1 ? 'job' : 'jobs'} there`,
    `${decimal(others.jobsPerHost(zone))} a host in ${zone}`,
    ...(rack === undefined ? [] : [`${decimal(others.jobsPerHost(rack))} in ${rack}`]),
    ...(isNear ? ['its checkpoint is there'] : []),
  ]
  return { score, reason: parts.join(', ') }
}

/** What of a host that was asked for by name stands in the job's way, in whole sentences. */
export interface HostRefusals {
  readonly labels?: string | undefined
  readonly rules?: string | undefined
  readonly jobs?: string | undefined
}

/** All of it at once. Whether it has the memory its agent finds out. */
export function refusalsAt(host: HostFacts, job: JobFacts, jobs: readonly JobFacts[]): HostRefusals {
  const others = new Occupancy(
    jobs.filter(({ id }) => id !== job.id),
    [host],
  )
  const sentence = (reason: string | undefined): string | undefined =>
    reason && `${host.name} may not take ${job.id}: ${reason}`
  return {
    labels: sentence(labelRefusal(host, job.rules)),
    rules: sentence(ruleRefusal(host, job, others)),
    jobs: sentence(countRefusal(host, others)),
  }
}

/** Errors: `no-host-fits` with the first of what stands in the way. */
export function checkHost(host: HostFacts, job: JobFacts, jobs: readonly JobFacts[]): void {
  const { labels, rules, jobs: tooMany } = refusalsAt(host, job, jobs)
  const reason = labels ?? rules ?? tooMany
  if (reason !== undefined) throw new GodwitError('no-host-fits', reason)
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
const decimal = (value: number): string => String(Math.round(value * 10) / 10)

function shortened(reason: string): string {
  return reason.length <= LIMITS.maxReasonLength ? reason : `${reason.slice(0, LIMITS.maxReasonLength - 1)}…`
}

/** The same, where a person has named the host. */
export function askedFor(asked: string, verdicts: readonly Verdict[]): Verdict[] {
  return verdicts.map((each) => {
    if (each.host === asked)
      return { ...each, verdict: 'taken', reason: shortened(`asked for; ${each.reason}`) }
    return each.verdict === 'taken' ? { ...each, verdict: 'possible' } : each
  })
}

/** The host that was taken. Errors: `host-disconnected` when no host is connected, `no-host-fits` with why, host by host. */
export function chosenOf({ chosen, verdicts }: Placement, job: string): string {
  if (chosen !== undefined) return chosen
  if (verdicts.every(({ reason }) => reason === AWAY))
    throw new GodwitError('host-disconnected', 'no agent is connected: start one with `godwit agent`')
  throw new GodwitError('no-host-fits', `no host may take ${job}: ${reasonsOf(verdicts)}`)
}

/** How many hosts are named in one sentence. */
const NAMED = 8

export function reasonsOf(verdicts: readonly Verdict[]): string {
  const named = verdicts.slice(0, NAMED).map(({ host, reason }) => `${host}: ${reason}`)
  const more = verdicts.length > NAMED ? [`and ${verdicts.length - NAMED} further hosts`] : []
  return [...named, ...more].join('; ')
}

/** Errors: `bad-arguments` for rules that nothing could keep. */
export function checkRules(id: string, { with: together = [], apartFrom = [] }: PlacementRules): void {
  const both = together.find((each) => apartFrom.includes(each))
  if (both !== undefined)
    throw new GodwitError(
      'bad-arguments',
      `${id} cannot be with ${both} and apart from it: leave out one of the two`,
    )
  if (together.includes(id) || apartFrom.includes(id))
    throw new GodwitError('bad-arguments', `a rule of ${id} names ${id} itself: name another job`)
}
