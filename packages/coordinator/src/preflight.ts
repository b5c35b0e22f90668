/**
 * What a move would meet: all that could stand in its way, each judged from the facts, whatever the others say.
 *
 * A blocker is what a move would be refused for or end by, in the words in which it would be; a warning is what it gets over at a price,
 * or what could not be found out, with the reason. Who found out which fact, and how, is in preflight-look.ts.
 *
 * Invariants: pure; each check is there once, in the order of `PREFLIGHT_CHECKS`; nothing passes that was not looked at.
 */
import {
  type BundleRef,
  commonVersion,
  difference,
  type ErrorKind,
  type ErrorReport,
  type EstimateView,
  type HostCheck,
  type Identity,
  LIMITS,
  type LinkMeasure,
  type MigrationOptions,
  PREFLIGHT_CHECKS,
  type PreflightCheck,
  sayBytes,
  trackedBytes,
  type VersionRange,
} from '@godwit/protocol'
import type { HostRefusals } from './placement.ts'
import type { Prepared } from './workload-life.ts'

type CheckName = PreflightCheck['check']
type Found = Omit<PreflightCheck, 'check'>

/** What somebody was asked: what came, what went wrong, or why nobody was. */
export type Asked<T> = { readonly said: T } | { readonly error: ErrorReport } | { readonly notAsked: string }

export interface PreflightFacts {
  readonly workload: string
  readonly from: string
  readonly to: string
  readonly options: MigrationOptions
  /** Why the job can't be moved just now, wherever to. */
  readonly busy: string | undefined
  /** Why the target takes no job, or not this one. */
  readonly refusals: HostRefusals & {
    readonly away?: string | undefined
    readonly maintenance?: string | undefined
    readonly alreadyThere?: string | undefined
  }
  readonly queue: { readonly place: number; readonly reason: string } | undefined
  /** Of each end, while it is connected. */
  readonly versions: {
    readonly source: VersionRange | undefined
    readonly target: VersionRange | undefined
  }
  /** What the job's worker said as it was ready. */
  readonly source: Prepared | undefined
  /** What it was bundled with; undefined where the program lies on each host. */
  readonly bundle: BundleRef | undefined
  readonly hosts: { readonly source: Asked<HostCheck>; readonly target: Asked<HostCheck> }
  readonly rehearsal: Asked<Prepared>
  readonly link: Asked<LinkMeasure>
  readonly estimate: Asked<EstimateView>
}

export function preflight(facts: PreflightFacts): PreflightCheck[] {
  return PREFLIGHT_CHECKS.map((check) => {
    const { message, advice, verdict } = CHECKS[check](facts)
    return {
      check,
      verdict,
      message: message.slice(0, LIMITS.maxErrorLength),
      ...(advice === undefined ? {} : { advice: advice.slice(0, LIMITS.maxReasonLength) }),
    }
  })
}

const pass = (message: string): Found => ({ verdict: 'pass', message })
const warning = (message: string, advice: string): Found => ({ verdict: 'warning', message, advice })
const blocker = (message: string, advice: string): Found => ({ verdict: 'blocker', message, advice })
const unknown = (why: string, advice = 'see the other checks, and look again'): Found =>
  warning(`not known: ${why}`, advice)

const ELSEWHERE = 'choose another host with --to'

