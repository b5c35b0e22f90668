/**
 * Goal: what the compose file promises holds on real containers: a job that is moved between fault domains, evacuated, or in the middle of a
 * move when a host is frozen, killed, unplugged, or the coordinator restarted, trains on at exactly one host, every step of it is accepted once, and
 * its bits are those of a run that nothing happened to. Whoever follows it sees every step, without asking again.
 *
 * Method: docker-compose.yml as it is; faults by `docker pause`, `kill`, `network disconnect`, `restart`, `tc` and `iptables`, while a migration
 * that is limited to a slow rate is sending pages. Then, each time, invariants I1, I2, I5 and I6 of the design are looked at from outside.
 *
 * Without a docker engine it is skipped and says so, unless CI=true.
 */
import { execFileSync } from 'node:child_process'
import { accessSync } from 'node:fs'
import { lossBits } from '@godwit/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Follower } from '../support/cluster.ts'
import { finished } from '../support/cluster.ts'
import { whyNot } from '../support/needs.ts'
import type { Running } from '../support/processes.ts'
import { ComposeCluster, HOSTS, type Host } from './cluster.ts'
import { whyNoDocker } from './stack.ts'

/** Eight seconds for all pages. */
const SLOWLY = ['--max-bandwidth', '512KiB']

const why = await whyNoDocker()
if (why !== undefined && process.env.CI === 'true') throw new Error(why)
const noDevice = whyNot(() => accessSync('/dev/userfaultfd'))
if (why !== undefined) console.log(`test:compose is skipped: ${why}`)

