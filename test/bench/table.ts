/** Summaries as lines for a person: one row a case, link and method, milliseconds but for the last columns. */
import type { SummaryLine, TlsLine } from './figures.ts'

interface Column {
  readonly head: string
  cell(row: SummaryLine): string
  readonly left?: boolean
}

const COLUMNS: readonly Column[] = [
  { head: 'case', cell: (row) => row.case, left: true },
  { head: 'link', cell: (row) => row.link, left: true },
  { head: 'method', cell: (row) => (row.secured ? `${row.method}, TLS` : row.method), left: true },
  {
    head: 'downtime (shortest to longest)',
    cell: (row) => `${ms(row.downtimeMs)} (${ms(row.shortestMs)} to ${ms(row.longestMs)})`,
  },
  { head: 'limit', cell: (row) => String(row.downtimeLimitMs) },
  { head: 'seen', cell: (row) => ms(row.observedGapMs) },
  { head: 'at move', cell: (row) => ms(row.switchoverGapMs) },
  { head: 'park', cell: (row) => ms(row.downtime?.parkMs) },
  { head: 'scan', cell: (row) => ms(row.downtime?.finalScanMs) },
  { head: 'send', cell: (row) => ms(row.downtime?.finalSendMs) },
  { head: 'install', cell: (row) => ms(row.downtime?.installMs) },
  { head: 'claim', cell: (row) => ms(row.downtime?.claimMs) },
  { head: 'resume', cell: (row) => ms(row.downtime?.resumeMs) },
  { head: 'floor', cell: (row) => ms(row.floorMs) },
  { head: 'ratio', cell: (row) => fixed(row.ratioToFloor, 2) },
  { head: 'step', cell: (row) => ms(row.stepMs) },
  { head: '1st', cell: (row) => ms(row.firstStepsMs[0]) },
  { head: '10th', cell: (row) => ms(row.firstStepsMs[9]) },
  { head: '1st CPU', cell: (row) => ms(row.firstStepsCpuMs?.[0]) },
  { head: '10th CPU', cell: (row) => ms(row.firstStepsCpuMs?.[9]) },
  { head: 'slowdown', cell: (row) => fixed(row.stepSlowdown, 2) },
  { head: 'total', cell: (row) => ms(row.totalMs) },
  { head: 'MB/s', cell: (row) => megabytes(row.throughputBytesPerSecond) },
  { head: 'CPU', cell: (row) => fixed(row.cpuMs, 0) },
  { head: 'raw TCP', cell: (row) => megabytes(row.rawTcpBytesPerSecond) },
]

/** A head and a line for each row, columns as wide as they need to be. What is not known is a dash. */
export function renderTable(rows: readonly SummaryLine[]): string {
  const lines = [COLUMNS.map(({ head }) => head), ...rows.map((row) => COLUMNS.map(({ cell }) => cell(row)))]
  const widths = COLUMNS.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, at) =>
          COLUMNS[at]?.left ? cell.padEnd(widths[at] as number) : cell.padStart(widths[at] as number),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A line for each. */
export function renderTls(lines: readonly TlsLine[]): string {
  return lines
    .map(({ case: name, link, method, downtimeRatio, throughputRatio, cpuRatio }) => {
      const costs = [
        `downtime ${fixed(downtimeRatio, 2)}x`,
        `throughput ${fixed(throughputRatio, 2)}x`,
        `CPU ${fixed(cpuRatio, 2)}x`,
      ]
      return `TLS beside plain, ${name}, ${link}, ${method}: ${costs.join(', ')}`
    })
    .join('\n')
}

function ms(value: number | null | undefined): string {
  return fixed(value, 1)
}

function megabytes(bytesPerSecond: number | null): string {
  return fixed(bytesPerSecond === null ? null : bytesPerSecond / 1e6, 0)
}

function fixed(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits)
}
