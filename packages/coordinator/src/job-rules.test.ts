/**
 * Goal: rules are changed while a job runs, move nothing, hold for whatever comes, outlive the coordinator, and are refused where nothing could keep them.
 * Method: a real coordinator whose agents and workers the test plays; for what breaks them, facts alone.
 */
import { expect, test } from 'vitest'
import { checkJobRules, rulesOf } from './job-rules.ts'
import type { HostFacts, JobFacts } from './placement.ts'
import { FakeAgent } from './support/fakes.ts'
import { client, port, RUN, training, useCoordinator } from './support/scene.suite.ts'

useCoordinator()

const job = (id: string, host: string, rules: JobFacts['rules'] = {}): JobFacts => ({
  ...{ id, host, memoryBytes: 1, rules },
})
const host = (name: string, labels: Record<string, string> = {}): HostFacts => ({
  ...{ name, faultDomain: name, labels, memoryBytes: 100, cores: 1 },
  ...{ isConnected: true, isInMaintenance: false, maxJobs: undefined, utilisation: undefined },
})

test('rules of two jobs that contradict each other are refused, and which ones is said', () => {
  const jobs = new Map([
    ['far', job('far', 'a', { apartFrom: ['job'] })],
    ['near', job('near', 'a', { with: ['job'] })],
  ])
  const edge = { job: (id: string) => jobs.get(id) }
  expect(() => checkJobRules('job', { with: ['far'] }, edge)).toThrow(
    'job cannot be with far: far must be apart from job',
  )
  expect(() => checkJobRules('job', { apartFrom: ['near'] }, edge)).toThrow('near must be with job')
  expect(() => checkJobRules('job', { apartFrom: ['far'], with: ['far'] }, edge)).toThrow('leave out one')
  checkJobRules('job', { apartFrom: ['far'], with: ['near'] }, edge)
})

test('what the present host breaks is said, and whether any other could keep it', () => {
  const hosts = [host('a'), host('b', { disk: 'fast' })]
  const other = job('other', 'a')
  const said = (rules: JobFacts['rules']): readonly string[] => {
    const it = job('job', 'a', rules)
    return rulesOf(it, { hosts: () => hosts, jobs: () => [it, other] }).broken
  }
  expect(said({})).toEqual([])
  expect(said({ with: ['other'] })).toEqual([])
  expect(said({ requires: { disk: 'fast' } })).toEqual([
    'a may not take job: the job requires disk=fast, and it has no label disk',
  ])
  const [label, apart, nowhere] = said({ requires: { disk: 'slow' }, apartFrom: ['other'] })
  expect(label).toContain('requires disk=slow')
  expect(apart).toContain('apart from other')
  expect(nowhere).toMatch(/^no host may take job now: .*a: .*b: /)
})

test('changed while it runs they move nothing, and hold for the next move', async () => {
  const { a } = await training()
  const c = await FakeAgent.registered(port, 'c')
  const running = client.ask({ ...RUN, id: 'other', host: 'c' })
  const other = await c.launched()
  other.prepared()
  await running
  expect(await client.ask({ op: 'rules', workload: 'job' })).toEqual({ rules: {}, broken: [] })
  const rules = { apartFrom: ['other'] }
  expect(await client.ask({ op: 'setRules', workload: 'job', rules })).toEqual({ rules, broken: [] })
  const { workload } = await client.ask({ op: 'workload', workload: 'job' })
  expect([workload.host, workload.migration, workload.rules]).toEqual(['a', undefined, rules])
  const move = client.ask({ op: 'migrate', workload: 'job', to: 'c', options: {} })
  await expect(move).rejects.toMatchObject({
    kind: 'no-host-fits',
    message: expect.stringContaining('other'),
  })
  const broken = { with: ['other'] }
  expect((await client.ask({ op: 'setRules', workload: 'job', rules: broken })).broken).toEqual([
    'a may not take job: the job must be with other, which is on c',
  ])
  const nobody = client.ask({ op: 'setRules', workload: 'job', rules: { with: ['nobody'] } })
  await expect(nobody).rejects.toMatchObject({ kind: 'unknown-workload' })
  // What was asked for as it was started is the same request still.
  const again = await client.ask({ ...RUN, id: 'job', host: 'a' })
  expect(again.workload).toMatchObject({ host: 'a', rules: broken })
  expect(a.orders.all.filter(({ type }) => type === 'kill')).toEqual([])
})