const CHECKS: { readonly [Check in CheckName]: (facts: PreflightFacts) => Found } = {
  job: ({ workload, from, busy }) =>
    busy === undefined
      ? pass(`${workload} takes steps on ${from}`)
      : blocker(busy, `see what it does: godwit describe ${workload}`),
  host: ({ to, refusals: { away, alreadyThere } }) => {
    if (alreadyThere !== undefined) return blocker(alreadyThere, ELSEWHERE)
    if (away !== undefined) return blocker(away, `start it: godwit agent --name ${to}`)
    return pass(`the agent of ${to} is connected`)
  },
  maintenance: ({ to, refusals: { maintenance } }) =>
    maintenance === undefined
      ? pass(`${to} takes jobs`)
      : blocker(maintenance, `godwit maintenance exit ${to}, when the work there is done`),
  labels: ({ to, refusals: { labels } }) =>
    labels === undefined
      ? pass(`${to} has the labels that the job requires`)
      : blocker(labels, `${ELSEWHERE}, or start its agent with the label`),
  rules: ({ to, refusals: { rules } }) =>
    rules === undefined
      ? pass(`no rule keeps it from ${to}`)
      : blocker(rules, `${ELSEWHERE}, or move the other job first`),
  jobs: ({ to, refusals: { jobs } }) =>
    jobs === undefined
      ? pass(`${to} takes one more job`)
      : blocker(jobs, `${ELSEWHERE}, or start its agent with a higher --max-jobs`),
  queue: ({ queue }) =>
    queue === undefined
      ? pass('it would begin at once')
      : warning(
          `it would wait at place ${queue.place} of the queue: ${queue.reason}`,
          'wait for the others, or go before them with --priority high',
        ),
  protocol: ({ versions: { source, target } }) => {
    if (source === undefined || target === undefined) return unknown('one of the two agents is away')
    const version = commonVersion(source, target)
    if (version !== undefined) return pass(`both hosts speak version ${version}`)
    return blocker(
      `the target speaks versions ${target.min} to ${target.max}, the source ${source.min} to ${source.max}`,
      'use releases of Godwit that are next to each other',
    )
  },
  bundle: ({ bundle, hosts: { target }, to, options }) => {
    if (bundle === undefined) return pass('the program lies on each host, and nothing is brought')
    if (!('said' in target)) return unknown(whyNot(target))
    const { bundle: there, bundleError } = target.said
    if (bundleError?.kind === 'forbidden') return blocker(bundleError.message, ELSEWHERE)
    if (there === undefined) return unknown(bundleError?.message ?? `${to} did not say what it has of it`)
    const { bytes, missingBytes } = there
    if (missingBytes === 0) return pass(`${to} has the program and its data, ${sayBytes(bytes)}`)
    const lacks = `${to} lacks ${sayBytes(missingBytes)} of the ${sayBytes(bytes)} of program and data`
    if (options.computeOnly) return blocker(`${lacks}, and nothing is brought`, 'leave out --compute-only')
    return pass(`${lacks}: they are brought before training is disturbed`)
  },
  memory: (facts) => {
    const found = rehearsed(facts, 'memory')
    if (found !== undefined) return found
    const needed = neededBytes(facts)
    const host = facts.hosts.target
    if (needed === undefined) return unknown('the job has not said how much it needs')
    if (!('said' in host)) return unknown(whyNot(host))
    const { freeMemoryBytes } = host.said
    const sentence = `${facts.to} has ${mebibytes(freeMemoryBytes)} that nothing uses, and the job needs ${mebibytes(needed)}`
    return freeMemoryBytes >= needed
      ? pass(sentence)
      : warning(
          `${sentence}: what else runs there would be swapped out or killed`,
          `${ELSEWHERE}, or free memory`,
        )
  },
  program: (facts) =>
    rehearsed(facts, 'program') ?? pass(`${facts.to} has the same program, with the same packages`),
  data: (facts) => {
    const found = rehearsed(facts, 'data')
    if (found !== undefined) return found
    const files = Object.keys(facts.source?.identity.dataDigests ?? {})
    if (files.length === 0) return pass('the program reads no data files')
    return pass(`${facts.to} has the same bytes in ${counted(files.length, 'file')} that it reads`)
  },
  runtime: (facts) =>
    rehearsed(facts, 'runtime') ?? pass(`its first steps give the same bits there (${runtimes(facts)})`),
  tracker: (facts) => {
    const found = rehearsed(facts, 'tracker')
    if (found !== undefined) return found
    const { source, rehearsal, to, from } = facts
    const there = 'said' in rehearsal ? rehearsal.said : undefined
    if (there === undefined || source === undefined) return unknown('the job was not tried there')
    const [here, next] = [source.identity.tracker, there.identity.tracker]
    if (next === here || next === 'userfaultfd') return pass(`${to} finds dirty pages by ${next}`)
    const because = there.trackerReason === undefined ? '' : ` (${there.trackerReason})`
    return warning(
      `${to} would find dirty pages by ${next}${because}, and ${from} does by ${here}: the next move away from ${to} has a longer pause`,
      'give its agent userfaultfd, or accept it',
    )
  },
  link: ({ link, from, to }) => {
    if ('notAsked' in link) return unknown(link.notAsked)
    if ('said' in link) {
      const { bytesPerMs, roundTripMs } = link.said
      return pass(
        `${to} reaches ${from}: ${mebibytes(bytesPerMs * 1000)}/s, round trip ${milliseconds(roundTripMs)}`,
      )
    }
    const { kind, message } = link.error
    if (UNSURE.has(kind)) return unknown(message)
    return blocker(message, LINK_ADVICE[kind] ?? `look at the network between ${to} and ${from}`)
  },
  downtime: ({ estimate, options }) => {
    if (!('said' in estimate)) return unknown(whyNot(estimate))
    const { converges, reason, downtimeMs, totalMs, downtimeLimitMs } = estimate.said
    const pause = `${milliseconds(downtimeMs)} of downtime expected, ${milliseconds(downtimeLimitMs)} allowed`
    if (!converges) {
      const advice = 'a higher --downtime-limit-ms, --on-stall raise-limit or throttle, or --on-timeout force'
      const sentence = `${pause}: ${reason}`
      return options.onStall === 'giveUp' ? blocker(sentence, advice) : warning(sentence, advice)
    }
    if (totalMs > options.timeoutMs)
      return warning(
        `${pause}, after ${milliseconds(totalMs)}: the timeout is ${milliseconds(options.timeoutMs)}`,
        'a higher --timeout-ms, or --on-timeout force',
      )
    return pass(`${pause}, ${milliseconds(totalMs)} in total`)
  },
}

