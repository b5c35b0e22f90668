/**
 * Goal: what a program prints is kept from whoever may speak for its job, followed from any line, and over when the job is. Method: a real coordinator, with
 * an agent and clients played by hand.
 */
import { expect, test } from 'vitest'
import { FakeAgent, type FakeWorker } from './support/fakes.ts'
import { client, port, training, useCoordinator } from './support/scene.suite.ts'

useCoordinator()

function print(agent: FakeAgent, worker: FakeWorker, text: string, at = 0, isLast = false): void {
  const message = { type: 'log', workerId: worker.id, workloadId: 'job', isLast } as const
  agent.send({ ...message, place: { generation: 0, at }, bytes: Buffer.from(text) })
}

test('lines are kept, answered, listed in pages and followed to the end', async () => {
  const { a, source: worker } = await training()
  print(a, worker, 'one\ntwo\nthree\n')
  expect(await a.order('logKept')).toMatchObject({ workerId: worker.id, place: { generation: 0, at: 14 } })
  const first = await client.ask({ op: 'logs', workload: 'job', limit: 2 })
  expect(first).toMatchObject({ lines: [{ line: 0, host: 'a', text: 'one' }, { text: 'two' }], next: 2 })
  const rest = await client.ask({ op: 'logs', workload: 'job', fromLine: 2 })
  expect(rest).toMatchObject({ lines: [{ line: 2, text: 'three' }], firstLine: 0 })
  expect(rest.next).toBeUndefined()
  const twice = client.ask({ op: 'logs', workload: 'job', fromLine: 2, tail: 1 })
  await expect(twice).rejects.toMatchObject({ kind: 'bad-arguments' })

  expect(await client.ask({ op: 'followLogs', workload: 'job', tail: 1 })).toEqual({ fromLine: 2 })
  expect(await client.printed(1)).toEqual(['three'])
  print(a, worker, 'four\n', 14)
  expect(await client.printed(1)).toEqual(['four'])

  const stopped = client.ask({ op: 'stop', workload: 'job' })
  await worker.told('stop')
  worker.say({ type: 'ended', epoch: 1, steps: 0, stateDigest: 'a'.repeat(64) })
  print(a, worker, 'last words', 19, true)
  worker.exited()
  expect(await client.printed(1)).toEqual(['last words'])
  await client.logIsOver()
  await stopped

  await client.ask({ op: 'forget', workload: 'job' })
  await expect(client.ask({ op: 'logs', workload: 'job' })).rejects.toMatchObject({
    kind: 'unknown-workload',
  })
})

test('nobody speaks for a job that never was on its host', async () => {
  const { a, source: worker } = await training()
  const c = await FakeAgent.registered(port, 'c')
  print(c, worker, 'forged\n')
  print(a, worker, 'real\n')
  await a.order('logKept')
  const { lines } = await client.ask({ op: 'logs', workload: 'job' })
  expect(lines).toMatchObject([{ host: 'a', text: 'real' }])
})
