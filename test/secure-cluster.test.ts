/**
 * Goal: a secured cluster works as an open one does, to the bit, and nobody is in it who doesn't belong. Method: real processes,
 * set up by the lines that `godwit coordinator init` prints; tokens of each role; a third host of the cluster at the port of a
 * migration that is not its own.
 */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dial } from '@godwit/channel'
import { LIMITS, migrationReport, parseToken } from '@godwit/protocol'
import { lossBits } from '@godwit/testkit'
import { hostSecurity, membershipIn } from '@godwit/trust'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster, type Finished } from './support/cluster.ts'
import { portsOf, processesOf } from './support/processes.ts'

/** More than a test needs, so that a job never ends by itself. */
const FOREVER = ['--steps', '1000000', '--param', 'stepMs=5']

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }], { secured: true })
})
afterAll(() => cluster?.end())

function credentials(host: string): string {
  return join(cluster.dataDir(host), 'credentials')
}

/** One that is good for an hour, by the admin. */
async function tokenFor(role: string, ...more: string[]): Promise<{ token: string; id: string }> {
  const { code, said, err } = await cluster.godwit('token', 'create', '--role', role, ...more)
  const { token, view } = said
  if (code !== 0 || token === undefined || view === undefined) throw new Error(`no token: ${err}`)
  return { token, id: view.id }
}

/** What it said of itself, where it did not do what was asked. */
function expectDone({ code, said, err }: Finished): void {
  const { migration, error } = said
  const why = JSON.stringify(error ?? { ...migration?.error, status: migration?.status })
  expect(code, `${why}\n${err}`).toBe(0)
}

/** Refused with the same kind and sentence as JSON and in words. */
function expectRefused({ code, said, err }: Finished, kind: string, sentence: RegExp): void {
  expect({ code, kind: said.error?.kind }, err).toEqual({ code: 1, kind })
  expect(said.error?.message).toMatch(sentence)
  expect(err).toMatch(sentence)
}

test('a job moves there and back over TLS, and no bit is another than without a move', async () => {
  // Slow enough to be moved twice, then as fast as it can.
  const hurry = join(cluster.folder, 'hurry')
  const steps = ['--steps', '3000', '--param', 'pages=512', '--param', 'dirtyPages=100']
  const pace = ['--param', 'stepMs=40', '--param', `hurryFile=${hurry}`]
  const still = await cluster.run('mixer', 'b', 'still', ...steps, '--param', 'stepMs=0')
  expect(await still.exited).toBe(0)
  const moved = await cluster.run('mixer', 'a', 'moved', ...steps, ...pace)
  for (const [index, to] of ['b', 'a'].entries()) {
    await moved.reached(moved.outputs.length + 3)
    const move = await cluster.godwit('migrate', 'moved', '--to', to, '--streams', '2')
    expectDone(move)
    expect(migrationReport.parse(move.said.migration?.report)).toMatchObject({ epoch: index + 2, streams: 2 })
  }
  writeFileSync(hurry, '')
  expect(await moved.exited).toBe(0)
  expect(lossBits(moved.outputs)).toEqual(lossBits(still.outputs))
  expect(moved.ended?.stateDigest).toBe(still.ended?.stateDigest)
})

test('what a move would cost is measured over TLS, too', async () => {
  await cluster.run('mixer', 'a', 'measured', ...FOREVER)
  const estimate = await cluster.godwit('estimate', 'measured', '--to', 'b')
  expectDone(estimate)
  expect(estimate.said.estimate?.link.bytesPerMs).toBeGreaterThan(0)
  await cluster.godwit('stop', 'measured')
})

