/**
 * One case moved back and forth between the two ends of a link by two real worker processes, and each move observed.
 *
 * The claim is granted at once by a scripted coordinator: what is measured is the two workers and the link. Each step's
 * output is sent as soon as it is there, and when it came is noted: the pace as seen from outside.
 */
import type { MigrationOptions, MigrationReport } from '@godwit/protocol'
import { Rig, type RigPlace, type RigWorker } from '@godwit/testkit'
import type { BenchCase } from './cases.ts'
import { agree, FIRST_STEPS, observe, type RunLine, throughputOf } from './figures.ts'
import type { Link } from './links.ts'
import { measureLink } from './raw-tcp.ts'

/** More than any run takes. */
const ENDLESS_STEPS = 10_000_000

export interface MovePlan {
  readonly benchCase: BenchCase
  readonly link: Link
  readonly method: 'precopy' | 'stopcopy'
  readonly runs: number
  readonly tracker: 'auto' | 'userfaultfd' | 'compare'
  /** As the person gave them, the case's own included. */
  readonly options: Partial<MigrationOptions> & { readonly downtimeLimitMs: number }
}

/** Moves `runs` times; gives each line as soon as it is known. */
export async function* moves(plan: MovePlan): AsyncGenerator<RunLine> {
  const { benchCase, link, runs, tracker } = plan
  const { program, parameters } = benchCase
  const spec = { program, parameters, steps: ENDLESS_STEPS, tracker }
  const launch = { outputBatchMs: 0 }
  const rig = new Rig()
  try {
    let [from, to] = link.ends
    let source = await rig.start(spec, { place: from, launch })
    for (let run = 1; run <= runs; run++) {
      const target = await rig.start(spec, { mode: 'incoming', place: to, launch })
      yield await move(plan, { rig, run, source, target, from, to })
      source = target
      ;[from, to] = [to, from]
    }
  } finally {
    await rig.close()
  }
}

interface Move {
  readonly rig: Rig
  readonly run: number
  readonly source: RigWorker
  readonly target: RigWorker
  readonly from: RigPlace
  readonly to: RigPlace
}

async function move(plan: MovePlan, { rig, run, source, target, from, to }: Move): Promise<RunLine> {
  const { benchCase, link, method, options } = plan
  const { ledger } = rig
  const firstBefore = ledger.outputs.length
  await rig.reached(source, firstBefore + benchCase.stepsBefore)
  const firstDuring = ledger.outputs.length
  const report: MigrationReport = await rig.migrate(source, target, { ...options, method })
  await rig.reached(target, report.step + FIRST_STEPS)
  const arrived = (fromStep: number, toStep: number): number[] => ledger.arrivalsMs.slice(fromStep, toStep)
  const seen = observe({
    before: arrived(firstBefore, firstDuring),
    during: arrived(firstDuring, report.step),
    after: arrived(report.step, report.step + FIRST_STEPS),
  })
  // Nothing trains during a downtime, so nothing does during its floor.
  target.process.kill('SIGSTOP')
  const { rawTcpBytesPerSecond, floorMs } = await measureLink(from, to, benchCase.dirtyBytesPerStep)
  target.process.kill('SIGCONT')
  const { downtimeMs } = report
  return {
    kind: 'run',
    case: benchCase.name,
    link: link.name,
    method,
    run,
    downtimeLimitMs: options.downtimeLimitMs,
    downtimeMs,
    ...seen,
    agrees: agree({ downtimeMs, ...seen }),
    firstStepsMs: ledger.outputs.slice(report.step, report.step + FIRST_STEPS).map(({ stepMs }) => stepMs),
    rawTcpBytesPerSecond,
    throughputBytesPerSecond: throughputOf(report),
    floorMs,
    ratioToFloor: downtimeMs / floorMs,
    report,
  }
}
