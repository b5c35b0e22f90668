/**
 * Goal: a worker that is broken, or taken over by its program, takes neither its agent down nor the jobs beside it, and the agent holds little for it.
 * Method: a real agent with a real worker that trains, and beside it workers that say over their unix sockets what no worker says. They know
 * who they are, so that the agent listens to them. (Nonsense and text: packages/agent/src/agent.test.ts.)
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FromAgent } from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Host, startHost } from '../packages/agent/src/support/host.ts'
import { heldBy } from './support/attacker.ts'
import { PROGRAMS } from './support/cluster.ts'

const MOST_GROWTH_BYTES = 300 * 2 ** 20

let host: Host
beforeAll(async () => {
  host = await startHost({
    workerMain: fileURLToPath(new URL('./support/hostile-worker.ts', import.meta.url)),
    programFolders: [PROGRAMS],
    memoryBytes: 2 ** 30,
  })
  host.launch('good', { program: 'mixer', steps: 1_000_000, parameters: { stepMs: 1 } })
  await host.coordinator.fromWorker('good', 'prepared')
})
afterAll(() => host.stop())

let accepted = -1
/** Of what the coordinator received so much was looked at. */
let looked = 0

/** The next steps of the job that trains, each once and in order; acknowledged, as its spool is bounded. */
async function trainsOn(): Promise<void> {
  const until = accepted + 20
  while (accepted < until) {
    const isNext = (message: Extract<FromAgent, { type: 'fromWorker' }>): boolean =>
      message.workerId === 'good' &&
      message.message.type === 'outputs' &&
      message.message.outputs.some(({ step }) => step === accepted + 1)
    const next = await host.coordinator.first('fromWorker', isNext, looked)
    looked = host.coordinator.received.indexOf(next, looked)
    const { message } = next
    if (message.type === 'outputs') accepted = message.outputs.at(-1)?.step ?? accepted
    host.coordinator.send({
      type: 'toWorker',
      workerId: 'good',
      message: { type: 'acknowledge', step: accepted },
    })
  }
}

/** How often the agent has connected to it. */
function connections(workerId: string): number {
  const file = join(host.dataDir, workerId, 'connections')
  return existsSync(file) ? readFileSync(file).length : 0
}

// One that only says too much is not hung up on: it is read at a pace. The others are, and dialled again.
test.each([
  ['garbage', 3],
  ['huge', 3],
  ['deep', 3],
  ['fragments', 3],
  ['pings', 1],
  ['flood', 1],
])('one that says %s', async (behaviour, times) => {
  await trainsOn()
  const before = heldBy(process.pid)
  host.launch(behaviour, { program: 'mixer', workloadId: behaviour, parameters: { behaviour } })
  while (connections(behaviour) < times) await trainsOn()
  for (let again = 0; again < 20; again++) await trainsOn()
  host.coordinator.send({ type: 'kill', workerId: behaviour })
  await host.coordinator.exited(behaviour)
  await trainsOn()
  expect(heldBy(process.pid).residentBytes - before.residentBytes).toBeLessThan(MOST_GROWTH_BYTES)
  const exited = host.coordinator.received.filter(({ type }) => type === 'workerExited')
  expect(exited.some((message) => 'workerId' in message && message.workerId === 'good')).toBe(false)
})
