/**
 * Goal: each command asks for the right thing, shows what came, and gives the right exit code; every error is one
 * line that says what to do, as JSON too. Method: whole command lines in this process against a scripted coordinator.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  estimateView,
  FakeCoordinator,
  migrationReport,
  migrationView,
  type Script,
  workloadView,
} from '@godwit/client/testing'
import {
  type ClientEvent,
  GodwitError,
  type MigrationOptions,
  migrationOptions,
  type Output,
} from '@godwit/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCli } from './cli.ts'
import { CapturedIo } from './support/captured-io.ts'

let coordinator: FakeCoordinator
beforeEach(async () => {
  coordinator = new FakeCoordinator()
  await coordinator.start()
})
afterEach(() => coordinator.stop())

async function godwit(line: string, script?: Script, io = new CapturedIo()) {
  if (script !== undefined) coordinator.script = script
  const exitCode = await runCli(['--coordinator', coordinator.url, ...line.split(' ')], io)
  return {
    exitCode,
    ...io,
    stdout: io.stdout,
    stderr: io.stderr,
    json: () => JSON.parse(io.stdout.join('\n')),
  }
}

const host = {
  name: 'a',
  address: '10.0.0.1',
  faultDomain: 'rack-a',
  state: 'connected',
  memoryBytes: 2 ** 33,
  usedMemoryBytes: 2 ** 31,
  stepsPerSecond: 12,
  cores: 8,
  workloads: ['job'],
}

function steps(from: number, to: number, epoch = 1): ClientEvent {
  const outputs: Output[] = []
  for (let step = from; step < to; step++) outputs.push({ step, epoch, loss: 1 / (step + 1), stepMs: 9 })
  return { kind: 'steps', outputs }
}

test('hosts', async () => {
  const { exitCode, stdout } = await godwit('hosts', () => ({ hosts: [host] }))
  expect(exitCode).toBe(0)
  expect(stdout).toEqual([
    'HOST  STATE      ADDRESS   FAULT DOMAIN  CORES  CPU                MEMORY  NETWORK  STEPS/S  LABELS  WORKLOADS',
    'a     connected  10.0.0.1  rack-a            8    -  2.00 GiB of 8.00 GiB        -     12.0  -       job',
  ])
  expect((await godwit('hosts --json')).json()).toEqual({ hosts: [host] })
  expect((await godwit('hosts', () => ({ hosts: [] }))).stdout[0]).toContain('godwit agent')
})

test('ps', async () => {
  const failed = workloadView({
    id: 'bad',
    status: 'failed',
    error: { kind: 'program-failed', message: 'it threw' },
  })
  const script = () => ({ workloads: [workloadView({ loss: 0.5, acceptedSteps: 7 }), failed] })
  const { stdout } = await godwit('ps', script)
  expect(stdout[1]).toMatch(/^job +mnist-mlp +a +running +7\/10 +0\.5000/)
  expect(stdout.at(-1)).toBe('bad: program-failed: it threw')
})

test('ps and hosts ask for further pages until there is none', async () => {
  const pages: Record<string, object> = {
    first: { workloads: [workloadView({ id: 'j1' }), workloadView({ id: 'j2' })], next: 'j2' },
    j2: { workloads: [workloadView({ id: 'j3' })] },
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

const verdicts = [
  { host: 'b', verdict: 'taken', score: 81.25, reason: '900.0 MiB free' },
  { host: 'a', verdict: 'refused', reason: 'it is in maintenance' },
]

test('rules are asked for as typed, and --explain says why each host was taken or not', async () => {
  const rules = '--require disk=fast --require gpu=none --with one --apart-from two --apart-from three'
  const { stdout } = await godwit(`run mnist-mlp ${rules} --explain`, () => ({
    workload: workloadView(),
    placement: verdicts,
  }))
  expect(coordinator.requests[0]).toMatchObject({
    rules: { requires: { disk: 'fast', gpu: 'none' }, with: ['one'], apartFrom: ['two', 'three'] },
    explain: true,
  })
  expect(stdout.slice(0, 3)).toEqual([
    'HOST  VERDICT  SCORE  WHY',
    'b     taken     81.3  900.0 MiB free',
    'a     refused      -  it is in maintenance',
  ])
  await godwit('run mnist-mlp', () => ({ workload: workloadView() }))
  expect(coordinator.requests[1]).not.toHaveProperty('rules')
})

test('migrate without a target asks for the best one, and says why', async () => {
  const done = migrationView({ status: 'completed', report: migrationReport() })
  const { exitCode, stdout } = await godwit('migrate job --explain', (request) =>
    request.op === 'follow' ? { workload: workloadView() } : { migration: done, placement: verdicts },
  )
  expect(exitCode).toBe(0)
  expect(coordinator.requests[1]).toEqual({
    op: 'migrate',
    workload: 'job',
    options: migrationOptions.parse({}),
    explain: true,
  })
  expect(stdout[1]).toMatch(/^b +taken/)
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
      return { workloads: [workloadView()] }
    },
    io,
  )
  expect(exitCode).toBe(130)
  expect(stdout.length).toBeLessThan(4)
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
  const workload = workloadView({
    startedAtMs: Date.now() - 3_700_000,
    rules: { with: ['one'], requires: { disk: 'fast' } },
  })
  const details = await godwit('ps job', () => ({ workload }))
  expect(details.stdout.join('\n')).toMatch(/up +1h 1m, wherever it was\nplaced +disk=fast, with one\n/)
})

test('run asks for what was typed', async () => {
  const { exitCode, stdout } = await godwit(
    'run mnist-mlp --steps 20 --host b --id job --tracker compare --param seed=7 --param fast=true --param name=x=y',
    () => ({ workload: workloadView({ host: 'b', tracker: 'compare', trackerReason: 'asked for' }) }),
  )
  expect(exitCode).toBe(0)
  expect(coordinator.requests[0]).toEqual({
    op: 'run',
    program: 'mnist-mlp',
    steps: 20,
    host: 'b',
    id: 'job',
    tracker: 'compare',
    restartPolicy: 'on-failure',
    parameters: { seed: 7, fast: true, name: 'x=y' },
  })
  expect(stdout[0]).toContain('job running on b')
})

test('run makes a file absolute and knows when there is none', async () => {
  const file = join(tmpdir(), `godwit-program-${process.pid}.mjs`)
  writeFileSync(file, '')
  await godwit(`run ${file} --no-bundle`, () => ({ workload: workloadView() }))
  expect(coordinator.requests[0]).toMatchObject({
    program: file,
    steps: 1000,
    tracker: 'auto',
    parameters: {},
  })
  rmSync(file)
  const missing = await godwit('run ./no-such-program.ts')
  expect(missing.exitCode).toBe(1)
  expect(missing.stderr[0]).toMatch(/^godwit: there is no file \/.*no-such-program\.ts$/)
})

test.each([
  ['run mnist-mlp --bundle', /mnist-mlp is a name that each host knows: a bundle is made of a file/],
  ['run mnist-mlp --data x.csv', /mnist-mlp is a name that each host knows/],
  [`run ${import.meta.filename} --no-bundle --data x.csv`, /--no-bundle brings nothing along/],
  ['migrate job --compute-only --with-data', /'--with-data' cannot be used with option '--compute-only'/],
])('%s makes no sense, and nobody is asked', async (line, words) => {
  const { exitCode, stderr } = await godwit(line)
  expect(exitCode).not.toBe(0)
  expect(stderr.join(' ')).toMatch(words)
  expect(coordinator.requests).toEqual([])
})

test('a migration brings what is missing unless it is told not to', async () => {
  await godwit('migrate job --to b --with-data', migrating)
  expect(coordinator.requests[1]).toMatchObject({ op: 'migrate', options: { computeOnly: false } })
})

test('run --follow shows every step from the first, and fails with the workload', async () => {
  const script: Script = (request, connection) => {
    if (request.op === 'run') return { workload: workloadView() }
    connection.event('job', steps(0, 2))
    connection.event('other', steps(7, 9))
    connection.event('job', {
      kind: 'workload',
      workload: workloadView({
        status: 'failed',
        acceptedSteps: 3,
        error: { kind: 'loss-not-finite', message: 'the loss is NaN' },
      }),
    })
    connection.event('job', steps(2, 3, 2))
    return { workload: workloadView() }
  }
  const { exitCode, stdout } = await godwit('run mnist-mlp --follow', script)
  expect(exitCode).toBe(1)
  expect(coordinator.requests[1]).toEqual({ op: 'follow', workload: 'job', fromStep: 0 })
  expect(stdout.filter((line) => line.startsWith('step '))).toEqual([
    'step 0  loss 1.0000  9.00 ms  a (epoch 1)',
    'step 1  loss 0.5000  9.00 ms  a (epoch 1)',
    'step 2  loss 0.3333  9.00 ms  a (epoch 2)',
  ])
  expect(stdout.at(-1)).toContain('loss-not-finite: the loss is NaN')
})

test('follow --json prints one object a line', async () => {
  const { exitCode, stdout } = await godwit('follow job --from-step 1 --json', (_, connection) => {
    connection.event('job', steps(1, 3))
    return { workload: workloadView({ status: 'finished', acceptedSteps: 3 }) }
  })
  expect(exitCode).toBe(0)
  const objects = stdout.map((line) => JSON.parse(line))
  expect(objects.slice(0, 2)).toMatchObject([{ step: 1 }, { step: 2 }])
  expect(objects[2]).toMatchObject({ workload: { status: 'finished' } })
})

test('follow at a terminal writes over one line', async () => {
  const io = new CapturedIo(100)
  const script: Script = (_, connection) => {
    connection.event('job', steps(0, 3))
    return { workload: workloadView({ status: 'finished', acceptedSteps: 3 }) }
  }
  await godwit('follow job --from-step 0', script, io)
  expect(io.lives.at(-1)).toMatch(/^█▃▁ {2}step 2 /)
  expect(io.stdout).toHaveLength(1)
})

const migrating: Script = (request, connection) => {
  if (request.op === 'follow') return { workload: workloadView() }
  if (request.op === 'migration') {
    return { migration: migrationView({ status: 'completed', report: migrationReport() }) }
  }
  const progress = {
    round: 0,
    roundPagesSent: 10,
    roundPages: 20,
    remainingBytes: 40_960,
    sentBytes: 1,
    bytesPerSecond: 2 ** 20,
    step: 5,
  }
  for (const status of ['active', 'active', 'switchover'] as const) {
    connection.event('job', { kind: 'migration', migration: migrationView({ status, progress }) })
  }
  connection.event('job', { kind: 'migration', migration: migrationView({ id: 'm0', status: 'failed' }) })
  const lateLostTime = migrationReport({ lostTimeMs: null })
  for (const report of [lateLostTime, migrationReport()]) {
    connection.event('job', { kind: 'migration', migration: migrationView({ status: 'completed', report }) })
  }
  return { migration: migrationView() }
}

test('migrate shows each status once, then the report', async () => {
  const { exitCode, stdout, stderr } = await godwit(
    'migrate job --to b --downtime-limit-ms 50 --streams 2',
    migrating,
  )
  expect(exitCode).toBe(0)
  expect(coordinator.requests[1]).toMatchObject({ to: 'b', options: { downtimeLimitMs: 50, streams: 2 } })
  expect(stderr.map((line) => line.split('  ')[1])).toEqual(['setup', 'active', 'switchover', 'completed'])
  expect(stdout[0]).toContain('job: a -> b completed at step 512')
  expect(stdout.join('\n')).toContain('lost time 20.0 ms')
})

test('every option of a migration can be typed', async () => {
  const { exitCode, stderr } = await godwit(
    'migrate job --to b --downtime-limit-ms 50 --max-downtime-ms 80 --method stopcopy --park-point pre-apply --codec xor --streams 16 --max-bandwidth 1gbit --max-slowdown 5% --on-stall raise-limit --timeout-ms 9000 --on-timeout force --verify --priority high --hold --compute-only',
    migrating,
  )
  expect(exitCode, stderr.join('\n')).toBe(0)
  const options: MigrationOptions = {
    downtimeLimitMs: 50,
    maxDowntimeMs: 80,
    method: 'stopcopy',
    parkPoint: 'preApply',
    codec: 'xor',
    streams: 16,
    maxBandwidth: 125_000_000,
    maxSlowdown: 0.05,
    onStall: 'raiseLimit',
    timeoutMs: 9000,
    onTimeout: 'force',
    verify: true,
    priority: 'high',
    hold: true,
    computeOnly: true,
  }
  expect(coordinator.requests[1]).toEqual({ op: 'migrate', workload: 'job', to: 'b', options })
  expect(Object.keys(options).sort(), 'none is missing').toEqual(Object.keys(migrationOptions.shape).sort())
})

test('estimate asks with the same options, and its exit code says whether it would converge', async () => {
  const script = () => ({ estimate: estimateView() })
  const { exitCode, stdout } = await godwit('estimate job --to b --park-point boundary', script)
  expect(exitCode).toBe(0)
  expect(coordinator.requests[0]).toMatchObject({
    op: 'estimate',
    workload: 'job',
    to: 'b',
    options: { parkPoint: 'boundary' },
  })
  expect(stdout[0]).toContain('job: a -> b converges')
  expect((await godwit('estimate job --to b --json')).json()).toEqual({ estimate: estimateView() })
  const hopeless = () => ({ estimate: estimateView({ converges: false }) })
  expect((await godwit('estimate job --to b', hopeless)).exitCode).toBe(1)
})

test('migrate --json prints one object', async () => {
  const { exitCode, json, stderr } = await godwit('migrate job --to b --json', migrating)
  expect(exitCode).toBe(0)
  expect(json()).toMatchObject({ migration: { status: 'completed', report: { lostTimeMs: 20 } } })
  expect(stderr).toEqual([])
})

test('a migration that fails says why and exits with 1', async () => {
  const error = { kind: 'bits-differ', message: 'Math.exp gives other bits there' } as const
  const script: Script = (request, connection) => {
    if (request.op === 'follow') return { workload: workloadView() }
    connection.event('job', { kind: 'migration', migration: migrationView({ status: 'failed', error }) })
    return { migration: migrationView() }
  }
  const { exitCode, stderr } = await godwit('migrate job --to b', script)
  expect(exitCode).toBe(1)
  expect(stderr.at(-1)).toBe('job: a -> b failed (bits-differ): Math.exp gives other bits there')
})

test('Ctrl-C ends the watching, not the migration', async () => {
  const io = new CapturedIo()
  const script: Script = (request) => {
    if (request.op === 'follow') return { workload: workloadView() }
    return { migration: migrationView() }
  }
  const err = io.err.bind(io)
  io.err = (line) => {
    err(line)
    if (line.includes('setup')) io.interrupt()
  }
  expect((await godwit('migrate job --to b', script, io)).exitCode).toBe(130)
  expect(io.stderr.at(-1)).toContain('godwit cancel job')
})

test('Ctrl-C ends the following, not the workload', async () => {
  const io = new CapturedIo()
  const script: Script = () => {
    setImmediate(() => io.interrupt())
    return { workload: workloadView() }
  }
  expect((await godwit('follow job', script, io)).exitCode).toBe(130)
  expect(io.stderr).toEqual(['job goes on; to end it: godwit stop job'])
})

test('rm forgets what is over', async () => {
  const gone = await godwit('rm job', (request) => {
    expect(request).toEqual({ op: 'forget', workload: 'job' })
    return {}
  })
  expect(gone.stdout).toEqual(['job is forgotten'])
})

test('cancel and stop', async () => {
  const cancelled = await godwit('cancel job', () => ({ migration: migrationView({ status: 'cancelling' }) }))
  expect(cancelled.stdout).toEqual(['job: a -> b cancelling'])
  const stopped = await godwit('stop job', () => ({ workload: workloadView({ status: 'stopped', loss: 1 }) }))
  expect(stopped.stdout).toEqual(['job stopped on a at step 0 of 10, loss 1.0000'])
})

test('errors of the coordinator are said once, with exit code 1', async () => {
  const script = () => {
    throw new GodwitError('unknown-workload', 'no workload jbo: there is job')
  }
  const plain = await godwit('stop jbo', script)
  expect(plain).toMatchObject({ exitCode: 1, stdout: [], stderr: ['godwit: no workload jbo: there is job'] })
  const json = await godwit('stop jbo --json', script)
  expect(json.exitCode).toBe(1)
  expect(json.json()).toEqual({
    error: { kind: 'unknown-workload', message: 'no workload jbo: there is job' },
  })
})

test('a request that waits when the coordinator goes is an error', async () => {
  const gone = await godwit('stop job', (_, connection) => connection.drop())
  expect(gone.exitCode).toBe(1)
  expect(gone.stderr[0]).toContain('connection to the coordinator was lost')
})

test('follow goes on from its step when the coordinator is back, and says once that it was gone', async () => {
  let restarted: Promise<void> | undefined
  const { exitCode, stdout, stderr } = await godwit('follow job --from-step 0', (request, connection) => {
    if (coordinator.requests.length === 1) {
      connection.event('job', steps(0, 2))
      restarted = afterReply(() => coordinator.restart())
      return { workload: workloadView({ acceptedSteps: 2 }) }
    }
    expect(request).toEqual({ op: 'follow', workload: 'job', fromStep: 2 })
    connection.event('job', steps(1, 4))
    return { workload: workloadView({ status: 'finished', acceptedSteps: 4 }) }
  })
  await restarted
  expect(exitCode).toBe(0)
  expect(stdout.map((line) => line.split('  ')[0])).toEqual([
    ...['step 0', 'step 1', 'step 2', 'step 3'],
    expect.stringContaining('job finished'),
  ])
  expect(stderr).toEqual([
    expect.stringMatching(/^the coordinator is gone: trying .* 120 s$/),
    'the coordinator is back',
  ])
})

test.each([
  ['after it was written down', migrationView()],
  ['before the answer came', undefined],
])('migrate watches its migration on when the coordinator went %s', async (_when, answer) => {
  const completed = migrationView({ status: 'completed', report: migrationReport() })
  let restarted: Promise<void> | undefined
  const { exitCode, json } = await godwit('migrate job --to b --json', (request, connection) => {
    if (request.op === 'migrate') {
      restarted = afterReply(() => coordinator.restart())
      return answer && { migration: answer }
    }
    if (request.op === 'migration') return { migration: completed }
    if (restarted === undefined) return { workload: workloadView() }
    setImmediate(() => connection.event('job', { kind: 'migration', migration: completed }))
    return { workload: workloadView(), migration: migrationView({ status: 'active' }) }
  })
  await restarted
  expect(exitCode).toBe(0)
  const asked = coordinator.requests.map(({ op }) => op)
  expect(asked).toEqual(['follow', 'migrate', 'follow', ...(answer === undefined ? [] : ['migration'])])
  expect(json()).toMatchObject({ migration: { id: 'm1', status: 'completed' } })
})

/** Once what the script returns has gone out. */
function afterReply(body: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => setTimeout(() => void body().then(resolve, reject)))
}

