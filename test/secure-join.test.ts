/**
 * Goal: a host that joins needs no person, wherever it or its coordinator ends meanwhile: the same line again, and it is a member, once.
 * Method: real processes that are killed before and after each write and each message of a join, one after the other: so each time something
 * else of the attempts before is left.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from './support/cluster.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start([], { secured: true })
})
afterAll(() => cluster?.end())

function eachOf(role: string, ...what: string[]): NodeJS.ProcessEnv[] {
  const points = what.flatMap((each) => [`${role}/before-${each}`, `${role}/after-${each}`])
  return points.map((point) => ({ GODWIT_CRASH_POINTS: point }))
}

/** By the line that is typed; it does not get to the end of it. */
async function fails(name: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const line = ['agent', '--name', name, '--data-dir', cluster.dataDir(name)]
  const agent = cluster.startAs({ GODWIT_JOIN_TOKEN: cluster.secrets.join, ...env }, ...line)
  expect(await agent.exited, agent.err).not.toBe(0)
  expect(agent.lines).toEqual([])
}

test('a host that ends at each point of a join', async () => {
  for (const env of eachOf('agent', 'write:joining', 'send:join', 'write:credentials')) await fails('a', env)
  await cluster.addHost({ name: 'a' })
})

test('a coordinator that ends at each point of a join', async () => {
  await cluster.killCoordinator()
  for (const env of eachOf('coordinator', 'write:member', 'send:joined')) {
    const at = ['--port', new URL(cluster.url).port, '--data-dir', cluster.store]
    const coordinator = cluster.startAs(env, 'coordinator', ...at)
    await coordinator.until(() => coordinator.lines.length > 0, 'it listened')
    await fails('b')
    expect(await coordinator.exited, env.GODWIT_CRASH_POINTS).not.toBe(0)
  }
  await cluster.startCoordinator(true)
  await cluster.addHost({ name: 'b' })
})

test('nobody else is let in under their names', async () => {
  for (const name of ['a', 'b']) {
    const dataDir = join(cluster.folder, `other-${name}`)
    const { err } = await cluster.refusedAgent({ name, dataDir })
    expect(err).toMatch(new RegExp(`${name} is a member.*godwit host remove ${name}`))
  }
})
