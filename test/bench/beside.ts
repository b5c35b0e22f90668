/** What other moves did while one switched over: pure, from reports and the instants at which moves began. */
import type { MigrationReport } from '@godwit/protocol'

/** A move that is over. */
export interface TimedMove {
  readonly workload: string
  /** When it left the queue, on the coordinator's calendar. */
  readonly beganAtMs: number
  readonly report: Pick<MigrationReport, 'from' | 'to' | 'setupMs' | 'rounds' | 'downtimeMs' | 'downtime'> & {
    readonly downtimeStartMs: number
  }
}

/** From what costs others most to what costs them least. */
export const KINDS = ['setup', 'first round', 'end', 'rounds', 'nothing'] as const
export type Kind = (typeof KINDS)[number]

export interface Beside {
  readonly workload: string
  readonly kind: Kind
  readonly ms: number
}

/** Less than the calendar's accuracy is no overlap. */
const LEAST_MS = 2
/** After a downtime: the source's worker ends, the target's takes its first steps. */
const END_MS = 200

/** What moves that have a host in common with `move` did during its downtime. */
export function beside(move: TimedMove, all: readonly TimedMove[]): Beside[] {
  const fromMs = move.beganAtMs + move.report.downtimeStartMs
  const toMs = fromMs + move.report.downtimeMs
  return all
    .filter((other) => other !== move && sharesHost(other, move))
    .flatMap((other) => {
      return phasesOf(other)
        .map(({ kind, beginMs, endMs }) => ({
          ...{ workload: other.workload, kind },
          ms: Math.min(toMs, endMs) - Math.max(fromMs, beginMs),
        }))
        .filter(({ ms }) => ms >= Math.min(LEAST_MS, move.report.downtimeMs))
    })
}

/** The costliest of what was beside it. */
export function worstOf(overlaps: readonly Beside[]): Kind {
  return KINDS.find((kind) => overlaps.some((overlap) => overlap.kind === kind)) ?? 'nothing'
}

function phasesOf({ beganAtMs, report }: TimedMove): { kind: Kind; beginMs: number; endMs: number }[] {
  const activeMs = beganAtMs + report.setupMs
  const firstMs = activeMs + (report.rounds[0]?.durationMs ?? 0)
  const parkedMs = beganAtMs + report.downtimeStartMs
  const overMs = parkedMs + report.downtimeMs
  return [
    { kind: 'setup', beginMs: beganAtMs, endMs: activeMs },
    { kind: 'first round', beginMs: activeMs, endMs: firstMs },
    { kind: 'rounds', beginMs: firstMs, endMs: parkedMs },
    { kind: 'end', beginMs: overMs, endMs: overMs + END_MS },
  ]
}

function sharesHost({ report: a }: TimedMove, { report: b }: TimedMove): boolean {
  return [a.from, a.to].some((host) => host === b.from || host === b.to)
}
