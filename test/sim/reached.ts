/** What a run of many seeds must have reached, and what it says about it. */
import { type Counts, type Coverage, FAULT_KINDS, POINTS } from '@godwit/testkit/sim'
import { CELLS, UNREACHABLE } from './cells.ts'
import { FLAGS } from './flags.ts'

/** Fewer seeds than this can't be asked to have met everything. */
export const MIN_SEEDS_FOR_GAPS = 2_000

/** What as many seeds reach so few times is missed by one run in three thousand: below it something has to aim at it. */
const SELDOM = 8

/** What can be reached and was not. */
export function gapsIn({ faults, points, cells }: Coverage): string[] {
  const kinds = FAULT_KINDS.filter((kind) => !FLAGS.leaveOut.has(kind))
  return [
    ...kinds.filter((kind) => faults[kind] === undefined).map((kind) => `fault: ${kind}`),
    ...pointsToReach()
      .filter((point) => points[point] === undefined)
      .map((point) => `point: ${point}`),
    ...CELLS.filter((cell) => cells[cell] === undefined && !(cell in UNREACHABLE)).map(
      (cell) => `cell: ${cell}`,
    ),
    ...Object.keys(UNREACHABLE)
      .filter((cell) => cells[cell] !== undefined)
      .map((cell) => `cell: ${cell} was reached, though it is listed as one that can't be`),
  ]
}

/** What has to be reached and was reached by hardly any seed: the next run may well miss it. */
function seldomIn({ points, cells }: Coverage): string {
  const required = CELLS.filter((cell) => !(cell in UNREACHABLE))
  const counted = [
    ...pointsToReach().map((point): [string, number] => [point, points[point] ?? 0]),
    ...required.map((cell): [string, number] => [cell, cells[cell] ?? 0]),
  ]
  const seldom = counted.filter(([, times]) => times < SELDOM)
  return seldom.length === 0 ? 'none' : list(Object.fromEntries(seldom))
}

export function pointsToReach(): string[] {
  const isLeftOut = FLAGS.leaveOut.has('crash coordinator')
  return POINTS.filter((point) => !isLeftOut || !point.startsWith('coordinator/'))
}

export function summaryOf(
  totals: { seeds: number; from: number; happened: number; seedsPerMinute: number; failed: number },
  coverage: Coverage,
): string {
  const { seeds, from, happened, seedsPerMinute, failed } = totals
  const hit = (all: readonly string[], counts: Counts): string =>
    `${all.filter((each) => counts[each] !== undefined).length} of ${all.length}`
  const reachable = CELLS.filter((cell) => !(cell in UNREACHABLE))
  return [
    `${seeds} seeds from ${from}, ${seedsPerMinute} a minute, ${happened} events: ${failed} failed`,
    `migrations: ${list(coverage.migrations)}`,
    `faults: ${list(coverage.faults)}`,
    `crash points: ${hit(pointsToReach(), coverage.points)}`,
    `cells: ${hit(reachable, coverage.cells)} that can be reached, of ${CELLS.length}`,
    ...(seeds < MIN_SEEDS_FOR_GAPS ? [] : [`seldom: ${seldomIn(coverage)}`]),
  ].join('\n')
}

function list(counts: Counts): string {
  return Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([what, times]) => `${what} ${times}`)
    .join(', ')
}
