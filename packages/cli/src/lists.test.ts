/**
 * Goal: lists are whole, however many pages they come in, and say of each host, job and move what a person looks for. Method: whole command
 * lines against a scripted coordinator.
 */
import type { Script } from '@godwit/client/testing'
import { RELEASE } from '@godwit/protocol'
import { checkpointLike, hostLike, workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { CapturedIo } from './support/captured-io.ts'
import { CommandLine } from './support/command-line.suite.ts'

const cli = new CommandLine()
const { godwit } = cli

const host = hostLike({
  ...{ faultDomain: 'rack-a', memoryBytes: 2 ** 33, usedMemoryBytes: 2 ** 31 },
  ...{ stepsPerSecond: 12, cores: 8, workloads: ['job'] },
})

test('hosts', async () => {
  const { exitCode, stdout } = await godwit('hosts', () => ({ hosts: [host] }))
  expect(exitCode).toBe(0)
  expect(stdout).toEqual([
    'HOST  STATE      RELEASE  ADDRESS   FAULT DOMAIN  CORES  CPU                MEMORY  NETWORK  STEPS/S  LABELS  WORKLOADS',
    'a     connected  -        10.0.0.1  rack-a            8    -  2.00 GiB of 8.00 GiB        -     12.0  -       job',
  ])
  expect((await godwit('hosts --json')).json()).toEqual({ hosts: [host] })
  expect((await godwit('hosts', () => ({ hosts: [] }))).stdout[0]).toContain('godwit agent')
})

test('hosts says which are of an earlier release, and names some of them', async () => {
  const old = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) =>
    hostLike({ name, isBehind: true, release: '0.1.0' }),
  )
  const { stdout } = await godwit('hosts', () => ({
    hosts: [...old, hostLike({ name: 'h', release: RELEASE })],
  }))
  expect(stdout[1]).toMatch(/^a +connected +0\.1\.0 /)
  expect(stdout.at(-1)).toMatch(
    /^of an earlier release than the coordinator: a, b, c, d, e and 2 more\. .*godwit maintenance enter HOST/,
  )
})

test('ps', async () => {
  const failed = workloadLike({
    id: 'bad',
    status: 'failed',
    error: { kind: 'program-failed', message: 'it threw' },
  })
  const script = () => ({ workloads: [workloadLike({ loss: 0.5, acceptedSteps: 7 }), failed] })
  const { stdout } = await godwit('ps', script)
  expect(stdout[1]).toMatch(/^job +mnist-mlp +a +running +7\/10 +0\.5000/)
  expect(stdout.at(-1)).toBe('bad: program-failed: it threw')
})

test('ps and hosts ask for further pages until there is none', async () => {
  const pages: Record<string, object> = {
    first: { workloads: [workloadLike({ id: 'j1' }), workloadLike({ id: 'j2' })], next: 'j2' },
    j2: { workloads: [workloadLike({ id: 'j3' })] },
  }
  const script: Script = (request) => pages[(request.op === 'workloads' && request.after) || 'first']
  const { json } = await godwit('ps --json', script)
  expect(json().workloads.map(({ id }: { id: string }) => id)).toEqual(['j1', 'j2', 'j3'])
  expect(json().next).toBeUndefined()
  const names = await godwit('hosts --json', (request) =>
    request.op === 'hosts' && request.after === 'a'
      ? { hosts: [{ ...host, name: 'b' }] }
      : { hosts: [host], next: 'a' },
  )
  expect(names.json().hosts.map(({ name }: { name: string }) => name)).toEqual(['a', 'b'])
  // One that never comes to an end is not followed for ever.
  const round = await godwit('hosts', () => ({ hosts: [host], next: 'a' }))
  expect(round).toMatchObject({ exitCode: 1, stdout: [] })
})

test('ps and hosts show labels, rules, how busy a host is and how long a job is up', async () => {
  const busy = {
    ...host,
    labels: { disk: 'fast' },
    utilisation: { cpu: 0.5, usedMemoryBytes: 1, receivedBytesPerSecond: 2 ** 20, sentBytesPerSecond: 0 },
    state: 'maintenance',
    maintenance: { host: 'a', phase: 'evacuating', force: false, waiting: 1, moving: 1, stuck: 0, moved: 3 },
  }
  const { stdout } = await godwit('hosts', () => ({ hosts: [busy] }))
  expect(stdout[1]).toMatch(
    /^a +maintenance: 3 of 5 moved .* 50% .*1\.0 MiB\/s in, 0\.0 MiB\/s out .* disk=fast +job$/,
  )
  const workload = workloadLike({
    startedAtMs: Date.now() - 3_700_000,
    rules: { with: ['one'], requires: { disk: 'fast' } },
  })
  const details = await godwit('ps job', () => ({ workload }))
  expect(details.stdout.join('\n')).toMatch(/up +1h 1m, wherever it was\nplaced +disk=fast, with one\n/)
})

test('ps shows restarts, checkpoints and divergence, and all about one workload', async () => {
  const diverged = { step: 7, acceptedLoss: 0.5, recomputedLoss: 0.25 }
  const workload = workloadLike({
    ...{
      status: 'restarting',
      restarts: 2,
      restartPolicy: 'on-failure',
      checkpoint: checkpointLike(),
      diverged,
    },
    parameters: { seed: 7 },
  })
  const table = await godwit('ps', () => ({ workloads: [workload] }))
  expect(table.stdout[1]).toMatch(/^job .* restarting .* 2 +step 512 /)
  expect(table.stdout[2]).toMatch(/^job: diverged: step 7 .*0\.5 .*0\.25/)
  const one = await godwit('ps job', () => ({ workload }))
  expect(cli.requests.at(-1)).toEqual({ op: 'workload', workload: 'job' })
  expect(one.stdout.join('\n')).toMatch(/restarting.*seed=7.*epoch 1 on a from step 0.*restarts +2 \(/s)
  expect((await godwit('ps job --json')).json()).toEqual({ workload })
})

test('history lists moves, page by page', async () => {
  const move = { id: 'm2', from: 'a', to: 'b', status: 'completed', startedAtMs: 0, maintenance: 'mt-1' }
  const figures = { step: 12, epoch: 2, downtimeMs: 12.5, totalMs: 900, wireBytes: 2 ** 20 }
  const script: Script = (request) =>
    request.op === 'history' && request.after === 'm2'
      ? {
          moves: [{ ...move, id: 'm1', status: 'failed', error: { kind: 'out-of-memory', message: 'full' } }],
        }
      : { moves: [{ ...move, ...figures }], next: move.id }
  const { stdout } = await godwit('history job', script)
  expect(stdout[1]).toMatch(
    /^1970-01-01T00:00:00 +m2 +a +b +completed +12 +12\.5 ms +900 ms +1\.0 MiB +maintenance$/,
  )
  expect(stdout[2]).toMatch(/ m1 .* failed .* full$/)
  expect((await godwit('history job', () => ({ moves: [] }))).stdout).toEqual(['job has not moved'])
  expect((await godwit('history job', () => ({ moves: [move], next: 'm1' }))).exitCode).toBe(1)
})

test('what is watched is shown again until Ctrl-C', async () => {
  const io = new CapturedIo()
  const { exitCode, stdout } = await godwit(
    'ps --watch',
    () => {
      io.interrupt()
      return { workloads: [workloadLike()] }
    },
    io,
  )
  expect(exitCode).toBe(130)
  expect(stdout.length).toBeLessThan(4)
})