test('a viewer looks, an operator moves, neither makes tokens; who did what is written down', async () => {
  await cluster.run('mixer', 'a', 'seen', ...FOREVER)
  const viewer = await tokenFor('viewer', '--name', 'board')
  const operator = await tokenFor('operator')
  expect((await cluster.godwitAs(viewer.token, 'ps')).code).toBe(0)
  expectRefused(await cluster.godwitAs(viewer.token, 'migrate', 'seen', '--to', 'b'), 'forbidden', /operator/)
  expectDone(await cluster.godwitAs(operator.token, 'migrate', 'seen', '--to', 'b'))
  for (const { token } of [viewer, operator])
    expectRefused(await cluster.godwitAs(token, 'token', 'create'), 'forbidden', /admin/)
  expect((await cluster.godwitAs(operator.token, 'stop', 'seen')).code).toBe(0)
  const { said } = await cluster.godwit('audit', 'seen')
  const lines = said.entries?.map(({ who, action, outcome }) => [who, action, outcome])
  expect(lines).toContainEqual([viewer.id, 'migrate', 'forbidden'])
  expect(lines).toContainEqual([operator.id, 'migrate', 'ok'])
  expect(lines).toContainEqual([operator.id, 'stop', 'ok'])
  const listed = (await cluster.godwit('token', 'list')).said.tokens
  expect(listed?.find(({ id }) => id === viewer.id)).toMatchObject({ role: 'viewer', name: 'board' })
})

test('revoked and expired tokens, and none, are refused, each with what to do', async () => {
  const revoked = await tokenFor('viewer')
  expect((await cluster.godwit('token', 'revoke', revoked.id)).code).toBe(0)
  expectRefused(await cluster.godwitAs(revoked.token, 'ps'), 'token-revoked', /revoked/)
  const expired = await tokenFor('viewer', '--expires', '1s')
  // Nothing tells that its time is over but the refusal.
  let answer = await cluster.godwitAs(expired.token, 'ps')
  while (answer.code === 0) answer = await cluster.godwitAs(expired.token, 'ps')
  expectRefused(answer, 'token-expired', /expired at .* clock/)
  expectRefused(await cluster.godwitAs('', 'ps'), 'unauthorized', /GODWIT_TOKEN/)
  expectRefused(
    await cluster.godwitAs('', 'ps', '--coordinator', cluster.url.replace('wss', 'ws')),
    'unreachable',
    /wss:/,
  )
})

test('agent and coordinator start again without a token, and a job and who follows it go on', async () => {
  const job = await cluster.run('mixer', 'a', 'lasting', ...FOREVER)
  expect(await cluster.leaveAgent('a')).toBe(0)
  const agent = cluster.startAgent({ name: 'a' }, '')
  await agent.until(() => agent.lines.length > 0, 'it was registered')
  await job.goesOn()
  await cluster.killCoordinator()
  await cluster.startCoordinator(true)
  await job.goesOn()
  await cluster.hostIs('b', 'connected')
  expectDone(await cluster.godwit('migrate', 'lasting', '--to', 'b'))
  await cluster.godwit('stop', 'lasting')
  expect(await job.exited).toBe(0)
})

test("a migration's port is for its target alone: not for a third host, whoever has no certificate, or goes in the clear", async () => {
  await cluster.addHost({ name: 'c' })
  const job = await cluster.run('mixer', 'a', 'guarded', ...FOREVER, '--param', 'pages=2048')
  const slow = ['--max-bandwidth', String(LIMITS.minBandwidth)]
  const move = cluster.start('migrate', 'guarded', '--to', 'b', ...slow)
  await job.migrationIs('active')
  const ports = portsOf(cluster.worker('a', 'guarded').pid)
  expect(ports).toHaveLength(1)
  const third = hostSecurity(membershipIn(credentials('c')), 'a')
  const { credentials: _, ...anonymous } = third
  for (const path of ['control', 'bulk']) {
    const at = `127.0.0.1:${ports[0]}/${path}`
    await expect(dial(`wss://${at}`, { security: third })).rejects.toMatchObject({
      kind: 'wrong-peer',
      message: expect.stringMatching(/only host b .*\/host\/c/),
    })
    await expect(dial(`wss://${at}`, { security: anonymous })).rejects.toMatchObject({
      kind: 'untrusted-peer',
    })
    await expect(dial(`ws://${at}`)).rejects.toMatchObject({ kind: 'unreachable' })
  }
  expect((await cluster.godwit('cancel', 'guarded')).code).toBe(0)
  expect(await move.exited).toBe(1)
  await job.goesOn()
  await cluster.godwit('stop', 'guarded')
})

