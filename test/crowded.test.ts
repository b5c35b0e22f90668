/**
 * Goal: of twelve jobs on four hosts none notices that a host is emptied and filled again: every loss and the memory at the end are those of a job that never
 * moved. (What it costs them in time: test/bench/crowded.ts.) Method: real processes; seeds are shared, so that few controls are enough.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CoordinatorClient } from '@godwit/client'
import type { Output, WorkloadView } from '@godwit/protocol'
import { lossBits } from '@godwit/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from './support/cluster.ts'

const HOSTS = ['a', 'b', 'c', 'd']
const JOBS = 12
const SEEDS = 3
/** Minutes of slow steps, more than all this takes. */
const STEPS = 2000

let cluster: Cluster
let client: CoordinatorClient
const outputs = new Map<string, Output[]>()
const latest = new Map<string, WorkloadView>()
let wake: () => void = () => {}

beforeAll(async () => {
  cluster = await Cluster.start(HOSTS.map((name) => ({ name })))
  client = await CoordinatorClient.connect(cluster.url)
  client.listen((id, event) => {
    if (event.kind === 'steps') outputs.set(id, [...(outputs.get(id) ?? []), ...event.outputs])
    if (event.kind === 'workload') latest.set(id, event.workload)
    wake()
  })
})
afterAll(async () => {
  client?.close()
  await cluster?.end()
})

async function start(id: string, host: string, seed: number): Promise<void> {
  const hurryFile = join(cluster.folder, 'hurry')
  const parameters = { seed, pages: 200, dirtyPages: 20, stepMs: 150, hurryFile }
  await client.request({
    ...{ op: 'run', program: 'mixer', id, host, parameters, steps: STEPS, tracker: 'auto' },
  })
  await client.request({ op: 'follow', workload: id, fromStep: 0 })
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    const next = new Promise<void>((resolve) => {
      wake = resolve
    })
    await Promise.race([next, client.closed.then((error) => Promise.reject(error))])
  }
}

function isOver(id: string): boolean {
  const view = latest.get(id)
  return view?.status === 'finished' && (outputs.get(id)?.length ?? 0) >= view.acceptedSteps
}

test('twelve jobs on four hosts: one host is emptied and filled again, and no bit changes', async () => {
  const ids = Array.from({ length: JOBS }, (_, job) => `j${job}`)
  for (const [job, id] of ids.entries()) await start(id, HOSTS[job % HOSTS.length] as string, job % SEEDS)
  const entered = await cluster.godwit('maintenance', 'enter', 'a')
  expect(entered.said.maintenance, entered.err).toMatchObject({ phase: 'evacuated', moved: 3, stuck: 0 })
  const returned = await cluster.godwit('maintenance', 'exit', 'a', '--return')
  expect(returned.said.maintenance, returned.err).toMatchObject({ phase: 'over', moved: 3, stuck: 0 })
  writeFileSync(join(cluster.folder, 'hurry'), '')
  await until(() => ids.every(isOver))
  const controls = Array.from({ length: SEEDS }, (_, seed) => `control-${seed}`)
  for (const [seed, id] of controls.entries()) await start(id, 'b', seed)
  await until(() => controls.every(isOver))
  for (const [job, id] of ids.entries()) {
    const control = `control-${job % SEEDS}`
    const [own, its] = [outputs.get(id) ?? [], outputs.get(control) ?? []]
    expect(own).toHaveLength(STEPS)
    expect(lossBits(own) === lossBits(its), `loss bits of ${id}`).toBe(true)
    expect(latest.get(id)?.stateDigest).toBe(latest.get(control)?.stateDigest)
    expect(latest.get(id)?.ranges).toHaveLength(HOSTS[job % HOSTS.length] === 'a' ? 3 : 1)
  }
})
