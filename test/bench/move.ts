/**
 * One case moved back and forth between the two ends of a link by two real worker processes, and each move observed.
 *
 * The claim is granted at once by a scripted coordinator: what is measured is the two workers and the link. Each step's
 * output is sent as soon as it is there, and when it came is noted: the pace as seen from outside.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MigrationOptions, MigrationReport, WorkerLaunch } from '@godwit/protocol'
import { Rig, type RigPlace, type RigWorker } from '@godwit/testkit'
import { makeMembers } from '../support/members.ts'
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
  readonly secured: boolean
  readonly runs: number
  readonly tracker: 'auto' | 'userfaultfd' | 'compare'
  /** As the person gave them, the case's own included. */
  readonly options: Partial<MigrationOptions> & { readonly downtimeLimitMs: number }
}

/** Moves `runs` times; gives each line as soon as it is known. */
export async function* moves(plan: MovePlan): AsyncGenerator<RunLine> {
  const { benchCase, link, secured, runs, tracker } = plan
  const { program, parameters } = benchCase
  const spec = { program, parameters, steps: ENDLESS_STEPS, tracker }
  const rig = new Rig()
  try {
    const members = secured ? await makeMembers(join(rig.folder, 'members'), ['a', 'b']) : undefined
    const launchAt = ({ name }: RigPlace): Partial<WorkerLaunch> => {
      const credentialsFolder = members?.get(name ?? '')
      return { outputBatchMs: 0, ...(credentialsFolder !== undefined && { credentialsFolder }) }
    }
    let [from, to]: readonly [RigPlace, RigPlace] = [
      { ...link.ends[0], name: 'a' },
      { ...link.ends[1], name: 'b' },
    ]
    let source = await rig.start(spec, { place: from, launch: launchAt(from) })
    for (let run = 1; run <= runs; run++) {
      const target = await rig.start(spec, { mode: 'incoming', place: to, launch: launchAt(to) })
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
  const workers = [source, target]
  const cpuBefore = cpuMsOf(workers)
  // Read before the source is let go: a process that is gone tells nothing.
  const cpuAfter = source.next('migrationEnded').then(() => cpuMsOf(workers))
  const report: MigrationReport = await rig.migrate(source, target, { ...options, method })
  const cpuAfterMs = await cpuAfter
  // Of the first one, what was computed before the park was computed at the source.
  const firstWhole = report.step + (report.parkPoint === 'preApply' ? 1 : 0)
  await rig.reached(target, firstWhole + FIRST_STEPS)
  const firstSteps = ledger.outputs.slice(firstWhole, firstWhole + FIRST_STEPS)
  const firstStepsCpuMs = firstSteps.flatMap(({ metrics }) => metrics?.cpuMs ?? [])
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
    secured: plan.secured,
    run,
    downtimeLimitMs: options.downtimeLimitMs,
    downtimeMs,
    ...seen,
    agrees: agree({ downtimeMs, ...seen }),
    firstStepsMs: firstSteps.map(({ stepMs }) => stepMs),
    ...(firstStepsCpuMs.length > 0 && { firstStepsCpuMs }),
    rawTcpBytesPerSecond,
    throughputBytesPerSecond: throughputOf(report),
    floorMs,
    ratioToFloor: downtimeMs / floorMs,
    cpuMs: cpuBefore === null || cpuAfterMs === null ? null : cpuAfterMs - cpuBefore,
    report,
  }
}

/** Of a tick of the kernel's account: USER_HZ is 100 on every Linux that Node.js runs on. */
const TICK_MS = 10

/** Processor time of these processes so far, user and system (proc_pid_stat(5)); null where there is no such file. */
function cpuMsOf(workers: readonly RigWorker[]): number | null {
  try {
    return workers.reduce((sum, { process: { pid } }) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
      return sum + TICK_MS * (Number(fields[11]) + Number(fields[12]))
    }, 0)
  } catch {
    return null
  }
}
