/**
 * Goal: what watches goes on where it was when the coordinator is back; what only asked says that it was gone. Method: a scripted coordinator
 * that ends, and comes back at its address.
 */
import { migrationLike, reportLike, workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { CommandLine, stepsEvent } from './support/command-line.suite.ts'

const cli = new CommandLine()
const { godwit } = cli

test('a request that waits when the coordinator goes is an error', async () => {
  const gone = await godwit('stop job', (_, connection) => connection.drop())
  expect(gone.exitCode).toBe(1)
  expect(gone.stderr[0]).toContain('connection to the coordinator was lost')
})

test('follow goes on from its step when the coordinator is back, and says once that it was gone', async () => {
  let restarted: Promise<void> | undefined
  const { exitCode, stdout, stderr } = await godwit('follow job --from-step 0', (request, connection) => {
    if (cli.requests.length === 1) {
      connection.event('job', stepsEvent(0, 2))
      restarted = afterReply(() => cli.coordinator.restart())
      return { workload: workloadLike({ acceptedSteps: 2 }) }
    }
    expect(request).toEqual({ op: 'follow', workload: 'job', fromStep: 2 })
    connection.event('job', stepsEvent(1, 4))
    return { workload: workloadLike({ status: 'finished', acceptedSteps: 4 }) }
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
  ['after it was written down', migrationLike()],
  ['before the answer came', undefined],
])('migrate watches its migration on when the coordinator went %s', async (_when, answer) => {
  const completed = migrationLike({ status: 'completed', report: reportLike() })
  let restarted: Promise<void> | undefined
  const { exitCode, json } = await godwit('migrate job --to b --json', (request, connection) => {
    if (request.op === 'migrate') {
      restarted = afterReply(() => cli.coordinator.restart())
      return answer && { migration: answer }
    }
    if (request.op === 'migration') return { migration: completed }
    if (restarted === undefined) return { workload: workloadLike() }
    setImmediate(() => connection.event('job', { kind: 'migration', migration: completed }))
    return { workload: workloadLike(), migration: migrationLike({ status: 'active' }) }
  })
  await restarted
  expect(exitCode).toBe(0)
  const asked = cli.requests.map(({ op }) => op)
  expect(asked).toEqual(['follow', 'migrate', 'follow', ...(answer === undefined ? [] : ['migration'])])
  expect(json()).toMatchObject({ migration: { id: 'm1', status: 'completed' } })
})

/** Once what the script returns has gone out. */
function afterReply(body: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => setTimeout(() => void body().then(resolve, reject)))
}
