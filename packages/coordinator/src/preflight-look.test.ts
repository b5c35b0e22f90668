/**
 * Goal: a look at a move asks those who know, leaves nothing behind, and says what the move would be refused with, in the same words. Method:
 * a real coordinator with agents and workers that do what the test says; what is made of the facts is tested in preflight.test.ts.
 */
import type { PreflightCheck, PreflightView } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { FakeAgent, type FakeWorker } from './support/fakes.ts'
import { client, port, RUN, training, useCoordinator } from './support/scene.suite.ts'

useCoordinator()

const link = { bytesPerMs: 1000, roundTripMs: 0.2 }
const job = {
  arenaPages: 1,
  zeroPages: 0,
  stepPages: 1,
  watchedPages: 1,
  watchedSteps: 2,
  stepMs: 1,
  setupMs: 1,
}

const ask = (to?: string): Promise<PreflightView> =>
  client
    .ask({ op: 'preflight', workload: 'job', options: {}, ...(to === undefined ? {} : { to }) })
    .then((reply) => reply.preflight)

const blockers = ({ checks }: PreflightView): PreflightCheck[] =>
  checks.filter(({ verdict }) => verdict === 'blocker')

/** What a move is refused with. */
const refusal = (to: string, workload = 'job'): Promise<string> =>
  client.ask({ op: 'migrate', workload, to, options: {} }).then(
    () => 'not refused',
    (error: Error) => error.message,
  )

async function sayHosts(...agents: readonly FakeAgent[]): Promise<void> {
  for (const agent of agents) {
    const { probeId } = await agent.order('checkHost')
    agent.send({
      type: 'hostChecked',
      probeId,
      host: { node: 'v20.20.0', arch: 'x64', freeMemoryBytes: 2 ** 30 },
    })
  }
}

/** Measures the link and watches the job. */
async function sayEstimate(a: FakeAgent, b: FakeAgent, source: FakeWorker): Promise<void> {
  const { probeId } = await a.order('openProbe')
  a.send({ type: 'probeOpened', probeId, port: 7100 })
  await b.order('dialProbe')
  b.send({ type: 'linkProbed', probeId, link })
  const watch = await source.told('estimate')
  const times = { converges: true, downtimeMs: 10, totalMs: 1000, rounds: 3, parkPoint: 'boundary' } as const
  source.say({
    type: 'estimated',
    probeId: watch.probeId,
    estimate: { ...times, reason: 'few pages', job, link },
  })
}

test('the job is tried at the host that would be chosen, watched where it is, and goes on; nothing is left', async () => {
  const { a, b, source } = await training()
  const looking = ask()
  await sayHosts(a, b)
  const tried = await b.launched()
  expect(tried.launch).toMatchObject({
    mode: 'incoming',
    workloadId: 'job',
    program: RUN.program,
    steps: RUN.steps,
  })
  tried.prepared()
  await tried.killed()
  await sayEstimate(a, b, source)
  const found = await looking
  expect(found).toMatchObject({ workload: 'job', from: 'a', to: 'b', estimate: { downtimeMs: 10 } })
  expect(found.checks.filter(({ verdict }) => verdict !== 'pass')).toEqual([])
  tried.exited()
  expect((await client.ask({ op: 'history', workload: 'job' })).moves).toEqual([])
  source.steps(1, 3, 5)
  await client.steps(2)
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload).toMatchObject({
    ...{ host: 'a', status: 'running', epoch: 1, acceptedSteps: 5 },
  })
})

test('what fails there, its host included, is a check; the job hears nothing of it', async () => {
  const { a, b, source } = await training()
  const missing = ask('b')
  await sayHosts(a, b)
  const tried = await b.launched()
  b.send({
    type: 'workerExited',
    workerId: tried.id,
    error: { kind: 'program-missing', message: 'this host has no program mlp' },
  })
  await sayEstimate(a, b, source)
  expect(blockers(await missing)).toMatchObject([
    { check: 'program', message: 'this host has no program mlp' },
  ])

  const lost = ask('b')
  await sayHosts(a, b)
  await b.launched()
  await b.close()
  const { probeId } = await a.order('openProbe')
  a.send({ type: 'probeOpened', probeId, port: 7100 })
  const { checks } = await lost
  expect(checks.find(({ check }) => check === 'program')).toMatchObject({
    verdict: 'warning',
    message: 'not known: the agent of b is not connected',
  })
  expect((await client.ask({ op: 'workload', workload: 'job' })).workload.status).toBe('running')
})

