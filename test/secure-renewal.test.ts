/**
 * Goal: hosts renew their certificates at a real coordinator before they are over, and jobs move with the new ones. Method: a cluster whose
 * certificates are good for so short that each is due as soon as an agent registers with it.
 */
import { join } from 'node:path'
import { type Membership, membershipIn, serialOf } from '@godwit/trust'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from './support/cluster.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }], {
    secured: true,
    init: ['--certificate-lifetime', '150s'],
  })
})
afterAll(() => cluster?.end())

function shownBy(host: string): Membership['credentials'] {
  return membershipIn(join(cluster.dataDir(host), 'credentials')).credentials
}

async function isRenewed(host: string): Promise<void> {
  await cluster.agentSaid(host, /the certificate of this host was renewed/)
}

async function moves(job: string, to: string): Promise<void> {
  const { said, err } = await cluster.godwit('migrate', job, '--to', to)
  expect(said.migration, err).toMatchObject({ status: 'completed' })
}

test('hosts renew their certificates as often as it is time, and a job moves with each of them', async () => {
  for (const host of ['a', 'b']) await isRenewed(host)
  const job = await cluster.run('mixer', 'a', 'job', '--steps', '1000000', '--param', 'stepMs=5')
  await moves('job', 'b')
  await job.goesOn()
  const before = ['a', 'b'].map(shownBy)
  for (const host of ['a', 'b']) {
    expect(await cluster.leaveAgent(host)).toBe(0)
    await cluster.addHost({ name: host })
    await isRenewed(host)
  }
  const after = ['a', 'b'].map(shownBy)
  for (const [index, { certificate, key }] of after.entries()) {
    expect(serialOf(certificate)).not.toBe(serialOf(before[index]?.certificate ?? ''))
    expect(key).not.toBe(before[index]?.key)
  }
  await moves('job', 'a')
  await job.goesOn()
  const entries = (await cluster.godwit('audit')).said.entries ?? []
  const renewals = entries.filter(({ action, outcome }) => action === 'renew' && outcome === 'ok')
  expect(renewals.map(({ host }) => host).sort()).toEqual(['a', 'a', 'b', 'b'])
})
