/**
 * Goal: what a program prints is kept, each line once, over moves and restarts of an agent and of the coordinator, and nothing of a rehearsal.
 * Method: a real cluster and a program that says each thing that it does; `godwit logs --follow` from the beginning, read beside what is kept.
 */
import type { LogLine } from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from './support/cluster.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }], { isDurable: true })
})
afterAll(() => cluster?.end())

async function kept(...options: string[]): Promise<LogLine[]> {
  const { code, lines, err } = await cluster.godwit('logs', 'job', ...options)
  expect(code, err).toBe(0)
  return lines.map((line) => JSON.parse(line) as LogLine)
}

test('each line is kept once, wherever it was printed and whoever was away', async () => {
  const job = await cluster.run('talker', 'a', 'job', '--steps', '1000000', '--param', 'stepMs=20')
  const followed = cluster.start('logs', 'job', '--follow')
  await job.reached(20)
  expect((await cluster.godwit('migrate', 'job', '--to', 'b')).code).toBe(0)
  await job.goesOn()
  await cluster.killAgent('b')
  await cluster.addHost({ name: 'b' })
  await cluster.killCoordinator()
  await cluster.startCoordinator(true)
  await job.goesOn()
  expect((await cluster.godwit('stop', 'job')).code).toBe(0)
  expect(await followed.exited).toBe(0)
  await job.exited

  const all = await kept()
  expect(followed.lines.map((line) => JSON.parse(line) as LogLine)).toEqual(all)
  expect(all.map(({ line }) => line)).toEqual(all.map((_, index) => index))
  const steps = Array.from({ length: job.ended?.acceptedSteps ?? 0 }, (_, step) => step)
  const said = (what: string): number[] =>
    all.flatMap(({ text }) => (text.startsWith(what) ? [Number(text.slice(what.length))] : []))
  expect(said('apply ').sort((a, b) => a - b)).toEqual(steps)
  expect(new Set(all.map(({ host }) => host))).toEqual(new Set(['a', 'b']))
  expect(all.filter(({ text }) => text.startsWith('init'))).toMatchObject([{ host: 'a' }])
  expect(await kept('--tail', '3')).toEqual(all.slice(-3))
})
