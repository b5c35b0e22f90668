/** Where jobs could move: which hosts take them as far as is known, in which order they are looked at, and what came of it, for all jobs together. */
import type { HostView, PreflightCheck, PreflightView, WorkloadView } from '@godwit/protocol'
import { formatMs, plural } from '../format/units.ts'
import { whyClosed } from '../state/hosts.ts'
import type { Tone } from '../state/jobs.ts'
import { compareNames } from '../state/tree.ts'

/** What one look found: `to` left out where the coordinator chooses. */
export type Look =
  | { readonly state: 'looking' }
  | { readonly state: 'seen'; readonly preflight: PreflightView }
  | { readonly state: 'failed'; readonly message: string }

export interface Wish {
  readonly job: string
  /** Undefined: the host that the coordinator would choose. */
  readonly to: string | undefined
}

export function keyOf({ job, to }: Wish): string {
  return `${job} ${to ?? ''}`
}

export interface Target {
  readonly host: HostView
  /** Why none of the jobs can go there, as is known without asking. */
  readonly refusal: string | undefined
  /** Jobs that are elsewhere. */
  readonly jobs: readonly string[]
}

type Job = Pick<WorkloadView, 'id' | 'host'>

/** By name, those that take none at the end. */
export function targetsOf(hosts: readonly HostView[], jobs: readonly Job[]): Target[] {
  const targets = hosts.map((host) => {
    const coming = jobs.filter((job) => job.host !== host.name).map(({ id }) => id)
    return { host, jobs: coming, refusal: refusalOf(host, coming.length, jobs.length) }
  })
  const rank = ({ refusal }: Target): number => (refusal === undefined ? 0 : 1)
  return targets.sort((a, b) => rank(a) - rank(b) || compareNames(a.host.name, b.host.name))
}

function refusalOf(host: HostView, coming: number, all: number): string | undefined {
  const why = whyClosed(host)
  if (why !== undefined || coming > 0) return why
  return all === 1 ? `The job is on ${host.name} already.` : `All of the jobs are on ${host.name} already.`
}

/** Looks that are made without being asked for: each has a worker started at the target. */
const MAX_WISHES = 16

/** What to look at, in this order: the target that is chosen, for all jobs; then the others. */
export function wishesOf(
  targets: readonly Target[],
  jobs: readonly Job[],
  chosen: string | undefined,
): Wish[] {
  const possible = targets.filter(({ refusal }) => refusal === undefined)
  const first =
    chosen === undefined
      ? jobs.map(({ id }) => ({ job: id, to: undefined }))
      : possible.filter(({ host }) => host.name === chosen).flatMap(wishesTo)
  const others = possible.filter(({ host }) => host.name !== chosen).flatMap(wishesTo)
  return [...first, ...others.slice(0, Math.max(0, MAX_WISHES - first.length))]
}

function wishesTo({ host, jobs }: Target): Wish[] {
  return jobs.map((job) => ({ job, to: host.name }))
}

export interface Outcome {
  readonly tone: Tone
  readonly word: string
  /** Some have not been looked at yet. */
  readonly isOpen: boolean
}

/** Of all jobs to one host: the worst that was found counts. Undefined: nobody has looked, or is looking. */
export function outcomeOf(looks: readonly (Look | undefined)[]): Outcome | undefined {
  const known = looks.filter((look) => look !== undefined)
  if (known.length === 0) return undefined
  const isOpen = known.length < looks.length || known.some(({ state }) => state === 'looking')
  const checks = checksOf(known)
  const blockers = checks.filter(({ verdict }) => verdict === 'blocker').length
  if (blockers > 0) return { tone: 'bad', word: plural(blockers, 'blocker'), isOpen }
  if (known.some(({ state }) => state === 'failed')) return { tone: 'warn', word: 'not known', isOpen }
  if (isOpen) return { tone: 'idle', word: 'checking…', isOpen }
  const warnings = checks.filter(({ verdict }) => verdict === 'warning').length
  if (warnings > 0) return { tone: 'warn', word: plural(warnings, 'warning'), isOpen }
  return { tone: 'ok', word: 'can move', isOpen }
}

function checksOf(looks: readonly Look[]): PreflightCheck[] {
  return looks.flatMap((look) => (look.state === 'seen' ? look.preflight.checks : []))
}

export interface Cost {
  readonly downtime: string
  readonly total: string
}

/**
 * What moving all of them is expected to cost; undefined until each was looked at. Moves that share a link wait for each other at least at their
 * switchover, so together they take as long as the longest, and at most as all one after the other.
 */
export function costOf(looks: readonly (Look | undefined)[]): Cost | undefined {
  const estimates = looks.map((look) => (look?.state === 'seen' ? look.preflight.estimate : undefined))
  if (estimates.length === 0) return undefined
  const known = estimates.filter((estimate) => estimate !== undefined)
  if (known.length < estimates.length) return undefined
  const downtimes = known.map(({ downtimeMs }) => downtimeMs)
  const totals = known.map(({ totalMs }) => totalMs)
  const longest = formatMs(Math.max(...totals))
  if (known.length === 1) return { downtime: formatMs(downtimes[0]), total: longest }
  const sum = formatMs(totals.reduce((all, ms) => all + ms, 0))
  return { downtime: `${formatMs(Math.max(...downtimes))} at most, each`, total: `${longest} to ${sum}` }
}
