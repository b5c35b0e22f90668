/**
 * Downtime of real programs on loopback: `npm run -s bench [-- --runs N] [--program NAME ...] [--tracker T] [--json]`.
 *
 * Each run moves a job between two real worker processes. Beside the median of its downtime stands the floor: the
 * bytes of the last round over a raw TCP socket between two processes, measured right after. Figures of one run
 * are comparable; from one machine, or one noisy minute, to the next only the ratios are.
 */
import { parseArgs } from 'node:util'
import type { MigrationReport, TrackerKind } from '@godwit/protocol'
import { Rig } from '@godwit/testkit'
import { tcpFloorMs } from './tcp-floor.ts'

const PROGRAMS = ['mnist-mlp', 'char-transformer', 'word-embeddings']
/** Steps taken between two moves: enough for code and caches to settle. */
const STEPS_BETWEEN: Record<string, number> = {
  'mnist-mlp': 30,
  'char-transformer': 3,
  'word-embeddings': 300,
}

interface Row {
  program: string
  tracker: TrackerKind
  runs: number
  rounds: number
  lastRoundPages: number
  downtimeMs: number
  shortestMs: number
  longestMs: number
  parts: MigrationReport['downtime']
  predictedMs: number
  floorMs: number
  ratioToFloor: number
  /** The rehearsal's worth: the first step at the target beside the tenth. */
  firstStepMs: number
  tenthStepMs: number
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '10' },
    program: { type: 'string', multiple: true, default: PROGRAMS },
    tracker: { type: 'string', default: 'auto' },
    json: { type: 'boolean', default: false },
  },
})
const runs = Number(values.runs)
if (!Number.isInteger(runs) || runs < 1) fail(`--runs ${values.runs} is no number of runs`)
if (!['auto', 'userfaultfd', 'compare'].includes(values.tracker))
  fail(`--tracker is auto, userfaultfd or compare`)
const tracker = values.tracker as TrackerKind | 'auto'

for (const [index, program] of values.program.entries()) {
  const row = await measure(program)
  console.log(values.json ? JSON.stringify(row) : `${index === 0 ? `${header()}\n` : ''}${line(row)}`)
}

async function measure(program: string): Promise<Row> {
  const rig = new Rig()
  const reports: MigrationReport[] = []
  try {
    const spec = { program, steps: 10_000_000, tracker }
    let source = await rig.start(spec)
    for (let run = 0; run < runs; run++) {
      process.stderr.write(`${program}: move ${run + 1} of ${runs}\r`)
      const target = await rig.start(spec, { mode: 'incoming' })
      await rig.reached(source, rig.ledger.outputs.length + (STEPS_BETWEEN[program] ?? 10))
      reports.push(await rig.migrate(source, target))
      await rig.reached(target, (reports.at(-1) as MigrationReport).step + 10)
      source = target
    }
    process.stderr.write('\n')
  } finally {
    await rig.close()
  }
  const stepAfterMove = (nth: number): number =>
    median(reports.map(({ step }) => rig.ledger.outputs[step + nth - 1]?.stepMs ?? Number.NaN))
  const lastRounds = reports.map(({ rounds }) => rounds.at(-1))
  const lastRoundBytes = median(lastRounds.map((round) => round?.wireBytes ?? 0))
  const floorMs = await tcpFloorMs(lastRoundBytes, 15)
  const downtimes = reports.map((report) => report.downtimeMs)
  const part = (name: keyof MigrationReport['downtime']): number =>
    median(reports.map(({ downtime }) => downtime[name]))
  return {
    program,
    tracker: (reports[0] as MigrationReport).tracker,
    runs,
    rounds: median(reports.map(({ rounds }) => rounds.length)),
    lastRoundPages: median(lastRounds.map((round) => round?.pages ?? 0)),
    downtimeMs: median(downtimes),
    shortestMs: Math.min(...downtimes),
    longestMs: Math.max(...downtimes),
    parts: {
      parkMs: part('parkMs'),
      finalScanMs: part('finalScanMs'),
      finalSendMs: part('finalSendMs'),
      installMs: part('installMs'),
      claimMs: part('claimMs'),
      resumeMs: part('resumeMs'),
    },
    predictedMs: median(reports.map(({ predicted }) => predicted.downtimeMs)),
    floorMs,
    ratioToFloor: median(downtimes) / floorMs,
    firstStepMs: stepAfterMove(1),
    tenthStepMs: stepAfterMove(10),
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] as number
}

function header(): string {
  return 'program           tracker      rounds  last round  downtime ms (shortest to longest)  park  scan  send  install  claim  resume  floor ms  ratio  1st step  10th'
}

function line(row: Row): string {
  const { parts } = row
  const ms = (value: number, width: number): string => value.toFixed(1).padStart(width)
  const range = `${row.downtimeMs.toFixed(1)} (${row.shortestMs.toFixed(1)} to ${row.longestMs.toFixed(1)})`
  return [
    row.program.padEnd(16),
    row.tracker.padEnd(11),
    String(row.rounds).padStart(6),
    `${row.lastRoundPages} pages`.padStart(10),
    range.padStart(33),
    ms(parts.parkMs, 4),
    ms(parts.finalScanMs, 4),
    ms(parts.finalSendMs, 4),
    ms(parts.installMs, 7),
    ms(parts.claimMs, 5),
    ms(parts.resumeMs, 6),
    ms(row.floorMs, 8),
    ms(row.ratioToFloor, 5),
    ms(row.firstStepMs, 8),
    ms(row.tenthStepMs, 5),
  ].join('  ')
}

function fail(what: string): never {
  console.error(what)
  process.exit(2)
}