test('a second job is not tried on a host at the same time', async () => {
  const { a, b, source } = await training()
  const first = ask('b')
  await sayHosts(a, b)
  const tried = await b.launched()
  const second = ask('b')
  await sayHosts(a, b)
  await sayEstimate(a, b, source)
  expect((await second).checks.find(({ check }) => check === 'program')).toMatchObject({
    verdict: 'warning',
    message: 'not known: another job is being tried on b: ask again in a moment',
  })
  tried.prepared()
  await sayEstimate(a, b, source)
  expect(blockers(await first)).toEqual([])
})

test('a move is refused with the sentence of its blocker', async () => {
  const { a, b } = await training()
  const there = ask('a')
  await sayHosts(a, a)
  expect(blockers(await there)).toMatchObject([{ check: 'host', message: await refusal('a') }])
  await client.ask({ op: 'enterMaintenance', host: 'b' })
  const closed = ask('b')
  await sayHosts(a, b)
  expect(blockers(await closed)).toMatchObject([{ check: 'maintenance', message: await refusal('b') }])
  expect(blockers(await closed)[0]?.message).toContain('takes no jobs')
  await b.close()
  await client.disconnected('b')
  const away = ask('b')
  await sayHosts(a)
  const found = blockers(await away)
  expect(found.map(({ check }) => check)).toEqual(['host', 'maintenance'])
  expect(found[0]?.message).toBe(await refusal('b'))
  // Nowhere to go: what `migrate` says without a host.
  const nowhere = await ask()
  const said = await client
    .ask({ op: 'migrate', workload: 'job', options: {} })
    .catch((error: Error) => error.message)
  expect(nowhere.to).toBeUndefined()
  expect(blockers(nowhere)).toMatchObject([{ check: 'host', message: said }])
  await expect(ask('elsewhere')).rejects.toMatchObject({ kind: 'unknown-host' })
})

test('a rule is said in the words of the move, and the rest is looked at all the same', async () => {
  const { a, b } = await training()
  const start = async (id: string, agent: FakeAgent, rules = {}): Promise<FakeWorker> => {
    const running = client.ask({ ...RUN, id, host: agent.name, rules })
    const worker = await agent.launched()
    worker.prepared()
    await running
    return worker
  }
  await start('other', b)
  const choosy = await start('choosy', a, { apartFrom: ['other'] })
  const looking = client.ask({ op: 'preflight', workload: 'choosy', to: 'b', options: {} })
  await sayHosts(a, b)
  ;(await b.launched()).prepared({ programDigest: 'f'.repeat(64) })
  await sayEstimate(a, b, choosy)
  const found = blockers((await looking).preflight)
  expect(found.map(({ check }) => check)).toEqual(['rules', 'program'])
  expect(found[0]?.message).toBe(await refusal('b', 'choosy'))
  expect(found[0]?.message).toContain('the job must be apart from other, which is there')
})

test('a job that moves, or is over, is not tried; the move says the same', async () => {
  const { a, b, source } = await training()
  await client.ask({ op: 'migrate', workload: 'job', to: 'b', options: {} })
  const c = await FakeAgent.registered(port, 'c')
  const moving = ask('c')
  await sayHosts(a, c)
  expect(blockers(await moving)).toMatchObject([{ check: 'job', message: await refusal('c') }])
  expect((await moving).checks.find(({ check }) => check === 'downtime')?.verdict).toBe('warning')
  const cancelled = client.ask({ op: 'cancel', workload: 'job' })
  await cancelled
  const stopping = client.ask({ op: 'stop', workload: 'job' })
  await source.told('stop')
  source.exited()
  await stopping
  expect((await ask('b')).checks).toMatchObject([
    { check: 'job', verdict: 'blocker', message: await refusal('b') },
  ])
  expect(b.orders.all.filter(({ type }) => type === 'launch')).toHaveLength(1)
})
