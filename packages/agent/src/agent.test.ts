/**
 * Goal: workers are started, heard and ended as the coordinator says, and what happens to one of them happens to
 * nobody else. Method: a real agent between a scripted coordinator and real processes that play the worker.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { workerLaunch } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Host, launchOf, startHost } from './support/host.ts'
import { LAST_WORDS } from './support/last-words.ts'

let host: Host
beforeEach(async () => {
  host = await startHost()
})
afterEach(() => host.stop())

const GiB = 2 ** 30

test('registers the host', async () => {
  expect(await host.coordinator.first('register')).toMatchObject({
    name: 'alpha',
    faultDomain: 'rack-a',
    memoryBytes: 1_000_000,
    workers: [],
  })
})

test('starts a worker with all it needs and relays both ways, bit for bit', async () => {
  host.launch('w1', { parameters: { arenaBytes: 4096 } })
  await host.coordinator.fromWorker('w1', 'prepared')
  const folder = join(host.dataDir, 'w1')
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  expect(workerLaunch.parse(JSON.parse(readFileSync(join(folder, 'launch.json'), 'utf8')))).toMatchObject({
    workerId: 'w1',
    programFile: expect.stringMatching(/\/job\.mjs$/),
    memoryLimitBytes: 1_000_000,
    orphanTimeoutMs: 20_000,
  })
  host.coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'acknowledge', step: 7 } })
  const { message } = await host.coordinator.fromWorker('w1', 'outputs')
  if (message.type !== 'outputs') throw new Error(message.type)
  expect(message.outputs[0]).toMatchObject({ step: 7, epoch: 1 })
  expect(Object.is(message.outputs[0]?.loss, -0)).toBe(true)
})

test('tells the end once, after the last words, and removes the folder', async () => {
  host.launch('w1')
  await host.coordinator.fromWorker('w1', 'prepared')
  host.coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'stop' } })
  expect((await host.coordinator.exited('w1')).error).toBeUndefined()
  const words = host.coordinator.received.filter(
    (each) => each.type === 'fromWorker' && each.message.type === 'outputs',
  )
  expect(words).toHaveLength(LAST_WORDS)
  expect(host.coordinator.received.at(-1)?.type).toBe('workerExited')
  expect(host.agent.workers.ids()).toEqual([])
  expect(existsSync(join(host.dataDir, 'w1'))).toBe(false)
})

test('a worker that crashes is told with its code and last output, and its folder stays', async () => {
  host.launch('w1', { parameters: { behaviour: 'crash-at-start' } })
  const { error } = await host.coordinator.exited('w1')
  expect(error).toMatchObject({ kind: 'worker-crashed', message: expect.stringContaining('exit code 3') })
  expect(error?.message).toContain('the cat is on the keyboard')
  expect(existsSync(join(host.dataDir, 'w1', 'output.log'))).toBe(true)
})

test('a worker that says why it fails is told with that reason, and its folder stays', async () => {
  host.launch('w1')
  await host.coordinator.fromWorker('w1', 'prepared')
  const error = { kind: 'loss-not-finite', message: 'the loss became NaN' } as const
  host.coordinator.send({
    type: 'toWorker',
    workerId: 'w1',
    message: { type: 'cancelMigration', migrationId: 'm1', error },
  })
  await host.coordinator.fromWorker('w1', 'failed')
  // What a coordinator answers to that.
  host.coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'stop' } })
  host.coordinator.send({ type: 'kill', workerId: 'w1' })
  expect((await host.coordinator.exited('w1')).error).toEqual(error)
  expect(existsSync(join(host.dataDir, 'w1', 'output.log'))).toBe(true)
})

test('kill -9 of one worker harms neither its neighbour nor the agent', async () => {
  host.launch('w1')
  host.launch('w2')
  await host.coordinator.fromWorker('w1', 'prepared')
  await host.coordinator.fromWorker('w2', 'prepared')
  process.kill(host.agent.workers.pid('w1') as number, 'SIGKILL')
  expect((await host.coordinator.exited('w1')).error).toMatchObject({
    kind: 'worker-crashed',
    message: expect.stringContaining('SIGKILL'),
  })
  host.coordinator.send({ type: 'toWorker', workerId: 'w2', message: { type: 'acknowledge', step: 1 } })
  await host.coordinator.fromWorker('w2', 'outputs')
  expect(host.agent.workers.ids()).toEqual(['w2'])
})

test('the coordinator can kill a worker that does not listen', async () => {
  host.launch('w1', { parameters: { behaviour: 'deaf' } })
  await host.coordinator.fromWorker('w1', 'prepared')
  host.coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'stop' } })
  host.coordinator.send({ type: 'kill', workerId: 'w1' })
  expect((await host.coordinator.exited('w1')).error).toMatchObject({ kind: 'worker-crashed' })
  expect(existsSync(join(host.dataDir, 'w1'))).toBe(false)
})

test.each(['nonsense', 'rubbish', 'talker'])(
  'a worker that says %s trains on, and what it says else is heard',
  async (behaviour) => {
    host.launch('w1', { parameters: { behaviour } })
    const pid = async () => {
      await host.coordinator.fromWorker('w1', 'prepared')
      return host.agent.workers.pid('w1')
    }
    const before = await pid()
    host.coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'acknowledge', step: 7 } })
    await host.coordinator.fromWorker('w1', 'outputs')
    expect(await pid()).toBe(before)
    expect(host.coordinator.received.filter(({ type }) => type === 'workerExited')).toEqual([])
  },
)

test('a program that is not there is told with the places looked at', async () => {
  host.launch('w1', { program: 'nowhere' })
  expect((await host.coordinator.exited('w1')).error).toMatchObject({
    kind: 'program-missing',
    message: expect.stringMatching(/nowhere.*godwit-test-/),
  })
})

test('a folder too long for a socket is told before anything is started', async () => {
  const workerId = 'w'.repeat(110)
  host.launch(workerId)
  expect((await host.coordinator.exited(workerId)).error).toMatchObject({
    kind: 'bad-arguments',
    message: expect.stringContaining('--data-dir'),
  })
  expect(existsSync(join(host.dataDir, workerId))).toBe(false)
})

test('what a worker says it takes of memory counts', async () => {
  host.launch('w1', { parameters: { arenaBytes: 4096, memoryBytes: 700_000 } })
  await host.coordinator.fromWorker('w1', 'prepared')
  host.launch('w2')
  await host.coordinator.fromWorker('w2', 'prepared')
  const written = JSON.parse(readFileSync(join(host.dataDir, 'w2', 'launch.json'), 'utf8'))
  expect(written.memoryLimitBytes).toBe(300_000)
})

test('the next worker is given what memory the others leave, shadow copies included', async () => {
  host.launch('w1', { parameters: { arenaBytes: 300_000 } })
  await host.coordinator.fromWorker('w1', 'prepared')
  host.launch('w2', { parameters: { arenaBytes: GiB } })
  await host.coordinator.fromWorker('w2', 'prepared')
  host.launch('w3')
  await host.coordinator.fromWorker('w3', 'prepared')
  const limit = (workerId: string) =>
    JSON.parse(readFileSync(join(host.dataDir, workerId, 'launch.json'), 'utf8')).memoryLimitBytes
  expect([limit('w1'), limit('w2'), limit('w3')]).toEqual([1_000_000, 400_000, 0])
})

test('a repeated launch changes nothing', async () => {
  host.launch('w1')
  await host.coordinator.fromWorker('w1', 'prepared')
  const pid = host.agent.workers.pid('w1')
  host.launch('w1')
  host.coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'acknowledge', step: 1 } })
  await host.coordinator.fromWorker('w1', 'outputs')
  expect(host.agent.workers.pid('w1')).toBe(pid)
})

test('comes back after the coordinator was gone, with its workers and what they said meanwhile', async () => {
  host.launch('w1')
  await host.coordinator.fromWorker('w1', 'prepared')
  const { port } = host.coordinator
  await host.coordinator.stop()
  host.coordinator.received.length = 0
  process.kill(host.agent.workers.pid('w1') as number, 'SIGKILL')
  host.agent.workers.launch(launchOf('w2'))
  await host.coordinator.start(port)
  expect((await host.coordinator.first('register')).name).toBe('alpha')
  await host.coordinator.exited('w1')
  await host.coordinator.fromWorker('w2', 'prepared')
  expect(host.coordinator.received[0]).toMatchObject({
    type: 'register',
    workers: expect.arrayContaining(['w1', 'w2']),
  })
})

test('after a loss each worker says again what may not have arrived', async () => {
  host.launch('w1')
  await host.coordinator.fromWorker('w1', 'prepared')
  const pid = host.agent.workers.pid('w1')
  const { port } = host.coordinator
  await host.coordinator.stop()
  host.coordinator.received.length = 0
  await host.coordinator.start(port)
  await host.coordinator.fromWorker('w1', 'prepared')
  host.coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'acknowledge', step: 3 } })
  await host.coordinator.fromWorker('w1', 'outputs')
  expect(host.agent.workers.pid('w1')).toBe(pid)
})

test('an order that a worker may not have read is sent again when its connection is back', async () => {
  host.launch('w1', { parameters: { behaviour: 'forgetful' } })
  await host.coordinator.fromWorker('w1', 'prepared')
  const secret = 'a'.repeat(64)
  host.coordinator.send({
    type: 'toWorker',
    workerId: 'w1',
    message: { type: 'dial', migrationId: 'm1', from: 'beta', host: '127.0.0.1', port: 1, secret },
  })
  expect((await host.coordinator.fromWorker('w1', 'claim')).message).toMatchObject({ migrationId: 'm1' })
})

test('stopping ends the workers, also one that does not listen', async () => {
  host.launch('w1')
  host.launch('w2', { parameters: { behaviour: 'deaf' } })
  await host.coordinator.fromWorker('w1', 'prepared')
  await host.coordinator.fromWorker('w2', 'prepared')
  await host.agent.workers.stopAll(1000)
  expect((await host.coordinator.exited('w1')).error).toBeUndefined()
  expect((await host.coordinator.exited('w2')).error).toMatchObject({ kind: 'worker-crashed' })
  host.launch('w3')
  expect((await host.coordinator.exited('w3')).error).toMatchObject({ kind: 'host-disconnected' })
})
