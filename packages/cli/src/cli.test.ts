/**
 * Goal: every error is one line that says what to do, as JSON too, with the right exit code; what is over ends with a sentence. Method: whole
 * command lines against a scripted coordinator.
 */
import { GodwitError, RELEASE } from '@godwit/protocol'
import { migrationLike, workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { runCli } from './cli.ts'
import { CapturedIo } from './support/captured-io.ts'
import { CommandLine } from './support/command-line.suite.ts'

const cli = new CommandLine()
const { godwit } = cli

test('rm forgets what is over', async () => {
  const gone = await godwit('rm job', (request) => {
    expect(request).toEqual({ op: 'forget', workload: 'job' })
    return {}
  })
  expect(gone.stdout).toEqual(['job is forgotten'])
})

test('cancel and stop', async () => {
  const cancelled = await godwit('cancel job', () => ({ migration: migrationLike({ status: 'cancelling' }) }))
  expect(cancelled.stdout).toEqual(['job: a -> b cancelling'])
  const stopped = await godwit('stop job', () => ({ workload: workloadLike({ status: 'stopped', loss: 1 }) }))
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

test.each([
  ['run mnist-mlp --bundle', /mnist-mlp is a name that each host knows: a bundle is made of a file/],
  ['run mnist-mlp --data x.csv', /mnist-mlp is a name that each host knows/],
  [`run ${import.meta.filename} --no-bundle --data x.csv`, /--no-bundle brings nothing along/],
  ['migrate job --compute-only --with-data', /'--with-data' cannot be used with option '--compute-only'/],
])('%s makes no sense, and nobody is asked', async (line, words) => {
  const { exitCode, stderr } = await godwit(line)
  expect(exitCode).not.toBe(0)
  expect(stderr.join(' ')).toMatch(words)
  expect(cli.requests).toEqual([])
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
  expect((await godwit('--version')).stdout).toEqual([RELEASE])
  expect(await runCli([], new CapturedIo())).toBe(2)
})
