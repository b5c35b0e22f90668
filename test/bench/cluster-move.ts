/**
 * A case on a running cluster: on hosts of one's own, through the coordinator, as anybody would move a job.
 *
 * The case's program is started on the first host, moved to the second and back again, and stopped in the end, whatever happens.
 * Outputs reach this place through an agent and the coordinator, in batches, so the gap seen from here is that much less certain. No
 * process of the benchmark stands on the hosts: there is no floor.
 */
import { once } from 'node:events'
import { basename } from 'node:path'
import { accessTo } from '@godwit/cli'
import { CoordinatorClient } from '@godwit/client'
import {
  type ClientEvent,
  GodwitError,
  LIMITS,
  type MigrationOptions,
  type MigrationReport,
  type MigrationView,
  type Output,
} from '@godwit/protocol'
import type { BenchCluster } from './arguments.ts'
import type { BenchCase } from './cases.ts'
import { agree, FIRST_STEPS, observe, type RunLine, throughputOf } from './figures.ts'

const ENDLESS_STEPS = 10_000_000
const OVER: readonly MigrationView['status'][] = ['completed', 'cancelled', 'failed']

export interface ClusterPlan {
  readonly benchCase: BenchCase
  readonly cluster: BenchCluster
  readonly method: 'precopy' | 'stopcopy'
  readonly runs: number
  readonly tracker: 'auto' | 'userfaultfd' | 'compare'
  readonly options: Partial<MigrationOptions> & { readonly downtimeLimitMs: number }
}

/** Moves `runs` times; gives each line as soon as it is known. */
export async function* clusterMoves(plan: ClusterPlan): AsyncGenerator<RunLine> {
  const { from, to, coordinator } = plan.cluster
  const access = () => accessTo(plan.cluster, process.env.GODWIT_TOKEN)
  const client = await CoordinatorClient.connect(coordinator, access)
  let workload: string | undefined
  try {
    workload = await start(client, plan)
    const followed = new Followed(client, workload)
    await client.request({ op: 'follow', workload })
    for (let run = 1; run <= plan.runs; run++)
      yield await move(plan, { client, followed, workload, run, to: run % 2 === 1 ? to : from })
  } finally {
    if (workload !== undefined) await client.request({ op: 'stop', workload }).catch(() => {})
    client.close()
  }
}

/** Gives the workload's id. A synthetic program is looked for by its name, then where it lies here. */
async function start(
  client: CoordinatorClient,
  { benchCase, cluster, tracker }: ClusterPlan,
): Promise<string> {
  const { program, parameters } = benchCase
  const names = program.startsWith('/') ? [basename(program, '.ts'), program] : [program]
  for (const name of names) {
    try {
      const { workload } = await client.request({
        op: 'run',
        program: name,
        parameters: { ...parameters },
        steps: ENDLESS_STEPS,
        host: cluster.from,
        tracker,
      })
      if (workload.status === 'running') return workload.id
      const { kind = 'internal', message = `the job is ${workload.status}` } = workload.error ?? {}
      throw new GodwitError(kind, message)
    } catch (error) {
      if (!(error instanceof GodwitError) || error.kind !== 'program-missing' || name === names.at(-1))
        throw error
    }
  }
  throw new Error('bug: no program was tried')
}

/** What is heard of one workload: its outputs with when they came, its migrations. */
class Followed {
  readonly outputs = new Map<number, Output & { atMs: number }>()
  readonly migrations = new Map<string, MigrationView>()
  #highestStep = -1
  #wake: () => void = () => {}
  #over: string | undefined

  constructor(client: CoordinatorClient, workload: string) {
    client.listen((id, event) => {
      if (id === workload) this.#heard(event)
    })
    client.closed
      .then(() => this.#end('the connection to the coordinator is gone'))
      .catch((error: unknown) => this.#end(String(error)))
    once(process, 'SIGINT')
      .then(() => this.#end('interrupted'))
      .catch(() => {})
  }

  /** The next step that will be heard of. */
  get nextStep(): number {
    return this.#highestStep + 1
  }

  arrivals(fromStep: number, toStep: number): number[] {
    return this.#between(fromStep, toStep).map(({ atMs }) => atMs)
  }

  stepsMs(fromStep: number, toStep: number): number[] {
    return this.#between(fromStep, toStep).map(({ stepMs }) => stepMs)
  }

  async until(ready: () => boolean): Promise<void> {
    while (!ready()) {
      if (this.#over !== undefined) throw new Error(this.#over)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #between(fromStep: number, toStep: number): (Output & { atMs: number })[] {
    const steps = Array.from({ length: Math.max(0, toStep - fromStep) }, (_, index) => fromStep + index)
    return steps.map((step) => this.outputs.get(step)).filter((output) => output !== undefined)
  }

  #heard(event: ClientEvent): void {
    const atMs = performance.now()
    if (event.kind === 'steps')
      for (const output of event.outputs) {
        this.outputs.set(output.step, { ...output, atMs })
        this.#highestStep = Math.max(this.#highestStep, output.step)
      }
    else if (event.kind === 'migration') this.migrations.set(event.migration.id, event.migration)
    else if (event.kind === 'workload' && event.workload.status !== 'running')
      this.#end(`the job is ${event.workload.status}`)
    this.#wake()
  }

  #end(why: string): void {
    this.#over ??= why
    this.#wake()
  }
}

interface Move {
  readonly client: CoordinatorClient
  readonly followed: Followed
  readonly workload: string
  readonly run: number
  readonly to: string
}

async function move(plan: ClusterPlan, { client, followed, workload, run, to }: Move): Promise<RunLine> {
  const { benchCase, method, options, cluster } = plan
  // The first one heard of may be any: the pace is read from the next on.
  await followed.until(() => followed.nextStep > 0)
  const firstBefore = followed.nextStep
  await followed.until(() => followed.nextStep > firstBefore + benchCase.stepsBefore)
  const asked = await client.request({ op: 'migrate', workload, to, options: { ...options, method } })
  const firstDuring = followed.nextStep
  const report = await reportOf(followed, asked.migration)
  await followed.until(() => followed.nextStep > report.step + FIRST_STEPS)
  const seen = observe({
    before: followed.arrivals(firstBefore, firstDuring),
    during: followed.arrivals(firstDuring, report.step),
    after: followed.arrivals(report.step, report.step + FIRST_STEPS),
  })
  const { downtimeMs } = report
  return {
    kind: 'run',
    secured: false,
    cpuMs: null,
    case: benchCase.name,
    link: `${cluster.from}-${cluster.to}`,
    method,
    run,
    downtimeLimitMs: options.downtimeLimitMs,
    downtimeMs,
    ...seen,
    agrees: agree({ downtimeMs, ...seen }, LIMITS.outputBatchMs),
    firstStepsMs: followed.stepsMs(report.step, report.step + FIRST_STEPS),
    rawTcpBytesPerSecond: null,
    throughputBytesPerSecond: throughputOf(report),
    floorMs: null,
    ratioToFloor: null,
    report,
  }
}

async function reportOf(followed: Followed, { id }: MigrationView): Promise<MigrationReport> {
  const latest = (): MigrationView | undefined => followed.migrations.get(id)
  await followed.until(() => OVER.includes(latest()?.status ?? 'setup'))
  const { status, report, error } = latest() as MigrationView
  if (status === 'completed' && report !== undefined) return report
  throw new Error(`the migration ended ${status}: ${error?.message ?? 'no reason was given'}`)
}
