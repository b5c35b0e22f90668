/**
 * Goal: a move is asked for, estimated, watched and cancelled as typed, and its end is the exit code. Method: whole command lines against a
 * scripted coordinator.
 */
import { estimateView, type Script } from '@godwit/client/testing'
import { type MigrationOptions, migrationOptions } from '@godwit/protocol'
import { migrationLike, reportLike, workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { CapturedIo } from './support/captured-io.ts'
import { CommandLine } from './support/command-line.suite.ts'

const cli = new CommandLine()
const { godwit } = cli

const migrating: Script = (request, connection) => {
  if (request.op === 'follow') return { workload: workloadLike() }
  if (request.op === 'migration') {
    return { migration: migrationLike({ status: 'completed', report: reportLike() }) }
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
    connection.event('job', { kind: 'migration', migration: migrationLike({ status, progress }) })
  }
  connection.event('job', { kind: 'migration', migration: migrationLike({ id: 'm0', status: 'failed' }) })
  const lateLostTime = reportLike({ lostTimeMs: null })
  for (const report of [lateLostTime, reportLike()]) {
    connection.event('job', { kind: 'migration', migration: migrationLike({ status: 'completed', report }) })
  }
  return { migration: migrationLike() }
}

test('migrate shows each status once, then the report', async () => {
  const { exitCode, stdout, stderr } = await godwit(
    'migrate job --to b --downtime-limit-ms 50 --streams 2',
    migrating,
  )
  expect(exitCode).toBe(0)
  expect(cli.requests[1]).toMatchObject({ to: 'b', options: { downtimeLimitMs: 50, streams: 2 } })
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
  expect(cli.requests[1]).toEqual({ op: 'migrate', workload: 'job', to: 'b', options })
  expect(Object.keys(options).sort(), 'none is missing').toEqual(Object.keys(migrationOptions.shape).sort())
})

test('migrate without a target asks for the best one, and says why', async () => {
  const done = migrationLike({ status: 'completed', report: reportLike() })
  const placement = [{ host: 'b', verdict: 'taken', score: 81.25, reason: '900.0 MiB free' }]
  const { exitCode, stdout } = await godwit('migrate job --explain', (request) =>
    request.op === 'follow' ? { workload: workloadLike() } : { migration: done, placement },
  )
  expect(exitCode).toBe(0)
  expect(cli.requests[1]).toEqual({
    op: 'migrate',
    workload: 'job',
    options: migrationOptions.parse({}),
    explain: true,
  })
  expect(stdout[1]).toMatch(/^b +taken/)
})

test('a migration brings what is missing unless it is told not to', async () => {
  await godwit('migrate job --to b --with-data', migrating)
  expect(cli.requests[1]).toMatchObject({ op: 'migrate', options: { computeOnly: false } })
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
    if (request.op === 'follow') return { workload: workloadLike() }
    connection.event('job', { kind: 'migration', migration: migrationLike({ status: 'failed', error }) })
    return { migration: migrationLike() }
  }
  const { exitCode, stderr } = await godwit('migrate job --to b', script)
  expect(exitCode).toBe(1)
  expect(stderr.at(-1)).toBe('job: a -> b failed (bits-differ): Math.exp gives other bits there')
})

test('Ctrl-C ends the watching, not the migration', async () => {
  const io = new CapturedIo()
  const script: Script = (request) => {
    if (request.op === 'follow') return { workload: workloadLike() }
    return { migration: migrationLike() }
  }
  const err = io.err.bind(io)
  io.err = (line) => {
    err(line)
    if (line.includes('setup')) io.interrupt()
  }
  expect((await godwit('migrate job --to b', script, io)).exitCode).toBe(130)
  expect(io.stderr.at(-1)).toContain('godwit cancel job')
})

test('estimate asks with the same options, and its exit code says whether it would converge', async () => {
  const script = () => ({ estimate: estimateView() })
  const { exitCode, stdout } = await godwit('estimate job --to b --park-point boundary', script)
  expect(exitCode).toBe(0)
  expect(cli.requests[0]).toMatchObject({
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

test('cancel says what it waits for, and a verified migration what that took', async () => {
  const waiting = migrationLike({ status: 'cancelling', waitingFor: 'host b to be reachable' })
  expect((await godwit('cancel job', () => ({ migration: waiting }))).stdout).toEqual([
    'job: a -> b cancelling, waiting for host b to be reachable',
  ])
  const report = reportLike({ verifyMs: 12.5 })
  const { stdout } = await godwit('migrate job --to b --verify', (request) => {
    if (request.op === 'follow') return { workload: workloadLike() }
    return { migration: migrationLike({ status: 'completed', report }) }
  })
  expect(cli.requests.at(-1)).toMatchObject({ options: { verify: true } })
  expect(stdout.join('\n')).toContain('verified  memory is the same at both ends: 12.5 ms of the downtime')
})
