/**
 * Goal: the agent speaks for its own workers alone, serves its own cluster alone, and deletes its own checkpoints alone.
 * Method: a real agent between a scripted coordinator and processes that play workers which are not what they should be.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startAgent } from './agent.ts'
import { FakeCoordinator } from './support/fake-coordinator.ts'
import { agentOptions, type Host, startHost, temporaryFolder } from './support/host.ts'

let host: Host
beforeEach(async () => {
  host = await startHost()
})
afterEach(() => host.stop())

const silent = pino({ level: 'silent' })

function isAlive(pid: number | undefined): boolean {
  try {
    return process.kill(pid as number, 0)
  } catch {
    return false
  }
}

test('a stranger in the place of a worker is neither heard nor killed, and the worker counts as gone', async () => {
  host.launch('w1', { parameters: { behaviour: 'stranger' } })
  const pid = host.agent.workers.pid('w1') ?? (await launched('w1'))
  const { error } = await host.coordinator.exited('w1')
  expect(error).toMatchObject({
    kind: 'worker-crashed',
    message: expect.stringMatching(new RegExp(`process ${pid} .*another launch.json.*let alone`)),
  })
  host.coordinator.send({ type: 'kill', workerId: 'w1' })
  host.launch('w2')
  await host.coordinator.fromWorker('w2', 'prepared')
  expect(isAlive(pid)).toBe(true)
  expect(
    host.coordinator.received.filter((each) => 'workerId' in each && each.workerId === 'w1'),
  ).toHaveLength(1)
  process.kill(pid as number, 'SIGKILL')
})

/** The pid of a worker that is being launched. */
async function launched(workerId: string): Promise<number | undefined> {
  for (;;) {
    const pid = host.agent.workers.pid(workerId)
    if (pid !== undefined) return pid
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('who a worker is stays between it and its agent', async () => {
  host.launch('w1')
  await host.coordinator.fromWorker('w1', 'prepared')
  host.coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'acknowledge', step: 1 } })
  await host.coordinator.fromWorker('w1', 'outputs')
  const said = host.coordinator.received.flatMap((each) =>
    each.type === 'fromWorker' ? [each.message.type] : [],
  )
  expect(said).not.toContain('hello')
})

test('a coordinator that lost its store kills nothing: the host waits for its own', async () => {
  host.launch('w1')
  await host.coordinator.fromWorker('w1', 'prepared')
  const pid = host.agent.workers.pid('w1')
  const { coordinator } = host
  const { port } = coordinator
  await coordinator.stop()
  coordinator.received.length = 0
  coordinator.answer = { type: 'registered', clusterId: 'forgetful' }
  coordinator.afterAnswer = { type: 'kill', workerId: 'w1' }
  await coordinator.start(port)
  await coordinator.count('register', 2)
  expect(isAlive(pid)).toBe(true)
  expect(new Set(coordinator.received.map(({ type }) => type))).toEqual(new Set(['register']))
  coordinator.answer = { type: 'registered', clusterId: 'test' }
  coordinator.afterAnswer = undefined
  await coordinator.fromWorker('w1', 'prepared')
  expect(host.agent.workers.pid('w1')).toBe(pid)
})

test('with nothing left of the first cluster a host joins the next one, and not with a checkpoint', async () => {
  const folder = temporaryFolder()
  const coordinator = new FakeCoordinator()
  const options = agentOptions(folder, { coordinatorUrl: await coordinator.start() })
  await (await startAgent(options, silent)).stop()
  coordinator.answer = { type: 'registered', clusterId: 'next' }
  await (await startAgent(options, silent)).stop()
  mkdirSync(join(options.dataDir, 'checkpoints', 'job'), { recursive: true })
  coordinator.received.length = 0
  await (await startAgent(options, silent)).stop()
  expect(await coordinator.first('register')).toMatchObject({ checkpoints: ['job'] })
  coordinator.answer = { type: 'registered', clusterId: 'third' }
  await expect(startAgent(options, silent)).rejects.toMatchObject({
    kind: 'other-cluster',
    message: expect.stringMatching(/third.*next.*--data-dir/),
  })
  await coordinator.stop()
})

test('one agent a folder', async () => {
  const again = agentOptions(temporaryFolder(), {
    coordinatorUrl: host.coordinator.url,
    dataDir: host.dataDir,
  })
  await expect(startAgent(again, silent)).rejects.toMatchObject({ kind: 'folder-in-use' })
})

test('an agent that is not accepted leaves no folder', async () => {
  const folder = temporaryFolder()
  host.coordinator.answer = { type: 'refused', error: { kind: 'host-name-taken', message: 'no' } }
  const options = agentOptions(folder, { coordinatorUrl: host.coordinator.url })
  await expect(startAgent(options, silent)).rejects.toMatchObject({ kind: 'host-name-taken' })
  expect(existsSync(options.dataDir)).toBe(false)
})

test('a checkpoint goes at once, or with the worker that may be writing to it', async () => {
  const checkpoint = (workloadId: string): string => {
    const path = join(host.dataDir, 'checkpoints', workloadId)
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'pages'), '')
    return path
  }
  host.launch('w1', { workloadId: 'running' })
  await host.coordinator.fromWorker('w1', 'prepared')
  const [running, over] = [checkpoint('running'), checkpoint('over')]
  for (const workloadId of ['over', 'running'])
    host.coordinator.send({ type: 'deleteCheckpoint', workloadId })
  host.coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'acknowledge', step: 1 } })
  await host.coordinator.fromWorker('w1', 'outputs')
  expect([existsSync(over), existsSync(running)]).toEqual([false, true])
  host.coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'stop' } })
  await host.coordinator.exited('w1')
  expect(existsSync(running)).toBe(false)
})
