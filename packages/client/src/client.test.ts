/**
 * Goal: every request settles, with its own reply, and nothing unchecked reaches the caller. Method: the client
 * against a scripted coordinator over a real socket.
 */
import { GodwitError } from '@godwit/protocol'
import { workloadLike } from '@godwit/protocol/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CoordinatorClient } from './client.ts'
import { FakeCoordinator } from './support/fake-coordinator.ts'

let coordinator: FakeCoordinator
let client: CoordinatorClient
beforeEach(async () => {
  coordinator = new FakeCoordinator()
  await coordinator.start()
  client = await CoordinatorClient.connect(`${coordinator.url}/`)
})
afterEach(async () => {
  client.close()
  await coordinator.stop()
})

test('replies find their requests, whatever their order', async () => {
  coordinator.script = (request) => {
    if (request.op === 'workload') return { workload: workloadLike({ id: request.workload }) }
    return { hosts: [] }
  }
  const [one, two, hosts] = await Promise.all([
    client.request({ op: 'workload', workload: 'one' }),
    client.request({ op: 'workload', workload: 'two' }),
    client.request({ op: 'hosts' }),
  ])
  expect([one.workload.id, two.workload.id, hosts.hosts]).toEqual(['one', 'two', []])
})

test('errors of the coordinator keep their kind and sentence', async () => {
  coordinator.script = () => {
    throw new GodwitError('unknown-host', 'no host z: there are a and b')
  }
  await expect(
    client.request({ op: 'migrate', workload: 'job', to: 'z', options: {} }),
  ).rejects.toMatchObject({
    kind: 'unknown-host',
    message: 'no host z: there are a and b',
  })
})

test('what was left out has its default on the wire', async () => {
  coordinator.script = () => {
    throw new GodwitError('unknown-host', 'no')
  }
  await client.request({ op: 'migrate', workload: 'job', to: 'b', options: { streams: 4 } }).catch(() => {})
  expect(coordinator.requests[0]).toMatchObject({ options: { downtimeLimitMs: 300, streams: 4 } })
})

test('a request that makes no sense is not sent', async () => {
  await expect(client.request({ op: 'stop', workload: 'a job' })).rejects.toMatchObject({
    kind: 'bad-arguments',
    message: expect.stringMatching(/^workload: /),
  })
  expect(coordinator.requests).toEqual([])
})

test('a reply of another shape is an error', async () => {
  coordinator.script = () => ({ hosts: [{ name: 'a' }] })
  await expect(client.request({ op: 'hosts' })).rejects.toMatchObject({ kind: 'bad-message' })
})

test('silence and a lost connection settle what waits', async () => {
  coordinator.script = () => undefined
  await expect(client.request({ op: 'hosts' }, 20)).rejects.toMatchObject({
    kind: 'peer-stalled',
    message: expect.stringContaining('hosts'),
  })
  coordinator.script = (_, connection) => connection.drop()
  await expect(client.request({ op: 'hosts' })).rejects.toMatchObject({ kind: 'connection-lost' })
  expect(await client.closed).toMatchObject({ kind: 'connection-lost' })
  await expect(client.request({ op: 'hosts' })).rejects.toMatchObject({ kind: 'connection-lost' })
})

test('events arrive in order, also before the reply', async () => {
  coordinator.script = (_, connection) => {
    for (const status of ['starting', 'running', 'finished'] as const) {
      connection.event('job', { kind: 'workload', workload: workloadLike({ status }) })
    }
    return { workload: workloadLike() }
  }
  const heard: string[] = []
  const unlisten = client.listen((workload, event) => {
    heard.push(`${workload} ${event.kind === 'workload' ? event.workload.status : event.kind}`)
  })
  await client.request({ op: 'follow', workload: 'job' })
  expect(heard).toEqual(['job starting', 'job running', 'job finished'])
  unlisten()
  await client.request({ op: 'follow', workload: 'job' })
  expect(heard).toHaveLength(3)
})

test('says what to do without a coordinator', async () => {
  await expect(CoordinatorClient.connect('ws://127.0.0.1:1')).rejects.toMatchObject({
    kind: 'unreachable',
    message: expect.stringMatching(/^no coordinator answers at ws:\/\/127\.0\.0\.1:1 .*godwit coordinator/),
  })
})
