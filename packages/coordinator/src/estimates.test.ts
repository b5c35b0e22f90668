/** Goal: the questions come in order, an error of any of them is the answer, and only the host that was asked is heard. Method: agents that are lists. */
import { type Estimate, migrationOptions, type ToAgent } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { systemClock } from './clock.ts'
import { Estimates } from './estimates.ts'
import { Inventory } from './inventory.ts'

const options = migrationOptions.parse({})
const link = { bytesPerMs: 1000, roundTripMs: 0.2 }
const estimate: Estimate = {
  converges: true,
  downtimeMs: 10,
  totalMs: 1000,
  rounds: 3,
  parkPoint: 'boundary',
  reason: 'few pages left',
  job: { arenaPages: 1, zeroPages: 0, stepPages: 1, watchedPages: 1, watchedSteps: 2, stepMs: 1, setupMs: 1 },
  link,
}

function asking() {
  const inventory = new Inventory()
  const asked: Record<string, ToAgent[]> = { a: [], b: [] }
  for (const name of ['a', 'b'])
    inventory.connect(
      {
        type: 'register',
        versions: { min: 1, max: 1 },
        name,
        address: `10.0.0.${name}`,
        faultDomain: 'r',
        memoryBytes: 1,
        cores: 1,
        workers: [],
        checkpoints: [],
      },
      { send: (message) => asked[name]?.push(message) },
    )
  const estimates = new Estimates(inventory, systemClock)
  const answer = estimates.estimate({
    workload: 'job',
    from: 'a',
    sourceAddress: '10.0.0.a',
    sourceWorker: 'w1',
    to: 'b',
    options,
  })
  const [first] = asked.a as Extract<ToAgent, { type: 'openProbe' }>[]
  if (first === undefined) throw new Error('nothing was asked')
  const { probeId, secret } = first
  return { asked, estimates, answer, probeId, secret, inventory }
}

/** Lets what was answered have its effect. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('listen, dial, watch; and the estimate is put together', async () => {
  const { asked, estimates, answer, probeId, secret } = asking()
  expect(asked.b).toEqual([])
  estimates.answered('b', { type: 'probeOpened', probeId, port: 66 })
  await settled()
  expect(asked.b, 'said by a host that was not asked').toEqual([])
  estimates.answered('a', { type: 'probeOpened', probeId, port: 7100 })
  await settled()
  expect(asked.b?.[0]).toEqual({
    type: 'dialProbe',
    from: 'a',
    host: '10.0.0.a',
    port: 7100,
    probeId,
    secret,
    version: 1,
  })
  expect(asked.a?.[0]).toMatchObject({ version: 1 })
  estimates.answered('b', { type: 'linkProbed', probeId, link })
  await settled()
  expect(asked.a?.[1]).toEqual({
    type: 'toWorker',
    workerId: 'w1',
    message: { type: 'estimate', probeId: expect.any(String), to: 'b', options, link },
  })
  const watch = asked.a?.[1] as { message: { probeId: string } }
  estimates.answered('a', { type: 'estimated', probeId: watch.message.probeId, estimate })
  expect(await answer).toEqual({ ...estimate, workload: 'job', from: 'a', to: 'b', downtimeLimitMs: 300 })
  estimates.answered('a', { type: 'estimated', probeId, estimate })
})

test('what goes wrong at one of them is the answer', async () => {
  const { estimates, answer, probeId } = asking()
  estimates.answered('a', {
    type: 'probeOpened',
    probeId,
    error: { kind: 'port-in-use', message: 'all taken' },
  })
  await expect(answer).rejects.toMatchObject({ kind: 'port-in-use', message: 'all taken' })
})

test('an answer that says nothing, or a host that has gone, is an error as well', async () => {
  const empty = asking()
  empty.estimates.answered('a', { type: 'probeOpened', probeId: empty.probeId })
  await expect(empty.answer).rejects.toMatchObject({ kind: 'bad-message' })
  const { estimates, answer, probeId, inventory } = asking()
  const agent = inventory.connectedHost('b').agent
  if (agent !== undefined) inventory.disconnect('b', agent, 0)
  estimates.answered('a', { type: 'probeOpened', probeId, port: 7100 })
  await expect(answer).rejects.toMatchObject({ kind: 'host-disconnected' })
})
