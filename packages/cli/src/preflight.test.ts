/**
 * Goal: `migrate --dry-run` asks for a look and for no move, shows each check with what to do, and its exit code says whether something blocks.
 * Method: whole command lines in this process against a scripted coordinator.
 */
import type { PreflightCheck, PreflightView } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { CommandLine } from './support/command-line.suite.ts'

const cli = new CommandLine()
const { godwit } = cli

const job: PreflightCheck = { check: 'job', verdict: 'pass', message: 'job takes steps on a' }
const queue: PreflightCheck = {
  ...{
    check: 'queue',
    verdict: 'warning',
    message: 'it would wait at place 2 of the queue: 2 moves leave a',
  },
  advice: 'wait for the others',
}
const maintenance: PreflightCheck = {
  ...{ check: 'maintenance', verdict: 'blocker', message: 'b is in maintenance and takes no jobs' },
  advice: 'godwit maintenance exit b',
}
const view = (...checks: PreflightCheck[]): PreflightView => ({ workload: 'job', from: 'a', to: 'b', checks })

test('a warning is shown with what to do, and keeps nobody', async () => {
  const script = () => ({ preflight: view(job, queue) })
  const { exitCode, stdout } = await godwit('migrate job --dry-run --priority high', script)
  expect(exitCode).toBe(0)
  expect(stdout).toEqual([
    'job: a -> b can move, 1 warning',
    '',
    'CHECK  RESULT   WHY',
    'job    pass     job takes steps on a',
    'queue  warning  it would wait at place 2 of the queue: 2 moves leave a',
    '                to do: wait for the others',
  ])
  expect(cli.requests).toEqual([
    { op: 'preflight', workload: 'job', options: expect.objectContaining({ priority: 'high' }) },
  ])
})

test('a blocker gives exit code 1, as JSON too', async () => {
  const script = () => ({ preflight: view(job, maintenance) })
  const { exitCode, stdout } = await godwit('migrate job --to b --dry-run', script)
  expect(exitCode).toBe(1)
  expect(stdout[0]).toBe('job: a -> b can NOT move, 1 blocker')
  expect(cli.requests[0]).toMatchObject({ op: 'preflight', to: 'b' })
  const asJson = await godwit('migrate job --to b --dry-run --json', script)
  expect(asJson.exitCode).toBe(1)
  expect(JSON.parse(asJson.stdout.join(''))).toEqual({ preflight: view(job, maintenance) })
})

test('where no host may take it there is none to name; --explain says why', async () => {
  const host: PreflightCheck = {
    check: 'host',
    verdict: 'blocker',
    message: 'no host may take job',
    advice: 'x',
  }
  const placement = [{ host: 'b', verdict: 'refused', reason: 'it is in maintenance' }]
  const { to: _, ...nowhere } = view(host)
  const { exitCode, stdout } = await godwit('migrate job --dry-run --explain', () => ({
    preflight: nowhere,
    placement,
  }))
  expect(exitCode).toBe(1)
  expect(stdout).toContain('job: from a can NOT move, 1 blocker')
  expect(stdout[1]).toContain('it is in maintenance')
  expect(cli.requests[0]).toMatchObject({ explain: true })
})
