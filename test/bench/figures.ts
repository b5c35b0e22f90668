/**
 * From what was seen to what is said: pure arithmetic on arrival times and reports.
 *
 * A migration's report is the engine's word about itself. Beside it stands what somebody outside saw: when each step's output
 * came. The two are got by different means, and when they contradict each other that is said, not averaged away.
 */
import type { DowntimeParts, MigrationReport } from '@godwit/protocol'

export const DOWNTIME_PARTS = [
  'parkMs',
  'finalScanMs',
  'finalSendMs',
  'installMs',
  'claimMs',
  'resumeMs',
] as const satisfies readonly (keyof DowntimeParts)[]

/** Two measures of one pause may differ by so much, or by a usual step. */
const AGREEMENT_MS = 2
/** Steps at the target that are looked at. */
export const FIRST_STEPS = 10
/** Pace is read off spans of at least so long: outputs of fast steps arrive in clusters. */
const PACE_SPAN_MS = 50

export interface RunLine {
  readonly kind: 'run'
  readonly case: string
  readonly link: string
  readonly method: string
  /** Whether the hosts speak TLS. */
  readonly secured: boolean
  readonly run: number
  readonly downtimeLimitMs: number
  /** From the report; of a restart, what was observed. */
  readonly downtimeMs: number
  readonly observedGapMs: number
  /** How many steps before the first one at the target the longest gap was: 0 where it should be, negative after. */
  readonly gapStepsBefore: number
  /** What was seen at the switchover itself. */
  readonly switchoverGapMs: number
  readonly agrees: boolean
  readonly stepMs: number
  /** The first that ran there whole, and those after it. */
  readonly firstStepsMs: readonly number[]
  /** Their processor time, where the program tells it. */
  readonly firstStepsCpuMs?: readonly number[]
  /** Null where no two processes of ours could be put on the link's ends. */
  readonly rawTcpBytesPerSecond: number | null
  readonly throughputBytesPerSecond: number
  readonly floorMs: number | null
  readonly ratioToFloor: number | null
  /** Processor time of both workers from the wish to move to its end, training included. Null where nobody tells. */
  readonly cpuMs: number | null
  /** Null when no step was taken meanwhile. */
  readonly stepSlowdown: number | null
  /** Null of a restart, whose parts are in `restart`. */
  readonly report: MigrationReport | null
  readonly restart?: RestartParts
}

/** What a restart spends its time on, seen from outside. */
export interface RestartParts {
  /** From the wish to stop to the end of the old process, the rest of its step included. */
  readonly checkpointMs: number
  readonly copyMs: number
  /** From the start of the new process to its first step done. */
  readonly loadMs: number
  readonly checkpointBytes: number
}

export interface SummaryLine {
  readonly kind: 'summary'
  readonly case: string
  readonly link: string
  readonly method: string
  readonly secured: boolean
  readonly runs: number
  /** Runs in which report and observation agreed. */
  readonly agreeing: number
  readonly tracker: string | null
  readonly parkPoint: string | null
  readonly codec: string | null
  readonly downtimeLimitMs: number
  readonly downtimeMs: number
  readonly shortestMs: number
  readonly longestMs: number
  readonly downtime: DowntimeParts | null
  readonly observedGapMs: number
  readonly switchoverGapMs: number
  readonly stepMs: number
  /** The first that ran there whole, and those after it. */
  readonly firstStepsMs: readonly number[]
  /** Their processor time, where the program tells it. */
  readonly firstStepsCpuMs?: readonly number[]
  readonly rawTcpBytesPerSecond: number | null
  readonly throughputBytesPerSecond: number
  readonly floorMs: number | null
  readonly ratioToFloor: number | null
  readonly cpuMs: number | null
  readonly stepSlowdown: number | null
  readonly totalMs: number | null
  readonly wireBytes: number | null
}

/** The middle value, or the mean of the middle two. NaN of none. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1] ?? Number.NaN, sorted[Math.floor(middle)] ?? Number.NaN]
  return (low + high) / 2
}

/** `gaps[i]` is the time from arrival i to the next. */
export function gapsOf(arrivalsMs: readonly number[]): number[] {
  return arrivalsMs.slice(1).map((atMs, index) => atMs - (arrivalsMs[index] as number))
}

/** The median time of a step, where steps that are shorter than the noise of their arrival are taken several together. */
export function paceMs(arrivalsMs: readonly number[]): number | null {
  const gaps = gapsOf(arrivalsMs)
  if (gaps.length === 0) return null
  const meanMs = ((arrivalsMs.at(-1) as number) - (arrivalsMs[0] as number)) / gaps.length
  const together = Math.max(1, Math.min(gaps.length, Math.round(PACE_SPAN_MS / Math.max(meanMs, 0.01))))
  const spans: number[] = []
  for (let at = 0; at + together < arrivalsMs.length; at++)
    spans.push(((arrivalsMs[at + together] as number) - (arrivalsMs[at] as number)) / together)
  return median(spans)
}

export interface Observation {
  /** The usual gap, before. */
  readonly stepMs: number
  /** The longest gap less the usual one. */
  readonly observedGapMs: number
  readonly gapStepsBefore: number
  readonly switchoverGapMs: number
  readonly stepSlowdown: number | null
}

/**
 * What was seen from outside of one move: arrivals of the steps before it, of those from its beginning to the park
 * (`during`), and of those at the target (`after`).
 */
