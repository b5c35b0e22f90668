/**
 * Goal: a token is shown to the coordinator of its own cluster and to nobody else, and stands where nobody reads it; who is refused
 * reads why. Method: whole command lines in this process against a scripted coordinator, secured by a real authority.
 */
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Peer } from '@godwit/channel'
import { FakeCoordinator, type Script } from '@godwit/client/testing'
import { coordinatorUri, formatToken, GodwitError, hostUri, type TokenKind } from '@godwit/protocol'
import { workloadLike } from '@godwit/protocol/testing'
import {
  createAuthority,
  fingerprintOf,
  issueCertificate,
  makeRequest,
  type SigningAuthority,
} from '@godwit/trust'
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { runCli } from './cli.ts'
import { CapturedIo } from './support/captured-io.ts'

let authority: SigningAuthority
let foreign: SigningAuthority
beforeAll(async () => {
  authority = await createAuthority('c1', Date.now())
  foreign = await createAuthority('c2', Date.now())
})

let coordinator: FakeCoordinator
let shown: (string | undefined)[]
let refusal: GodwitError | undefined
beforeEach(async () => {
  shown = []
  refusal = undefined
  coordinator = await secured(coordinatorUri('c1'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await coordinator.stop()
})

async function secured(uri: string): Promise<FakeCoordinator> {
  const { request, key } = await makeRequest()
  const certificate = await issueCertificate({ authority, request, uri, nowMs: Date.now() })
  const made = new FakeCoordinator()
  made.security = {
    credentials: { certificate, key, authority: authority.certificate },
    admit: ({ token }: Peer) => {
      shown.push(token)
      return refusal
    },
  }
  await made.start()
  return made
}

function tokenOf(of: SigningAuthority, kind: TokenKind = 'api'): string {
  return formatToken({ kind, id: 'abcd', secret: 's'.repeat(43), authority: fingerprintOf(of.certificate) })
}

async function godwit(line: string, script: Script = () => ({ hosts: [] }), at = coordinator) {
  at.script = script
  const io = new CapturedIo()
  const exitCode = await runCli(['--coordinator', at.url, ...line.split(' ')], io)
  return { exitCode, stdout: io.stdout, stderr: io.stderr.join('\n') }
}

test('a token comes from the environment or a file, and arrives', async () => {
  const token = tokenOf(authority)
  vi.stubEnv('GODWIT_TOKEN', token)
  expect((await godwit('hosts')).exitCode).toBe(0)
  const folder = mkdtempSync(join(tmpdir(), 'godwit-token-'))
  const file = join(folder, 'token')
  const other = token.replace('abcd', 'efgh')
  writeFileSync(file, `${other}\n`)
  expect((await godwit(`hosts --token-file ${file}`)).exitCode).toBe(0)
  rmSync(folder, { recursive: true })
  expect([...new Set(shown)]).toEqual([token, other])
})

test.each([
  ['none', undefined, /GODWIT_TOKEN.*--token-file.*godwit token create --role operator/],
  ['an empty one', ' ', /GODWIT_TOKEN/],
  ['what is none', 'hunter2', /this is no token/],
  ['one to join', 'join', /this is a join token/],
  ["another cluster's", 'foreign', /belongs to another cluster than the token/],
])('without a token of this cluster nothing is shown: %s', async (_, given, sentence) => {
  const tokens: Record<string, string> = { join: tokenOf(authority, 'join'), foreign: tokenOf(foreign) }
  if (given !== undefined) vi.stubEnv('GODWIT_TOKEN', tokens[given] ?? given)
  else vi.stubEnv('GODWIT_TOKEN', undefined)
  const { exitCode, stderr } = await godwit('hosts')
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(sentence)
  expect(stderr).not.toContain('hunter2')
  expect(shown).toEqual([])
})

test('a host of the cluster is no coordinator, whatever it answers', async () => {
  vi.stubEnv('GODWIT_TOKEN', tokenOf(authority))
  const host = await secured(hostUri('c1', 'a'))
  const { exitCode, stderr } = await godwit('hosts', undefined, host)
  expect(exitCode).toBe(1)
  expect(stderr).toContain('godwit://c1/host/a')
  expect(shown).toEqual([])
  await host.stop()
})

test('what the coordinator refuses with is read as it is', async () => {
  vi.stubEnv('GODWIT_TOKEN', tokenOf(authority))
  refusal = new GodwitError('token-expired', 'the token was good until yesterday: ask for a new one')
  expect(await godwit('hosts')).toMatchObject({
    exitCode: 1,
    stderr: 'godwit: the token was good until yesterday: ask for a new one',
  })
  expect(JSON.parse((await godwit('hosts --json')).stdout.join())).toMatchObject({
    error: { kind: 'token-expired' },
  })
})

test('what watches shows its token again after a restart, and waits for nobody who refuses it', async () => {
  vi.stubEnv('GODWIT_TOKEN', tokenOf(authority))
  let times = 0
  const script: Script = (_, connection) => {
    times++
    if (times === 2) refusal = new GodwitError('token-revoked', 'this token was revoked')
    connection.drop()
    return { workload: workloadLike() }
  }
  const { exitCode, stderr } = await godwit('follow job', script)
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/the coordinator is gone.*\ngodwit: this token was revoked/)
  // Twice for the requests and the events of each, and once for the one that refuses.
  expect(shown).toEqual(Array(5).fill(tokenOf(authority)))
})

test('a token that is kept is shown to its own coordinator, until it is forgotten; nobody else reads the file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-config-'))
  vi.stubEnv('XDG_CONFIG_HOME', folder)
  vi.stubEnv('GODWIT_TOKEN', undefined)
  const token = tokenOf(authority)
  const given = join(folder, 'given')
  writeFileSync(given, `${token}\n`)
  const kept = await godwit(`login --token-file ${given}`)
  expect(kept).toMatchObject({
    exitCode: 0,
    stdout: [expect.stringMatching(/^token local, of role admin, is kept for wss:/)],
  })
  const file = join(folder, 'godwit', 'tokens.json')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(statSync(join(folder, 'godwit')).mode & 0o777).toBe(0o700)
  shown.length = 0
  expect((await godwit('hosts')).exitCode).toBe(0)
  expect(new Set(shown)).toEqual(new Set([token]))
  // One that the coordinator refuses replaces nothing.
  refusal = new GodwitError('token-revoked', 'this token was revoked')
  expect((await godwit(`login --token-file ${given}`)).exitCode).toBe(1)
  refusal = undefined
  const other = await secured(coordinatorUri('c1'))
  expect((await godwit('hosts', undefined, other)).stderr).toContain('godwit login')
  await other.stop()
  chmodSync(file, 0o644)
  expect((await godwit('hosts')).stderr).toMatch(/others may read .*tokens\.json: chmod 600/)
  chmodSync(file, 0o600)
  expect((await godwit('logout')).stdout).toEqual([expect.stringContaining('godwit token revoke abcd')])
  expect((await godwit('logout')).exitCode).toBe(1)
  expect((await godwit('hosts')).stderr).toContain('godwit login')
  writeFileSync(file, 'rubbish', { mode: 0o600 })
  expect((await godwit('hosts')).stderr).toMatch(/holds no tokens: delete it/)
  rmSync(folder, { recursive: true })
})