test('follow says when a worker is lost, and when what came after it is something else', async () => {
  const lost = workloadView({
    ...{ status: 'restarting', acceptedSteps: 2 },
    error: { kind: 'worker-crashed', message: 'worker w1 was killed by SIGKILL' },
  })
  const diverged = { step: 1, acceptedLoss: 0.5, recomputedLoss: 0.25 }
  const { stderr } = await godwit('follow job', (_, connection) => {
    for (const workload of [lost, lost, workloadView({ diverged })])
      connection.event('job', { kind: 'workload', workload })
    connection.event('job', { kind: 'workload', workload: workloadView({ status: 'stopped', diverged }) })
    connection.event('job', steps(0, 1))
    return { workload: workloadView() }
  })
  expect(stderr).toEqual([
    expect.stringMatching(/^job restarting on a .*worker-crashed: worker w1 was killed/),
    expect.stringMatching(/^job: diverged: step 1/),
  ])
})

const checkpointed = {
  ...{ host: 'a', step: 512, rounds: 3, incremental: true, pages: 100, writtenBytes: 409_600 },
  ...{ fileBytes: 10 * 2 ** 20, stallMs: 4.2, totalMs: 45 },
}

test('checkpoint', async () => {
  const script = () => ({ checkpoint: checkpointed })
  const { exitCode, stdout } = await godwit('checkpoint job', script)
  expect(exitCode).toBe(0)
  expect(coordinator.requests[0]).toEqual({ op: 'checkpoint', workload: 'job' })
  expect(stdout).toEqual([
    'job: step 512 on a, wrote what changed, 0.4 MiB in 3 rounds and 45.0 ms, training stood for 4.20 ms, 10.0 MiB on disk',
  ])
  expect((await godwit('checkpoint job --json')).json()).toEqual({ checkpoint: checkpointed })
})

