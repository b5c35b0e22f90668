/**
 * Goal: a job moves between processors while it trains, and no bit tells; one whose bits would differ is refused, and what is to blame
 * is named. Method: a cluster whose hosts are this Node, an arm64 Node under emulation, and the LTS Node; MNIST goes round all three.
 *
 * Emulation takes some 65 times as long, so the source is let run by turns while the emulated host gets ready: the job trains on, with few steps.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type MigrationReport, migrationReport } from '@godwit/protocol'
import { lossBits } from '@godwit/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { arm64NodePath } from '../../scripts/arm64.mjs'
import { ltsNodePath } from '../../scripts/lts-node.mjs'
import { Cluster, type Follower, PROGRAMS } from '../support/cluster.ts'
import type { Running } from '../support/processes.ts'
import { startHost } from './host.ts'

const nodes = { arm64: arm64NodePath(), lts: ltsNodePath() }
const skipped =
  nodes.arm64 === undefined
    ? 'skipped: no arm64 host is here, `node scripts/fetch-arm64.mjs` gets one'
    : nodes.lts === undefined &&
      'skipped: the LTS Node is not here, `node scripts/fetch-lts-node.mjs` gets it'
if (skipped !== false && process.env.CI === 'true') throw new Error(skipped)

const STEPS = 1000
const JOB = ['--steps', String(STEPS), '--param', 'validateExamples=1']
/** Steps on each host on the way: enough that each of them has computed some. */
const STEPS_AT_EACH = 3
const [TURN_MS, OTHERS_TURN_MS] = [50, 950]

describe.skipIf(skipped !== false)(skipped || 'x64, arm64 and another Node', () => {
  let cluster: Cluster
  const agents: Running[] = []
  beforeAll(async () => {
    cluster = await Cluster.start([{ name: 'x64' }])
    agents.push(await startHost(cluster, 'arm64', nodes.arm64 as string))
    agents.push(await startHost(cluster, 'lts', nodes.lts as string))
  })
  afterAll(async () => {
    const codes = await Promise.all(agents.map((agent) => agent.end('SIGTERM')))
    await cluster?.end()
    expect(codes).toEqual(agents.map(() => 0))
  })

  test('MNIST moves from x64 to arm64, to the LTS on x64 and back while it trains: equal to the bit to a run that stayed', async () => {
    const job = await cluster.run('mnist-mlp', 'x64', 'round', ...JOB)
    for (const to of ['arm64', 'lts', 'x64']) {
      const report = await migrate(job, to)
      await job.reached(report.step + STEPS_AT_EACH)
      console.log(
        `  to ${to} at step ${report.step}: ${(report.totalMs / 1000).toFixed(1)} s, ${report.rounds.length} rounds, ` +
          `${report.downtimeMs.toFixed(0)} ms of downtime; a step there takes ${stepMsAfter(job, report.step).toFixed(0)} ms`,
      )
    }
    expect(await job.exited).toBe(0)
    const stayed = await cluster.run('mnist-mlp', 'x64', 'stayed', ...JOB)
    expect(await stayed.exited).toBe(0)
    expect(job.outputs).toHaveLength(STEPS)
    expect(lossBits(job.outputs)).toEqual(lossBits(stayed.outputs))
    expect(job.ended?.stateDigest).toBe(stayed.ended?.stateDigest)
  })

  test('a program that takes its exponentials from Math is found by --check, and refused by the other processor: Math.exp is named', async () => {
    const program = `${PROGRAMS}/transcendental.ts`
    const checked = await cluster.godwit('run', program, '--param', 'fn=exp', '--check')
    expect(checked.lines.join('\n')).toContain('Math.exp')
    const job = await cluster.run('transcendental', 'x64', 'inexact', '--steps', '1000000')
    const { code, said } = await cluster.godwit('migrate', 'inexact', '--to', 'arm64')
    expect(code).toBe(1)
    expect(said.migration).toMatchObject({
      status: 'failed',
      error: { kind: 'bits-differ', message: expect.stringContaining('Math.exp') },
    })
    await job.goesOn()
    await cluster.godwit('stop', 'inexact')
  })

  /** Moves the job; until rounds are sent, it has a twentieth of its processor. */
  async function migrate(job: Follower, to: string): Promise<MigrationReport> {
    const { host } = await cluster.workload('round')
    const command = cluster.start('migrate', 'round', '--to', to)
    if (to === 'arm64') {
      const { pid } = cluster.worker(host, 'round')
      await byTurns(pid, () => !['setup', undefined].includes(job.migrations.at(-1)?.status))
    }
    expect(await command.exited, command.err).toBe(0)
    return migrationReport.parse(JSON.parse(command.lines.at(-1) ?? '{}').migration.report)
  }

  async function byTurns(pid: number, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      process.kill(pid, 'SIGSTOP')
      await delay(OTHERS_TURN_MS)
      process.kill(pid, 'SIGCONT')
      await delay(TURN_MS)
    }
  }

  function stepMsAfter({ outputs }: Follower, step: number): number {
    const taken = outputs.slice(step, step + STEPS_AT_EACH).map(({ stepMs }) => stepMs)
    return taken.reduce((sum, stepMs) => sum + stepMs, 0) / taken.length
  }
})