describe.skipIf(why !== undefined)('containers', () => {
  let cluster: ComposeCluster
  let control: Follower

  beforeAll(async () => {
    cluster = await ComposeCluster.start()
    control = await cluster.control('host-b')
    expect(await control.exited, control.err).toBe(0)
  })
  afterAll(() => cluster?.end())

  /** A move that is sending pages. */
  async function movingTo(job: Follower, id: string, to: Host): Promise<Running> {
    const migrate = cluster.begin('migrate', id, '--to', to, ...SLOWLY)
    await job.migrationIs('active')
    return migrate
  }

  /** Every migration of it is over, and one worker is left of it, at its owner, that takes steps. */
  async function settled(job: Follower, id: string): Promise<Host> {
    await cluster.until(`${id} runs at one host, its owner`, async () => {
      const { status, host, migration } = await cluster.workload(id)
      if (status !== 'running' || migration !== undefined) return false
      const workers = await cluster.workersOf(id)
      return workers.length === 1 && workers[0] === host
    })
    await job.goesOn()
    return (await cluster.workload(id)).host as Host
  }

  /** It ends by itself, and nothing shows of what it went through. */
  async function expectUntouched(job: Follower, id: string): Promise<void> {
    cluster.hurry(id)
    expect(await job.exited, job.err).toBe(0)
    expect(
      job.outputs.every(({ step }, index) => step === index),
      'each step once, in order (I1, I2)',
    ).toBe(true)
    expect(lossBits(job.outputs)).toEqual(lossBits(control.outputs))
    expect(job.ended?.stateDigest).toBe(control.ended?.stateDigest)
    expect(job.ended?.diverged).toBeUndefined()
    await cluster.until('no worker is left (I6)', async () => (await cluster.workersOf(id)).length === 0)
  }

  test('nobody is root, nothing can be written but what must be, and no token is in an environment or the image', async () => {
    const inspect = async (...args: string[]) => JSON.parse(await cluster.stack.docker('inspect', ...args))
    const containers = await inspect(
      ...['coordinator', 'tokens', ...HOSTS].map((name) => cluster.stack.container(name)),
    )
    for (const { Name, Config, HostConfig } of containers) {
      expect(Config.User, Name).toBe('node')
      expect(HostConfig, Name).toMatchObject({
        ReadonlyRootfs: true,
        Privileged: false,
        CapAdd: null,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges:true'],
      })
      expect(HostConfig.Memory, Name).toBeGreaterThan(0)
    }
    const told = JSON.stringify([containers, await inspect('godwit')])
    expect(told).not.toMatch(/gw[aj]1\./)
    const logs = await cluster.stack.compose('logs')
    expect(logs).not.toMatch(/gw[aj]1\./)
    await expect(cluster.stack.inside('host-a', 'touch', '/opt/godwit/x')).rejects.toThrow(/[Rr]ead-only/)
  })

  test('the image has the console’s page, and not what made it', async () => {
    const inside = (...args: string[]) => cluster.stack.inside('host-a', ...args)
    const files = await inside('find', '/opt/godwit/packages/console/dist', '-type', 'f')
    for (const name of ['index.html', 'index.html.br', 'index.html.gz'])
      expect(files.split('\n')).toContain(`/opt/godwit/packages/console/dist/${name}`)
    expect((await inside('ls', '/opt/godwit/node_modules')).split('\n')).not.toContain('vite')
  })

  test('a host sees neither another fault domain nor, but for pages, its neighbours', async () => {
    const reach = (from: Host, to: string) =>
      cluster.stack.inside(
        from,
        'node',
        '-e',
        `require('node:dns').lookup('${to}', (error) => process.exit(error ? 1 : 0))`,
      )
    await reach('host-a', 'coordinator')
    await reach('host-a', 'host-c.migration')
    await reach('host-a', 'host-b')
    const internal = await cluster.stack.docker(
      ...['network', 'inspect', '--format', '{{.Name}} {{.Internal}}'],
      ...['rack-1', 'rack-2', 'migration'].map((name) => `${cluster.stack.project}_${name}`),
    )
    expect(internal.match(/ true$/gm)).toHaveLength(3)
    const at = (service: string) =>
      cluster.stack.docker(
        'inspect',
        '--format',
        '{{json .NetworkSettings.Networks}}',
        cluster.stack.container(service),
      )
    const networks = async (service: string) =>
      Object.keys(JSON.parse(await at(service)))
        .map((name) => name.split('_').at(-1))
        .sort()
    expect(await networks('coordinator')).toEqual(['rack-1', 'rack-2'])
    expect(await networks('host-b')).toEqual(['migration', 'rack-1'])
    expect(await networks('host-c')).toEqual(['migration', 'rack-2'])
  })

  test('a job moves to another fault domain and back, then off a host that is stopped, and one connection follows all of it', async () => {
    const job = await cluster.run('travels', 'host-a')
    for (const to of ['host-c', 'host-a'] as const) {
      await cluster.must('migrate', 'travels', '--to', to)
      expect(await settled(job, 'travels')).toBe(to)
    }
    await cluster.stack.compose('stop', 'host-a')
    expect(await settled(job, 'travels')).not.toBe('host-a')
    const { ranges, restarts } = await cluster.workload('travels')
    expect({ epochs: ranges.map(({ epoch }) => epoch), restarts }).toEqual({
      epochs: [1, 2, 3, 4],
      restarts: 0,
    })
    await cluster.stack.compose('start', 'host-a')
    await cluster.hostIs('host-a', 'connected')
    await expectUntouched(job, 'travels')
    expect(job.err, 'the connection was never lost').not.toMatch(/gone/)
  })

  test.each<[string, Host]>([
    ['target', 'host-c'],
    ['source', 'host-a'],
  ])('the %s is frozen for longer than anybody waits, and thaws', async (role, host) => {
    const id = `frozen-${role}`
    const job = await cluster.run(id, 'host-a')
    const migrate = await movingTo(job, id, 'host-c')
    await cluster.pause(host)
    try {
      await cluster.hostIs(host, 'disconnected')
      expect((await finished(migrate)).said.migration?.status).toBe('failed')
    } finally {
      await cluster.unpause(host)
    }
    expect(await settled(job, id)).toBe('host-a')
    await cluster.hostIs(host, 'connected')
    await expectUntouched(job, id)
  })

  test("the target's container is killed, and comes back without a token", async () => {
    const job = await cluster.run('target-killed', 'host-a')
    const migrate = await movingTo(job, 'target-killed', 'host-c')
    await cluster.kill('host-c')
    expect((await finished(migrate)).said.migration?.status).toBe('failed')
    expect(await settled(job, 'target-killed')).toBe('host-a')
    await cluster.stack.compose('start', 'host-c')
    await cluster.hostIs('host-c', 'connected')
    await cluster.must('migrate', 'target-killed', '--to', 'host-c')
    await expectUntouched(job, 'target-killed')
  })

  test("the source's container is killed: its job is restarted there from its checkpoint, and steps that were done agree", async () => {
    const job = await cluster.run('source-killed', 'host-a')
    await cluster.must('checkpoint', 'source-killed')
    const migrate = await movingTo(job, 'source-killed', 'host-c')
    await cluster.kill('host-a')
    expect((await finished(migrate)).said.migration?.status).toBe('failed')
    await cluster.stack.compose('start', 'host-a')
    expect(await settled(job, 'source-killed')).toBe('host-a')
    expect((await cluster.workload('source-killed')).restarts).toBe(1)
    await expectUntouched(job, 'source-killed')
  })

  test.each<[string, Host]>([
    ['source', 'host-a'],
    ['target', 'host-c'],
  ])(
    "the %s's agent alone is killed: it is started again, its workers train on and are adopted",
    async (role, host) => {
      const id = `agent-of-${role}`
      const job = await cluster.run(id, 'host-a')
      const migrate = await movingTo(job, id, 'host-c')
      await cluster.killAgent(host)
      await migrate.exited
      await settled(job, id)
      await cluster.hostIs(host, 'connected')
      expect((await cluster.workload(id)).restarts).toBe(0)
      await expectUntouched(job, id)
      const states = await cluster.stack.inside(host, 'sh', '-c', 'cat /proc/[0-9]*/stat 2>/dev/null; true')
      expect(states, 'PID 1 has taken note of every process that ended').not.toMatch(/\) Z /)
    },
  )

  test.each<[string, Host, 'migration' | 'rack-1']>([
    ['from the network of pages', 'host-c', 'migration'],
    ['from the coordinator', 'host-a', 'rack-1'],
  ])('a host is unplugged %s and plugged in again within seconds', async (_, host, network) => {
    const id = `unplugged-${network}`
    const job = await cluster.run(id, 'host-a')
    const migrate = await movingTo(job, id, 'host-c')
    await cluster.unplug(host, network)
    await cluster.plugIn(host, network)
    await migrate.exited
    await settled(job, id)
    await cluster.hostIs(host, 'connected')
    await cluster.must('migrate', id, '--to', 'host-b')
    await expectUntouched(job, id)
  })

  test('the coordinator is restarted: the migration goes on, and so do those who watch', async () => {
    const job = await cluster.run('orphaned', 'host-a')
    const migrate = await movingTo(job, 'orphaned', 'host-c')
    await cluster.stack.compose('restart', '--timeout', '10', 'coordinator')
    const { said, err } = await finished(migrate)
    expect(said.migration?.status, `${JSON.stringify(said.migration?.error)} ${err}`).toBe('completed')
    expect(await settled(job, 'orphaned')).toBe('host-c')
    await expectUntouched(job, 'orphaned')
    expect(job.err).toMatch(/the coordinator is gone.*the coordinator is back/s)
  })

  test('on a slow line that loses packets a job moves all the same', async ({ skip }) => {
    const inside = insideNetwork(await pidOf('host-a'))
    if (inside === undefined) return skip('only root on the machine of the engine can shape its networks')
    const job = await cluster.run('far', 'host-a')
    const address = await addressOf('host-a', 'migration')
    const device = inside('ip', '-o', 'addr')
      .split('\n')
      .find((line) => line.includes(` ${address}/`))
      ?.split(/\s+/)[1] as string
    inside(
      'tc',
      'qdisc',
      'add',
      'dev',
      device,
      'root',
      'handle',
      '1:',
      'tbf',
      'rate',
      '20mbit',
      'burst',
      '64k',
      'latency',
      '100ms',
    )
    inside(
      'iptables',
      '-A',
      'INPUT',
      '-i',
      device,
      '-m',
      'statistic',
      '--mode',
      'random',
      '--probability',
      '0.02',
      '-j',
      'DROP',
    )
    try {
      // Not in every kernel.
      inside('tc', 'qdisc', 'add', 'dev', device, 'parent', '1:', 'handle', '2:', 'netem', 'delay', '20ms')
    } catch (error) {
      expect((error as Error).message).toMatch(/unknown|not found|No such file/i)
    }
    const { said } = await cluster.must('migrate', 'far', '--to', 'host-c')
    expect(said.migration?.report?.totalMs).toBeGreaterThan(0)
    expect(await settled(job, 'far')).toBe('host-c')
    inside('tc', 'qdisc', 'del', 'dev', device, 'root')
    inside('iptables', '-F', 'INPUT')
    await expectUntouched(job, 'far')
  })

  /** Last: the hosts are other containers from then on. */
  test.skipIf(noDevice !== undefined)(
    `with docker-compose.userfaultfd.yml hosts ask the kernel for dirty pages, and are root with one capability ${noDevice ?? ''}`,
    async () => {
      await cluster.stack.addFile('docker-compose.userfaultfd.yml')
      const inspected = await cluster.stack.docker('inspect', cluster.stack.container('host-a'))
      const [{ Config, HostConfig }] = JSON.parse(inspected)
      // Newer engines write CAP_ before it.
      const added = HostConfig.CapAdd.map((name: string) => name.replace(/^CAP_/, ''))
      expect([Config.User, added, HostConfig.CapDrop]).toEqual(['root', ['DAC_OVERRIDE'], ['ALL']])
      const job = await cluster.run('asks-the-kernel', 'host-a')
      for (const to of ['host-c', 'host-a'] as const) {
        const { said } = await cluster.must('migrate', 'asks-the-kernel', '--to', to)
        expect(said.migration?.report?.tracker).toBe('userfaultfd')
        expect(await settled(job, 'asks-the-kernel')).toBe(to)
      }
      await expectUntouched(job, 'asks-the-kernel')
    },
  )

  async function pidOf(host: Host): Promise<number> {
    return Number(
      await cluster.stack.docker('inspect', '--format', '{{.State.Pid}}', cluster.stack.container(host)),
    )
  }

  async function addressOf(host: Host, network: string): Promise<string> {
    const all = await cluster.stack.docker(
      'inspect',
      '--format',
      '{{json .NetworkSettings.Networks}}',
      cluster.stack.container(host),
    )
    return JSON.parse(all)[`${cluster.stack.project}_${network}`].IPAddress
  }
})

/** Runs a command of this machine in the network of a container; undefined where that can't be. */
function insideNetwork(pid: number): ((...command: string[]) => string) | undefined {
  const inside = (...command: string[]): string =>
    execFileSync('nsenter', ['-t', String(pid), '-n', ...command], { encoding: 'utf8', stdio: 'pipe' })
  try {
    inside('ip', 'addr')
    return inside
  } catch (error) {
    if (process.env.CI === 'true') throw error
    return undefined
  }
}