test('run asks for restarts and checkpoints as typed', async () => {
  await godwit('run mnist-mlp --restart-policy never --checkpoint-every 1.5m', () => ({
    workload: workloadView(),
  }))
  expect(coordinator.requests[0]).toMatchObject({ restartPolicy: 'never', checkpointEveryMs: 90_000 })
})

test('ps shows restarts, checkpoints and divergence, and all about one workload', async () => {
  const diverged = { step: 7, acceptedLoss: 0.5, recomputedLoss: 0.25 }
  const workload = workloadView({
    ...{ status: 'restarting', restarts: 2, restartPolicy: 'on-failure', checkpoint: checkpointed, diverged },
    parameters: { seed: 7 },
  })
  const table = await godwit('ps', () => ({ workloads: [workload] }))
  expect(table.stdout[1]).toMatch(/^job .* restarting .* 2 +step 512 /)
  expect(table.stdout[2]).toMatch(/^job: diverged: step 7 .*0\.5 .*0\.25/)
  const one = await godwit('ps job', () => ({ workload }))
  expect(coordinator.requests.at(-1)).toEqual({ op: 'workload', workload: 'job' })
  expect(one.stdout.join('\n')).toMatch(/restarting.*seed=7.*epoch 1 on a from step 0.*restarts +2 \(/s)
  expect((await godwit('ps job --json')).json()).toEqual({ workload })
})

test('cancel says what it waits for, and a verified migration what that took', async () => {
  const waiting = migrationView({ status: 'cancelling', waitingFor: 'host b to be reachable' })
  expect((await godwit('cancel job', () => ({ migration: waiting }))).stdout).toEqual([
    'job: a -> b cancelling, waiting for host b to be reachable',
  ])
  const report = migrationReport({ verifyMs: 12.5 })
  const { stdout } = await godwit('migrate job --to b --verify', (request) => {
    if (request.op === 'follow') return { workload: workloadView() }
    return { migration: migrationView({ status: 'completed', report }) }
  })
  expect(coordinator.requests.at(-1)).toMatchObject({ options: { verify: true } })
  expect(stdout.join('\n')).toContain('verified  memory is the same at both ends: 12.5 ms of the downtime')
})

test.each([
  ['migrate', 'workload'],
  ['run p --require disk', 'key=value'],
  ['run', 'program'],
  ['run x --steps 0', 'at least 1'],
  ['run x --tracker magic', 'userfaultfd'],
  ['run x --param seed', 'key=value'],
  ['migrate job --to b --downtime-limit-ms -3', 'positive'],
  ['migrate job --to b --park-point middle', 'auto, boundary, pre-apply'],
  ['migrate job --to b --codec zip', 'auto, raw, xor'],
  ['migrate job --to b --method postcopy', 'precopy, stopcopy'],
  ['migrate job --to b --on-stall pray', 'wait, raise-limit, throttle, give-up'],
  ['migrate job --to b --on-timeout wait', 'cancel, force'],
  ['migrate job --to b --streams 17', 'from 1 to 16'],
  ['migrate job --to b --max-bandwidth fast', '1gbit'],
  ['migrate job --to b --max-slowdown none', '10%'],
  ['hosts --all', '--all'],
  ['run x --restart-policy always', 'on-failure, never'],
  ['run x --checkpoint-every 30', '30s'],
  ['run x --checkpoint-every 10ms', 'from 1s'],
  ['checkpoint', 'workload'],
  ['token create --role root', 'viewer, operator, admin'],
  ['token create --expires 20y', 'to 3650d'],
  ['token revoke', 'id'],
  ['audit --limit 1001', 'from 1 to 1000'],
  ['host remove', 'host'],
  ['mirgate job', 'migrate'],
])('bad usage exits with 2: %s', async (line, hint) => {
  const plain = await godwit(line)
  expect(plain.exitCode).toBe(2)
  expect(plain.stderr.join(' ')).toContain(hint)
  const json = await godwit(`${line} --json`)
  expect(json.exitCode).toBe(2)
  expect(json.json()).toMatchObject({ error: { kind: 'bad-arguments' } })
})

test('help and version are no errors; no command is', async () => {
  expect((await godwit('--help')).exitCode).toBe(0)
  expect((await godwit('migrate --help')).stdout.join(' ')).toContain('--downtime-limit-ms')
  expect((await godwit('--version')).stdout).toEqual(['0.1.0'])
  expect(await runCli([], new CapturedIo())).toBe(2)
})
