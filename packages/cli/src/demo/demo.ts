/**
 * `godwit demo`: the project's claim, shown on one machine in a minute. A job is trained on two hosts, moved between
 * them while it trains; then the same job is trained again and never moved; and the two are compared bit by bit (proof.ts).
 *
 * Whatever happens, nothing of it is left afterwards: no process, no folder.
 */
import { dirname, isAbsolute } from 'node:path'
import { CoordinatorClient } from '@godwit/client'
import type { MigrationReport, ParameterValue } from '@godwit/protocol'
import { Interrupted, type Io, untilInterrupted } from '../io.ts'
import { formatMs } from '../render/units.ts'
import { Cluster } from './cluster.ts'
import { Narrator } from './narrator.ts'
import { defaultSteps, migrationSteps } from './plan.ts'
import { prove } from './proof.ts'
import type { RunPlan } from './recorded-run.ts'
import { type Comparison, isContinuous } from './recording.ts'

export interface DemoOptions {
  /** A name or an absolute path. */
  program: string
  steps?: number
  migrations: number
  param?: Record<string, ParameterValue>
  tracker: 'auto' | 'userfaultfd' | 'compare'
  downtimeLimitMs?: number
  json: boolean
}

const HOSTS = [
  { name: 'a', faultDomain: 'rack-a' },
  { name: 'b', faultDomain: 'rack-b' },
] as const

interface Outcome {
  program: string
  tracker: string | undefined
  steps: number
  migrations: MigrationReport[]
  continuity: Pick<Comparison, 'steps' | 'lossBitsEqual' | 'stateDigestEqual'>
  lostTimeMs: number
}

/** Exit code 0 when every bit agrees. Throws what made a run, a migration or a process of the cluster fail. */
export async function demo(io: Io, options: DemoOptions): Promise<number> {
  const narrator = new Narrator(io, options.json)
  const startedAtMs = performance.now()
  const cluster = new Cluster()
  try {
    narrator.say('starting a coordinator and two hosts, a and b, on this machine')
    const { program } = options
    const allowed = isAbsolute(program) ? { programs: dirname(program) } : {}
    const hosts = HOSTS.map((host) => ({ ...host, ...allowed }))
    await untilInterrupted(io.interrupted, cluster.start(hosts))
    const client = await CoordinatorClient.connect(cluster.url)
    try {
      const work = Promise.race([compareOnCluster(client, narrator, options), cluster.broken])
      const { outcome, exitCode } = await untilInterrupted(io.interrupted, work)
      narrator.say(`the demo took ${formatMs(performance.now() - startedAtMs)}`)
      if (options.json) io.out(JSON.stringify(outcome))
      return exitCode
    } finally {
      client.close()
    }
  } catch (error) {
    if (error instanceof Interrupted) narrator.say('interrupted: ending everything that was started')
    throw error
  } finally {
    await cluster.end()
  }
}

async function compareOnCluster(
  client: CoordinatorClient,
  narrator: Narrator,
  options: DemoOptions,
): Promise<{ outcome: Outcome; exitCode: number }> {
  const { program, migrations, tracker } = options
  const steps = options.steps ?? defaultSteps(program)
  const plan: RunPlan = {
    request: {
      op: 'run',
      program,
      parameters: options.param ?? {},
      steps,
      tracker,
      host: HOSTS[0].name,
      id: 'job',
    },
    migrationSteps: migrationSteps(steps, migrations),
    hosts: [HOSTS[0].name, HOSTS[1].name],
    downtimeLimitMs: options.downtimeLimitMs,
  }

  const title = `moved ${migrations === 1 ? 'once' : `${migrations} times`}`
  const proof = await prove(client, narrator, { plan, title, controlHost: HOSTS[0].name })
  const { reports, comparison, lostTimeMs } = proof
  return {
    outcome: {
      program,
      tracker: proof.tracker,
      steps,
      migrations: reports,
      continuity: {
        steps: comparison.steps,
        lossBitsEqual: comparison.lossBitsEqual,
        stateDigestEqual: comparison.stateDigestEqual,
      },
      lostTimeMs,
    },
    exitCode: isContinuous(comparison) ? 0 : 1,
  }
}
