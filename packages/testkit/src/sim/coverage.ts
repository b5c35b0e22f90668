/** What runs have reached together: cells of the transition tables, crash points, faults, ends of migrations. */

export type Counts = Record<string, number>

export interface Coverage {
  readonly cells: Counts
  /** Points at which a process died or stood still. */
  readonly points: Counts
  /** Points that were passed. */
  readonly passed: Counts
  readonly faults: Counts
  readonly migrations: Counts
}

export class CoverageOf {
  readonly counts: Coverage = { cells: {}, points: {}, passed: {}, faults: {}, migrations: {} }

  cell(table: string, state: string, event: string): void {
    count(this.counts.cells, `${table}: ${state} x ${event}`)
  }

  point(point: string): void {
    count(this.counts.points, point)
  }

  passed(point: string): void {
    count(this.counts.passed, point)
  }

  fault(kind: string): void {
    count(this.counts.faults, kind)
  }

  migration(status: string): void {
    count(this.counts.migrations, status)
  }
}

export function count(counts: Counts, key: string, times = 1): void {
  counts[key] = (counts[key] ?? 0) + times
}

export function addCoverage(sum: Coverage, more: Coverage): void {
  for (const part of ['cells', 'points', 'passed', 'faults', 'migrations'] as const) {
    for (const [key, times] of Object.entries(more[part])) count(sum[part], key, times)
  }
}