test('off loopback nothing goes in the clear unless that is typed', async () => {
  const io = new CapturedIo()
  expect(await runCli(['--coordinator', 'ws://c.invalid:7070', 'hosts'], io)).toBe(1)
  expect(io.stderr.join()).toMatch(/ws:\/\/c\.invalid:7070 is off this machine.*wss:.*--insecure/)
  const typed = new CapturedIo()
  expect(await runCli(['--coordinator', 'ws://c.invalid:7070', 'hosts', '--insecure'], typed)).toBe(1)
  expect(typed.stderr.join()).toContain('no coordinator answers at ws://c.invalid:7070')
})

const view = { id: 'abcd', kind: 'join', createdAtMs: 1_000_000_000_000, expiresAtMs: 1_000_003_600_000 }

test('a join token is printed as the line that a host runs, an API token alone', async () => {
  vi.stubEnv('GODWIT_TOKEN', tokenOf(authority))
  const join = tokenOf(authority, 'join')
  const made = await godwit('token create', () => ({ token: join, view }))
  expect(coordinator.requests).toEqual([{ op: 'createToken', kind: 'join' }])
  expect(made.stdout).toEqual([
    `GODWIT_JOIN_TOKEN=${join} godwit agent --coordinator ${coordinator.url} --name NAME --address ADDRESS`,
  ])
  expect(made.stderr).toMatch(/good until 2001-09-09 02:46:40Z.*godwit token revoke abcd/)
  const api = { ...view, kind: 'api', role: 'viewer', name: 'board' }
  const { stdout } = await godwit('token create --role viewer --name board --expires 30d', () => ({
    token: tokenOf(authority),
    view: api,
  }))
  expect(coordinator.requests[1]).toEqual({
    op: 'createToken',
    kind: 'api',
    role: 'viewer',
    name: 'board',
    expiresInMs: 30 * 86_400_000,
  })
  expect(stdout).toEqual([tokenOf(authority)])
})

