/** Goal: nobody waits for ever, and what a coordinator answers with is no loss. Method: a coordinator that goes for good. */
import { GodwitError } from '@godwit/protocol'
import { workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { CoordinatorClient } from './client.ts'
import { throughLosses, type Watching } from './lasting.ts'
import { FakeCoordinator } from './support/fake-coordinator.ts'

async function sessionWith(coordinator: FakeCoordinator): Promise<Watching & { said: string[] }> {
  await coordinator.start()
  const connect = () => CoordinatorClient.connect(coordinator.url)
  const said: string[] = []
  const io = { err: (line: string) => said.push(line), interrupted: new AbortController().signal }
  return { client: await connect(), io, said, connect }
}

test('gives up after its time, said once', async () => {
  const coordinator = new FakeCoordinator()
  const session = await sessionWith(coordinator)
  coordinator.script = () => ({ workload: workloadLike() })
  let follows = (): void => {}
  const following = new Promise<void>((resolve) => {
    follows = resolve
  })
  const follow = async (client: CoordinatorClient): Promise<never> => {
    await client.request({ op: 'follow', workload: 'job' })
    follows()
    return new Promise<never>(() => {})
  }
  const gone = throughLosses(session, follow, 500)
  await following
  await coordinator.stop()
  await expect(gone).rejects.toMatchObject({
    kind: 'connection-lost',
    message: expect.stringMatching(/did not come back within 1 s.*try again/),
  })
  expect(session.said).toEqual(['the coordinator is gone: trying to reach it again for 1 s'])
})

test('what was closed is not sought again', async () => {
  const coordinator = new FakeCoordinator()
  const session = await sessionWith(coordinator)
  coordinator.script = () => ({ workload: workloadLike() })
  const watching = throughLosses(session, async (client) => {
    await client.request({ op: 'follow', workload: 'job' })
    session.client.close()
    return new Promise<never>(() => {})
  })
  await expect(watching).rejects.toMatchObject({ kind: 'connection-lost' })
  expect(session.said).toEqual([])
  await coordinator.stop()
})

test('an error that was answered is handed on, the connection kept', async () => {
  const coordinator = new FakeCoordinator()
  const session = await sessionWith(coordinator)
  coordinator.script = () => {
    throw new GodwitError('unknown-workload', 'no')
  }
  const asked = throughLosses(session, (client) => client.request({ op: 'stop', workload: 'job' }))
  await expect(asked).rejects.toMatchObject({ kind: 'unknown-workload' })
  expect(session.client.isOpen).toBe(true)
  expect(session.said).toEqual([])
  session.client.close()
  await coordinator.stop()
})