export function observe({
  before,
  during,
  after,
}: {
  before: readonly number[]
  during: readonly number[]
  after: readonly number[]
}): Observation {
  const stepMs = median(gapsOf(before))
  const paceBefore = paceMs(before)
  const lastBefore = before.slice(-1)
  const paceDuring = during.length === 0 ? null : paceMs([...lastBefore, ...during])
  const gaps = gapsOf([...lastBefore, ...during, ...after])
  const longestMs = Math.max(...gaps)
  return {
    stepMs,
    observedGapMs: longestMs - stepMs,
    gapStepsBefore: during.length - gaps.indexOf(longestMs),
    switchoverGapMs: (gaps[during.length] ?? Number.NaN) - stepMs,
    stepSlowdown: paceBefore === null || paceDuring === null ? null : paceDuring / paceBefore,
  }
}

/** Whether two measures of the same pause say the same. `slackMs` is what the observer's own means cost. */
export function agree(
  { downtimeMs, observedGapMs, stepMs }: { downtimeMs: number; observedGapMs: number; stepMs: number },
  slackMs = 0,
): boolean {
  return Math.abs(downtimeMs - observedGapMs) <= Math.max(AGREEMENT_MS, stepMs) + slackMs
}

/** Bytes a second over all rounds, while they were sent. */
export function throughputOf({ rounds }: Pick<MigrationReport, 'rounds'>): number {
  const sum = (of: (round: MigrationReport['rounds'][number]) => number): number =>
    rounds.reduce((total, round) => total + of(round), 0)
  const durationMs = sum((round) => round.durationMs)
  return durationMs === 0 ? 0 : (sum(({ wireBytes }) => wireBytes) / durationMs) * 1000
}

/** Medians of runs of one case, link and method, of which there is at least one. */
export function summarize(runs: readonly RunLine[]): SummaryLine {
  const first = runs[0]
  if (first === undefined) throw new Error('bug: no run to summarize')
  const middle = (of: (run: RunLine) => number): number => median(runs.map(of))
  const known = (of: (run: RunLine) => number | null): number | null => {
    const values = runs.map(of).filter((value) => value !== null)
    return values.length === 0 ? null : median(values)
  }
  const reports = runs.map(({ report }) => report).filter((report) => report !== null)
  const said = (of: (report: MigrationReport) => string): string | null =>
    reports.length === 0 ? null : [...new Set(reports.map(of))].toSorted().join('+')
  const part = (name: keyof DowntimeParts): number => median(reports.map(({ downtime }) => downtime[name]))
  const downtimes = runs.map(({ downtimeMs }) => downtimeMs)
  return {
    kind: 'summary',
    case: first.case,
    link: first.link,
    method: first.method,
    secured: first.secured,
    runs: runs.length,
    agreeing: runs.filter(({ agrees }) => agrees).length,
    tracker: said(({ tracker }) => tracker),
    parkPoint: said(({ parkPoint }) => parkPoint),
    codec: said(({ codec }) => codec),
    downtimeLimitMs: first.downtimeLimitMs,
    downtimeMs: median(downtimes),
    shortestMs: Math.min(...downtimes),
    longestMs: Math.max(...downtimes),
    downtime:
      reports.length === 0
        ? null
        : (Object.fromEntries(DOWNTIME_PARTS.map((name) => [name, part(name)])) as DowntimeParts),
    observedGapMs: middle(({ observedGapMs }) => observedGapMs),
    switchoverGapMs: middle(({ switchoverGapMs }) => switchoverGapMs),
    stepMs: middle(({ stepMs }) => stepMs),
    firstStepsMs: first.firstStepsMs.map((_, nth) =>
      median(runs.flatMap(({ firstStepsMs }) => firstStepsMs[nth] ?? [])),
    ),
    ...(first.firstStepsCpuMs !== undefined && {
      firstStepsCpuMs: first.firstStepsCpuMs.map((_, nth) =>
        median(runs.flatMap(({ firstStepsCpuMs }) => firstStepsCpuMs?.[nth] ?? [])),
      ),
    }),
    rawTcpBytesPerSecond: known(({ rawTcpBytesPerSecond }) => rawTcpBytesPerSecond),
    throughputBytesPerSecond: middle(({ throughputBytesPerSecond }) => throughputBytesPerSecond),
    floorMs: known(({ floorMs }) => floorMs),
    ratioToFloor: known(({ ratioToFloor }) => ratioToFloor),
    cpuMs: known(({ cpuMs }) => cpuMs),
    stepSlowdown: known(({ stepSlowdown }) => stepSlowdown),
    totalMs: reports.length === 0 ? null : median(reports.map(({ totalMs }) => totalMs)),
    wireBytes: reports.length === 0 ? null : median(reports.map(({ wireBytes }) => wireBytes)),
  }
}

/** What TLS costs: medians with it as multiples of those without, of one case, link and method in one run of the benchmark. */
export interface TlsLine {
  readonly kind: 'tls'
  readonly case: string
  readonly link: string
  readonly method: string
  readonly downtimeRatio: number
  readonly throughputRatio: number
  readonly cpuRatio: number | null
}

/** One for each that was measured both ways. */
export function tlsCosts(summaries: readonly SummaryLine[]): TlsLine[] {
  const lines: TlsLine[] = []
  for (const plain of summaries.filter(({ secured }) => !secured)) {
    const { link, method } = plain
    const secured = summaries.find(
      (other) => other.secured && other.case === plain.case && other.link === link && other.method === method,
    )
    if (secured === undefined) continue
    lines.push({
      kind: 'tls',
      case: plain.case,
      link,
      method,
      downtimeRatio: secured.downtimeMs / plain.downtimeMs,
      throughputRatio: secured.throughputBytesPerSecond / plain.throughputBytesPerSecond,
      cpuRatio: secured.cpuMs === null || plain.cpuMs === null ? null : secured.cpuMs / plain.cpuMs,
    })
  }
  return lines
}
