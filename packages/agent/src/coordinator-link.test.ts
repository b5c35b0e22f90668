/**
 * Goal: the first failure is said clearly, later ones are survived.
 * Method: a scripted coordinator on a real socket.
 */
import type { FromAgent, ToAgent } from '@godwit/protocol'
import { pino } from 'pino'
import { afterEach, expect, test, vi } from 'vitest'
import { CoordinatorLink, type LinkOptions, type Register } from './coordinator-link.ts'
import { FakeCoordinator } from './support/fake-coordinator.ts'

const coordinator = new FakeCoordinator()
afterEach(() => coordinator.stop())

const register: Register = {
  type: 'register',
  versions: { min: 1, max: 1 },
  name: 'alpha',
  address: '127.0.0.1',
  faultDomain: 'rack-a',
  memoryBytes: 1,
  cores: 1,
  workers: [],
  checkpoints: [],
}

/** `lost` is called when the link has noticed that its connection is gone. */
function linkTo(
  coordinatorUrl: string,
  lost: () => void = () => {},
  more: Partial<LinkOptions> = {},
): CoordinatorLink {
  const log = pino({ level: 'warn' }, { write: lost })
  const ignore = () => {}
  return new CoordinatorLink({
    ...{ coordinatorUrl, register: () => register, message: ignore, registeredAgain: ignore, log },
    ...{ accepted: ignore, mustGoOn: () => false, security: () => undefined, ...more },
  })
}

function exited(workerId: string): FromAgent {
  return { type: 'workerExited', workerId }
}

test('says what to do when nobody answers at the start', async () => {
  await expect(linkTo('ws://127.0.0.1:1').start()).rejects.toMatchObject({
    kind: 'unreachable',
    message: expect.stringMatching(/ws:\/\/127\.0\.0\.1:1\/agent.*godwit coordinator.*--coordinator/),
  })
})

test('says what the coordinator refused', async () => {
  coordinator.answer = {
    type: 'refused',
    error: { kind: 'host-name-taken', message: 'alpha is connected already' },
  }
  const link = linkTo(`${await coordinator.start()}/`)
  await expect(link.start()).rejects.toMatchObject({ kind: 'host-name-taken' })
})

test('keeps order over a loss, registration first', async () => {
  coordinator.answer = { type: 'registered', clusterId: 'test' }
  let noticed: () => void = () => {}
  const lost = new Promise<void>((resolve) => {
    noticed = resolve
  })
  const link = linkTo(await coordinator.start(), () => noticed())
  await link.start()
  link.send(exited('w1'))
  await coordinator.first('workerExited')
  const { port } = coordinator
  await coordinator.stop()
  coordinator.received.length = 0
  await lost
  for (const workerId of ['w2', 'w3', 'w4']) link.send(exited(workerId))
  await coordinator.start(port)
  await coordinator.first('workerExited', (each) => each.workerId === 'w4')
  expect(
    coordinator.received.map((each) => (each.type === 'workerExited' ? each.workerId : each.type)),
  ).toEqual(['register', 'w2', 'w3', 'w4'])
  await link.close()
})

test('a worker whose end waits to be told is still registered', async () => {
  coordinator.answer = { type: 'registered', clusterId: 'test' }
  let noticed: () => void = () => {}
  const lost = new Promise<void>((resolve) => {
    noticed = resolve
  })
  const link = linkTo(await coordinator.start(), () => noticed())
  await link.start()
  const { port } = coordinator
  await coordinator.stop()
  coordinator.received.length = 0
  await lost
  link.send({ type: 'fromWorker', workerId: 'w1', message: { type: 'outputs', outputs: [] } })
  link.send(exited('w1'))
  await coordinator.start(port)
  await coordinator.exited('w1')
  expect(coordinator.received.map(({ type }) => type)).toEqual(['register', 'fromWorker', 'workerExited'])
  expect(coordinator.received[0]).toMatchObject({ workers: ['w1'] })
  await link.close()
})

test('a coordinator of the next release is obeyed as far as it is understood', async () => {
  const heard: unknown[] = []
  const url = await coordinator.start()
  const link = linkTo(url, undefined, { message: (message) => heard.push(message) })
  coordinator.answer = { type: 'registered', clusterId: 'c', colour: 'red' } as unknown as ToAgent
  await link.start()
  coordinator.send({ type: 'dance' } as unknown as ToAgent)
  coordinator.send({ type: 'toWorker', workerId: 'w', message: { type: 'dance' } } as unknown as ToAgent)
  coordinator.send({ type: 'kill', workerId: 'w', gently: true } as unknown as ToAgent)
  await vi.waitUntil(() => heard.length > 0)
  expect(heard).toEqual([{ type: 'kill', workerId: 'w' }])
  await link.close()
})