/** Checks that a rehearsal answers. */
type Tried = 'memory' | 'program' | 'data' | 'runtime' | 'tracker'

const TRIED_BY: Partial<Record<ErrorKind, Tried>> = {
  'out-of-memory': 'memory',
  'program-missing': 'program',
  'program-invalid': 'program',
  'program-differs': 'program',
  'parameters-differ': 'program',
  forbidden: 'program',
  'data-missing': 'data',
  'data-differs': 'data',
}

const TRIED_ADVICE: { readonly [Check in Tried]: string } = {
  memory: `${ELSEWHERE}, or give its agent more with --memory`,
  program: 'put the same program and packages there (godwit agent --programs)',
  data: 'put the same data there, beside the program or as the same package',
  runtime: 'check the program: godwit run PROGRAM --check',
  tracker: 'start the job with --tracker auto, or choose another host',
}

/** Nobody knows whether it would be so in a move. */
const UNSURE: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  'setup-timeout',
  'peer-stalled',
  'host-disconnected',
  'connection-lost',
  'too-busy',
  'too-large',
])

const LINK_ADVICE: Partial<Record<ErrorKind, string>> = {
  unreachable:
    "open the source's --port-range for the target, and give the source's agent the right --address",
  'port-in-use': "start the source's agent with a wider --port-range",
}

/** What the rehearsal says of a check; undefined where it has nothing against it. */
function rehearsed(facts: PreflightFacts, check: Tried): Found | undefined {
  const { rehearsal, source } = facts
  if ('notAsked' in rehearsal) return unknown(rehearsal.notAsked)
  if ('error' in rehearsal) {
    const { kind, message } = rehearsal.error
    if (UNSURE.has(kind)) return unknown(message, 'look again; a move waits for longer')
    if (facts.bundle !== undefined && (kind === 'bundle-missing' || kind === 'forbidden'))
      return unknown(`the job can't be set up on ${facts.to}, see bundle`)
    const culprit = culpritOf(rehearsal.error, source?.identity)
    return culprit === check
      ? blocker(message, TRIED_ADVICE[check])
      : unknown(`the job can't be set up on ${facts.to}, see ${culprit}`)
  }
  if (source === undefined) return unknown('the job has not said what it is')
  const differences = differencesOf(source.identity, rehearsal.said.identity)
  const mine = differences.find((each) => culpritOf(each, source.identity) === check)
  if (mine === undefined) return undefined
  const cause = differences[0] as ErrorReport
  // Other code or data gives other bits, as it should.
  if (check === 'runtime' && cause !== mine)
    return unknown(`with the same program and data the bits may agree, see ${culpritOf(cause, undefined)}`)
  return blocker(mine.message, TRIED_ADVICE[check])
}

/** A tracker that was asked for by name and can't be had is told as a bad argument. */
function culpritOf({ kind }: ErrorReport, source: Identity | undefined): Tried {
  if (kind === 'bad-arguments') return source?.tracker === 'userfaultfd' ? 'tracker' : 'program'
  return TRIED_BY[kind] ?? 'runtime'
}

/** All differences, where a move names the first one: what is said already is taken to be equal. */
export function differencesOf(source: Identity, target: Identity): ErrorReport[] {
  const found: ErrorReport[] = []
  let left = source
  for (const aligned of [
    {},
    { programDigest: target.programDigest },
    { parametersDigest: target.parametersDigest },
    { dataDigests: target.dataDigests },
    { layoutDigest: target.layoutDigest, arenaBytes: target.arenaBytes },
  ]) {
    left = { ...left, ...aligned }
    const next = difference(left, target)
    if (next !== undefined && found.at(-1)?.kind !== next.kind) found.push(next)
  }
  return found
}

/** At the target, with what it tracks by. */
function neededBytes({ source, rehearsal }: PreflightFacts): number | undefined {
  const worker = 'said' in rehearsal ? rehearsal.said : source
  return worker && (worker.memoryBytes ?? trackedBytes(worker.identity))
}

function runtimes({ hosts, from, to }: PreflightFacts): string {
  const say = (name: string, host: Asked<HostCheck>): string =>
    'said' in host ? `${name}: Node ${host.said.node} on ${host.said.arch}` : `${name}: ${whyNot(host)}`
  return `${say(to, hosts.target)}; ${say(from, hosts.source)}`
}

function whyNot(asked: { readonly error: ErrorReport } | { readonly notAsked: string }): string {
  return 'notAsked' in asked ? asked.notAsked : asked.error.message
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

function milliseconds(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`
  return `${ms >= 100 ? ms.toFixed(0) : ms.toPrecision(2)} ms`
}