test('tokens are listed without secrets, with what has become of each', async () => {
  vi.stubEnv('GODWIT_TOKEN', tokenOf(authority))
  const in2100Ms = Date.UTC(2100, 0, 1)
  const { stdout } = await godwit('token list', () => ({
    tokens: [
      view,
      { ...view, id: 'good', kind: 'api', role: 'operator', name: 'ci', expiresAtMs: in2100Ms },
      { ...view, id: 'ended', expiresAtMs: in2100Ms, revokedAtMs: 1_000_000_000_000 },
    ],
  }))
  expect(stdout).toEqual([
    'ID     FOR       NAME  STATE    CREATED               EXPIRES',
    'abcd   joining   -     expired  2001-09-09 01:46:40Z  2001-09-09 02:46:40Z',
    'good   operator  ci    good     2001-09-09 01:46:40Z  2100-01-01 00:00:00Z',
    'ended  joining   -     revoked  2001-09-09 01:46:40Z  2100-01-01 00:00:00Z',
  ])
})

test('tokens are revoked, hosts removed, and the log of it is read', async () => {
  vi.stubEnv('GODWIT_TOKEN', tokenOf(authority))
  const revoked = await godwit('token revoke abcd', () => ({ token: view }))
  expect(revoked.stdout).toEqual(['token abcd is revoked'])
  await godwit(`token revoke ${tokenOf(authority, 'join')}`, () => ({ token: view }))
  const removed = await godwit('host remove b', () => ({}))
  expect(removed.stdout[0]).toContain('b is no member any more')
  const entry = {
    atMs: 1_000_000_000_000,
    who: 'abcd',
    role: 'operator',
    address: '10.0.0.9',
    action: 'migrate',
    workload: 'job',
    host: 'b',
    subject: 'm1',
    outcome: 'ok',
  }
  const { stdout } = await godwit('audit job --limit 5', () => ({ entries: [entry] }))
  expect(coordinator.requests).toEqual([
    { op: 'revokeToken', token: 'abcd' },
    { op: 'revokeToken', token: 'abcd' },
    { op: 'removeHost', host: 'b' },
    { op: 'audit', workload: 'job', limit: 5 },
  ])
  expect(stdout).toEqual([
    'TIME                  WHO   ROLE      FROM      ACTION   WORKLOAD  HOST  SUBJECT  OUTCOME',
    '2001-09-09 01:46:40Z  abcd  operator  10.0.0.9  migrate  job       b     m1       ok',
  ])
})
