/**
 * Goal: who follows a job from its start to its end over five moves misses no line and reads none twice, over one connection; and each
 * thing that happens meanwhile is told once.
 * Method: a real cluster; `godwit follow` in a process of its own and the typed client in this one, which does not reconnect.
 */
import { CoordinatorClient } from '@godwit/client'
import type { Happening, Output, WorkloadView } from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from './support/cluster.ts'

const MOVES = 5
const ENDED = ['finished', 'stopped', 'failed']

let cluster: Cluster
let client: CoordinatorClient
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }])
  client = await CoordinatorClient.connect(cluster.url)
})
afterAll(async () => {
  client?.close()
  await cluster?.end()
})

test('no step is lost or doubled over five moves, and each thing that happened is told once', async () => {
  const outputs: Output[] = []
  const happened: Happening[] = []
  let wake = (): void => {}
  let last: WorkloadView | undefined
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) {
      const next = new Promise<void>((resolve) => {
        wake = resolve
      })
      await Promise.race([next, client.closed.then((error) => Promise.reject(error))])
    }
  }
  client.listen((_, event) => {
    if (event.kind === 'steps') outputs.push(...event.outputs)
    if (event.kind === 'workload') last = event.workload
    wake()
  })
  await client.watch({ kinds: ['event'] }, ({ changes }) => {
    for (const change of changes) if (change.kind === 'event') happened.push(change.event)
    wake()
  })

  const job = await cluster.run('mixer', 'a', 'job', '--steps', '1000000', '--param', 'stepMs=4')
  await client.request({ op: 'follow', workload: 'job', fromStep: 0 })
  const moves: string[] = []
  for (let move = 0; move < MOVES; move++) {
    const reached = outputs.length + 30
    await until(() => outputs.length >= reached)
    const to = move % 2 === 0 ? 'b' : 'a'
    const { migration } = await client.request({ op: 'migrate', workload: 'job', to, options: {} })
    moves.push(migration.id)
    await until(() => happened.some(({ id, status }) => id === migration.id && status === 'completed'))
  }
  await client.request({ op: 'stop', workload: 'job' })
  await until(() => last !== undefined && ENDED.includes(last.status) && outputs.length >= last.acceptedSteps)
  await job.exited

  const steps = Array.from({ length: last?.acceptedSteps ?? 0 }, (_, step) => step)
  expect(outputs.map(({ step }) => step)).toEqual(steps)
  expect(job.outputs.map(({ step }) => step)).toEqual(steps)
  expect(job.outputs).toEqual(outputs)
  expect(new Set(outputs.map(({ epoch }) => epoch))).toEqual(new Set([1, 2, 3, 4, 5, 6]))
  expect(client.isOpen).toBe(true)
  expect(job.err).not.toContain('coordinator is gone')

  await until(() => happened.some(({ id, status }) => id === 'job' && ENDED.includes(status)))
  expect(new Set(happened.map(({ cursor }) => cursor)).size).toBe(happened.length)
  const ofMoves = moves.map((id) => happened.filter((event) => event.id === id).map(({ status }) => status))
  for (const statuses of ofMoves) {
    expect(new Set(statuses).size, String(statuses)).toBe(statuses.length)
    expect([statuses[0], statuses.at(-1)]).toEqual(['setup', 'completed'])
  }
  // What is listed afterwards is what was told.
  const { events } = await client.request({ op: 'events', limit: 500 })
  expect(events).toEqual(happened)
})
