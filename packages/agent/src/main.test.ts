/** Goal: the process says one thing on stdout, one line when it can't go on, and ends in order. Method: real processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeCoordinator } from './support/fake-coordinator.ts'
import { FAKE_WORKER, launchOf, temporaryFolder } from './support/host.ts'

let folder: string
let coordinator: FakeCoordinator
const children: ChildProcess[] = []
beforeEach(async () => {
  folder = temporaryFolder()
  coordinator = new FakeCoordinator()
  await coordinator.start()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await coordinator.stop()
  rmSync(folder, { recursive: true, force: true })
})

function agent(env: NodeJS.ProcessEnv = {}, ...more: string[]) {
  writeFileSync(join(folder, 'job.mjs'), '')
  const args = [
    ...['--import', 'tsx', fileURLToPath(new URL('./main.ts', import.meta.url))],
    ...['--coordinator', coordinator.url, '--name', 'alpha', '--data-dir', join(folder, 'data')],
    ...['--programs', folder, '--worker-main', FAKE_WORKER, '--log-level', 'silent', ...more],
  ]
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env } })
  children.push(child)
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  return { child, exit, stdout: text(child.stdout), stderr: text(child.stderr) }
}

test('prints when it is registered, and takes its workers along on SIGTERM', async () => {
  const { child, exit, stdout, stderr } = agent()
  await coordinator.first('register')
  coordinator.send({ type: 'launch', launch: launchOf('w1') })
  await coordinator.fromWorker('w1', 'prepared')
  child.kill('SIGTERM')
  expect((await coordinator.exited('w1')).error).toBeUndefined()
  expect(await exit).toEqual([0, null])
  expect(await stdout).toBe('{"registered":{"name":"alpha"}}\n')
  expect(await stderr).toBe('')
})

test.each([
  [['--coordinator', 'ws://127.0.0.1:1'], /^godwit agent: nobody answers at .*godwit coordinator.*\n$/],
  [['--memory', 'much'], /^godwit agent: --memory much: write bytes.*\n$/],
  [['--data-dir', '/proc/nothing'], /^godwit agent: \/proc\/nothing.*\n$/],
])('ends with one line: %s', async (flags, line) => {
  const { exit, stdout, stderr } = agent({}, ...flags)
  expect(await exit).toEqual([1, null])
  expect(await stderr).toMatch(line)
  expect(await stdout).toBe('')
})

test('a worker outlives an agent that was killed, and the next agent takes it over', async () => {
  const first = agent()
  await coordinator.first('register')
  for (const workerId of ['w1', 'w2']) coordinator.send({ type: 'launch', launch: launchOf(workerId) })
  for (const workerId of ['w1', 'w2']) await coordinator.fromWorker(workerId, 'prepared')
  first.child.kill('SIGKILL')
  expect(await first.exit).toEqual([null, 'SIGKILL'])
  coordinator.received.length = 0

  agent()
  expect((await coordinator.first('register')).workers.sort()).toEqual(['w1', 'w2'])
  await coordinator.fromWorker('w1', 'prepared')
  coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'acknowledge', step: 4 } })
  await coordinator.fromWorker('w1', 'outputs')
  coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'stop' } })
  expect((await coordinator.exited('w1')).error).toBeUndefined()
  process.kill(Number(readFileSync(join(folder, 'data/w2/pid'), 'utf8')), 'SIGKILL')
  expect((await coordinator.exited('w2')).error).toMatchObject({ kind: 'worker-crashed' })
})

test('a worker whose agent was killed before it had written down the process is found all the same', async () => {
  const first = agent({ GODWIT_CRASH_POINTS: 'agent/before-write:pid' })
  await coordinator.first('register')
  coordinator.send({ type: 'launch', launch: launchOf('w1') })
  expect(await first.exit).toEqual([null, 'SIGKILL'])
  coordinator.received.length = 0

  agent()
  expect((await coordinator.first('register')).workers).toEqual(['w1'])
  await coordinator.fromWorker('w1', 'prepared')
  coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'stop' } })
  expect((await coordinator.exited('w1')).error).toBeUndefined()
})

test('without a coordinator an agent looks after the workers it found, and is registered when there is one', async () => {
  const first = agent()
  await coordinator.first('register')
  coordinator.send({ type: 'launch', launch: launchOf('w1') })
  await coordinator.fromWorker('w1', 'prepared')
  first.child.kill('SIGUSR2')
  expect(await first.exit, 'alone').toEqual([0, null])
  const { port } = coordinator
  await coordinator.stop()
  coordinator.received.length = 0

  const second = agent({}, '--log-level', 'warn')
  // It has said that it goes on trying.
  await once(second.child.stderr, 'data')
  await coordinator.start(port)
  expect((await coordinator.first('register')).workers).toEqual(['w1'])
  await coordinator.fromWorker('w1', 'prepared')
  second.child.kill('SIGTERM')
  expect(await second.exit).toEqual([0, null])
  expect(await second.stdout).toBe('{"registered":{"name":"alpha"}}\n')
})
