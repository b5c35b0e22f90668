/** Goal: nobody waits for ever, and what a coordinator answers with is no loss. Method: a coordinator that goes for good. */
import { GodwitError } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { CoordinatorClient } from './client.ts'
import { throughLosses } from './lasting.ts'
import type { Session } from './session.ts'
import { CapturedIo } from './support/captured-io.ts'
import { FakeCoordinator } from './support/fake-coordinator.ts'

async function sessionWith(coordinator: FakeCoordinator): Promise<Session & { io: CapturedIo }> {
  await coordinator.start()
  const connect = () => CoordinatorClient.connect(coordinator.url)
  const io = new CapturedIo()
  return { client: await connect(), io, json: false, coordinator: coordinator.url, connect }
}

test('gives up after its time, said once', async () => {
  const coordinator = new FakeCoordinator()
  const session = await sessionWith(coordinator)
  const gone = throughLosses(session, () => new Promise<never>(() => {}), 500)
  await coordinator.stop()
  await expect(gone).rejects.toMatchObject({
    kind: 'connection-lost',
    message: expect.stringMatching(/did not come back within 1 s.*try again/),
  })
  expect(session.io.stderr).toEqual(['the coordinator is gone: trying to reach it again for 1 s'])
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
  expect(session.io.stderr).toEqual([])
  session.client.close()
  await coordinator.stop()
})