test('a host whose credentials are gone moves no job, and the job stays where it is', async () => {
  const job = await cluster.run('mixer', 'a', 'stuck', ...FOREVER)
  for (const host of ['b', 'a']) {
    renameSync(credentials(host), `${credentials(host)}-away`)
    const { code, said, err } = await cluster.godwit('migrate', 'stuck', '--to', 'b')
    expect(code, err).toBe(1)
    expect(said.migration, host).toMatchObject({ status: 'failed', error: { kind: 'unauthorized' } })
    renameSync(`${credentials(host)}-away`, credentials(host))
    await job.goesOn()
  }
  expectDone(await cluster.godwit('migrate', 'stuck', '--to', 'b'))
  await cluster.godwit('stop', 'stuck')
})

test('a host that was removed is out at once and stays out, until it joins again', async () => {
  const { said } = await cluster.godwit('hosts')
  expect(said.hosts?.map(({ name }) => name)).toContain('c')
  expect((await cluster.godwit('host', 'remove', 'c')).code).toBe(0)
  await cluster.agentSaid('c', /was removed/)
  expect(await cluster.stopAgent('c')).toBe(0)
  const again = await cluster.refusedAgent({ name: 'c' })
  expect(again.code).toBe(1)
  expect(again.err).toMatch(new RegExp(`was removed.*${credentials('c')}.*join token`))
  const anew = join(cluster.folder, 'c-anew')
  await cluster.addHost({ name: 'c', dataDir: anew })
  expect(existsSync(join(anew, 'credentials', 'credentials.json'))).toBe(true)
})

test('a host without a token, with a spent one, or under a name that is taken is told what to do', async () => {
  const at = (name: string, dataDir: string) => ({ name, dataDir: join(cluster.folder, dataDir) })
  const none = await cluster.refusedAgent(at('d', 'd'), '')
  expect(none.err).toMatch(/no member.*GODWIT_JOIN_TOKEN.*godwit token create/)
  const taken = await cluster.refusedAgent(at('a', 'other-a'))
  expect(taken.err).toMatch(/a is a member of this cluster already.*godwit host remove a/)
  const { id } = parseToken(cluster.secrets.join ?? '', 'join')
  await cluster.godwit('token', 'revoke', id)
  const spent = await cluster.refusedAgent(at('d', 'd'))
  expect(spent.err).toMatch(/revoked/)
  expect([none.code, taken.code, spent.code]).toEqual([1, 1, 1])
  const { said } = await cluster.godwit('token', 'create')
  const joined = cluster.startAgent(at('d', 'd'), said.token)
  await joined.until(() => joined.lines.length > 0, 'it was registered')
})

/** Last: it looks at all that was said before. */
test('no secret stands on a command line, in a log, in what a program can see, or where others may read it', async () => {
  // The agent of b still has in its environment what it joined with.
  await cluster.run('mixer', 'b', 'curious', ...FOREVER)
  const { join: joinToken = '', admin = '' } = cluster.secrets
  const secrets = [parseToken(joinToken, 'join').secret, parseToken(admin, 'api').secret, 'PRIVATE KEY']
  const processes = processesOf(cluster.temporary)
  expect(processes.length).toBeGreaterThan(4)
  const { pid, folder } = cluster.worker('b', 'curious')
  // What init printed is where the first token comes from.
  const said = cluster.said().replaceAll(joinToken, (token) => token.slice(0, 10))
  const texts = {
    commandLines: processes.flatMap(({ args }) => args).join(' '),
    environment: readFileSync(`/proc/${pid}/environ`, 'utf8'),
    launch: readFileSync(join(folder, 'launch.json'), 'utf8'),
    output: readFileSync(join(folder, 'output.log'), 'utf8'),
    audit: readFileSync(join(cluster.store, 'audit.log'), 'utf8'),
    said,
  }
  for (const [where, text] of Object.entries(texts))
    for (const secret of secrets) expect(text.includes(secret), where).toBe(false)
  expect(readdirSync(credentials('a'))).toEqual(['credentials.json'])
  await cluster.godwit('stop', 'curious')
})
