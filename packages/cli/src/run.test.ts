/**
 * Goal: a job is started as it was typed, and whoever follows it sees each step once, how it ends, and nobody else's. Method: whole command
 * lines against a scripted coordinator.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Script } from '@godwit/client/testing'
import { checkpointLike, workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { CapturedIo } from './support/captured-io.ts'
import { CommandLine, stepsEvent } from './support/command-line.suite.ts'

const cli = new CommandLine()
const { godwit } = cli

test('run asks for what was typed', async () => {
  const { exitCode, stdout } = await godwit(
    'run mnist-mlp --steps 20 --host b --id job --tracker compare --param seed=7 --param fast=true --param name=x=y',
    () => ({ workload: workloadLike({ host: 'b', tracker: 'compare', trackerReason: 'asked for' }) }),
  )
  expect(exitCode).toBe(0)
  expect(cli.requests[0]).toEqual({
    op: 'run',
    program: 'mnist-mlp',
    steps: 20,
    host: 'b',
    id: 'job',
    tracker: 'compare',
    restartPolicy: 'on-failure',
    parameters: { seed: 7, fast: true, name: 'x=y' },
  })
  expect(stdout[0]).toContain('job running on b')
})

test('run makes a file absolute and knows when there is none', async () => {
  const file = join(tmpdir(), `godwit-program-${process.pid}.mjs`)
  writeFileSync(file, '')
  await godwit(`run ${file} --no-bundle`, () => ({ workload: workloadLike() }))
  expect(cli.requests[0]).toMatchObject({
    program: file,
    steps: 1000,
    tracker: 'auto',
    parameters: {},
  })
  rmSync(file)
  const missing = await godwit('run ./no-such-program.ts')
  expect(missing.exitCode).toBe(1)
  expect(missing.stderr[0]).toMatch(/^godwit: there is no file \/.*no-such-program\.ts$/)
})

test('run asks for restarts and checkpoints as typed', async () => {
  await godwit('run mnist-mlp --restart-policy never --checkpoint-every 1.5m', () => ({
    workload: workloadLike(),
  }))
  expect(cli.requests[0]).toMatchObject({ restartPolicy: 'never', checkpointEveryMs: 90_000 })
})

const verdicts = [
  { host: 'b', verdict: 'taken', score: 81.25, reason: '900.0 MiB free' },
  { host: 'a', verdict: 'refused', reason: 'it is in maintenance' },
]

test('rules are asked for as typed, and --explain says why each host was taken or not', async () => {
  const rules = '--require disk=fast --require gpu=none --with one --apart-from two --apart-from three'
  const { stdout } = await godwit(`run mnist-mlp ${rules} --explain`, () => ({
    workload: workloadLike(),
    placement: verdicts,
  }))
  expect(cli.requests[0]).toMatchObject({
    rules: { requires: { disk: 'fast', gpu: 'none' }, with: ['one'], apartFrom: ['two', 'three'] },
    explain: true,
  })
  expect(stdout.slice(0, 3)).toEqual([
    'HOST  VERDICT  SCORE  WHY',
    'b     taken     81.3  900.0 MiB free',
    'a     refused      -  it is in maintenance',
  ])
  await godwit('run mnist-mlp', () => ({ workload: workloadLike() }))
  expect(cli.requests[1]).not.toHaveProperty('rules')
})

test('run --follow shows every step from the first, and fails with the workload', async () => {
  const script: Script = (request, connection) => {
    if (request.op === 'run') return { workload: workloadLike() }
    connection.event('job', stepsEvent(0, 2))
    connection.event('other', stepsEvent(7, 9))
    connection.event('job', {
      kind: 'workload',
      workload: workloadLike({
        status: 'failed',
        acceptedSteps: 3,
        error: { kind: 'loss-not-finite', message: 'the loss is NaN' },
      }),
    })
    connection.event('job', stepsEvent(2, 3, 2))
    return { workload: workloadLike() }
  }
  const { exitCode, stdout } = await godwit('run mnist-mlp --follow', script)
  expect(exitCode).toBe(1)
  expect(cli.requests[1]).toEqual({ op: 'follow', workload: 'job', fromStep: 0 })
  expect(stdout.filter((line) => line.startsWith('step '))).toEqual([
    'step 0  loss 1.0000  9.00 ms  a (epoch 1)',
    'step 1  loss 0.5000  9.00 ms  a (epoch 1)',
    'step 2  loss 0.3333  9.00 ms  a (epoch 2)',
  ])
  expect(stdout.at(-1)).toContain('loss-not-finite: the loss is NaN')
})

test('follow --json prints one object a line', async () => {
  const { exitCode, stdout } = await godwit('follow job --from-step 1 --json', (_, connection) => {
    connection.event('job', stepsEvent(1, 3))
    return { workload: workloadLike({ status: 'finished', acceptedSteps: 3 }) }
  })
  expect(exitCode).toBe(0)
  const objects = stdout.map((line) => JSON.parse(line))
  expect(objects.slice(0, 2)).toMatchObject([{ step: 1 }, { step: 2 }])
  expect(objects[2]).toMatchObject({ workload: { status: 'finished' } })
})

test('follow at a terminal writes over one line', async () => {
  const io = new CapturedIo(100)
  const script: Script = (_, connection) => {
    connection.event('job', stepsEvent(0, 3))
    return { workload: workloadLike({ status: 'finished', acceptedSteps: 3 }) }
  }
  await godwit('follow job --from-step 0', script, io)
  expect(io.lives.at(-1)).toMatch(/^█▃▁ {2}step 2 /)
  expect(io.stdout).toHaveLength(1)
})

test('Ctrl-C ends the following, not the workload', async () => {
  const io = new CapturedIo()
  const script: Script = () => {
    setImmediate(() => io.interrupt())
    return { workload: workloadLike() }
  }
  expect((await godwit('follow job', script, io)).exitCode).toBe(130)
  expect(io.stderr).toEqual(['job goes on; to end it: godwit stop job'])
})

test('follow says when a worker is lost, and when what came after it is something else', async () => {
  const lost = workloadLike({
    ...{ status: 'restarting', acceptedSteps: 2 },
    error: { kind: 'worker-crashed', message: 'worker w1 was killed by SIGKILL' },
  })
  const diverged = { step: 1, acceptedLoss: 0.5, recomputedLoss: 0.25 }
  const { stderr } = await godwit('follow job', (_, connection) => {
    for (const workload of [lost, lost, workloadLike({ diverged })])
      connection.event('job', { kind: 'workload', workload })
    connection.event('job', { kind: 'workload', workload: workloadLike({ status: 'stopped', diverged }) })
    connection.event('job', stepsEvent(0, 1))
    return { workload: workloadLike() }
  })
  expect(stderr).toEqual([
    expect.stringMatching(/^job restarting on a .*worker-crashed: worker w1 was killed/),
    expect.stringMatching(/^job: diverged: step 1/),
  ])
})

test('checkpoint', async () => {
  const checkpoint = checkpointLike()
  const script = () => ({ checkpoint })
  const { exitCode, stdout } = await godwit('checkpoint job', script)
  expect(exitCode).toBe(0)
  expect(cli.requests[0]).toEqual({ op: 'checkpoint', workload: 'job' })
  expect(stdout).toEqual([
    'job: step 512 on a, wrote what changed, 0.4 MiB in 3 rounds and 45.0 ms, training stood for 4.20 ms, 10.0 MiB on disk',
  ])
  expect((await godwit('checkpoint job --json')).json()).toEqual({ checkpoint })
})
