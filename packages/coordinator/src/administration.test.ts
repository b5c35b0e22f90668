/**
 * Goal: one command makes a cluster secured and says what to type next, once; and nothing that opens a door is left in a log or a
 * store. Method: the real process with its pipes, a whole session with every kind of secret, and a search for all of them.
 */
import { once } from 'node:events'
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatToken, parseToken } from '@godwit/protocol'
import { coordinatorSecurity, fetchAuthority, joinCluster, makeRequest } from '@godwit/trust'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { administer, parseAddress } from './administration.ts'
import { FakeAgent, FakeClient } from './support/fakes.ts'
import { useProcesses } from './support/process.suite.ts'

/** Loading takes seconds on a busy machine. */
const SLOW = { timeout: 120_000 }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-init-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})
const start = useProcesses()

/** In this process: what it prints, or throws. */
async function run(...args: string[]): Promise<string> {
  const lines: string[] = []
  expect(await administer(args, (line) => lines.push(line))).toBe(true)
  return lines.join('\n')
}

const fileModes = (): Record<string, string> =>
  Object.fromEntries(
    ['admin-token', 'audit.log', 'authority.json'].map((name) => [
      name,
      (statSync(join(folder, name)).mode & 0o777).toString(8),
    ]),
  )

test('init says what to type next, once, and keeps its secrets to its owner', async () => {
  const dataDir = ['--data-dir', folder]
  const made = await run('init', ...dataDir, '--address', 'train.example:7171', '--address', '10.0.0.1')
  expect(made).toMatch(/godwit agent --coordinator wss:\/\/train\.example:7171/)
  expect(made).toMatch(/gwj1\.[\w.-]+/)
  expect(made).toContain(`GODWIT_TOKEN=$(cat ${join(folder, 'admin-token')})`)
  const admin = readFileSync(join(folder, 'admin-token'), 'utf8').trim()
  expect(parseToken(admin, 'api').kind).toBe('api')
  expect(made).not.toContain(admin)
  expect(fileModes()).toEqual({ 'admin-token': '600', 'audit.log': '600', 'authority.json': '600' })

  const authority = readFileSync(join(folder, 'authority.json'))
  await expect(run('init', ...dataDir)).rejects.toThrow(/is there already.*admin-token/)
  expect(readFileSync(join(folder, 'authority.json'))).toEqual(authority)

  const renewed = await run('admin-token', ...dataDir)
  const next = readFileSync(join(folder, 'admin-token'), 'utf8').trim()
  expect(next).not.toBe(admin)
  expect(renewed).not.toContain(next)

  expect(await run('check-audit', ...dataDir)).toMatch(/^3 lines/)
  const log = join(folder, 'audit.log')
  writeFileSync(log, readFileSync(log, 'utf8').replace('"local"', '"nobody"'))
  await expect(run('check-audit', ...dataDir)).rejects.toThrow('line 2')
})

test('what init and its like lack is named', async () => {
  const wrong: [string[], RegExp][] = [
    [['init'], /--data-dir is missing.*usage/],
    [['init', '--data-dir', folder, '--bogus'], /--bogus/],
    [['init', '--data-dir', folder, '--address', 'a b'], /--address a b/],
    ...['149s', '0m', '9999d', '1.5d', 'd', ''].map((lifetime): [string[], RegExp] => [
      ['init', '--data-dir', folder, '--certificate-lifetime', lifetime],
      new RegExp(`--certificate-lifetime ${lifetime}: .*like 12h`),
    ]),
    [['admin-token', '--data-dir', folder], /not secured.*init/],
    [['check-audit', '--data-dir', folder], /there is no .*audit\.log/],
  ]
  for (const [args, says] of wrong) await expect(run(...args)).rejects.toThrow(says)
  expect(readdirSync(folder)).toEqual([])
  expect(await administer(['--port', '0'], () => {})).toBe(false)
})

test('no secret of a session is in a log, in the audit log or in the store', SLOW, async () => {
  const init = start('init', '--data-dir', folder)
  expect((await once(init.child, 'close'))[0]).toBe(0)
  const [joinToken = ''] = /gwj1\.[\w.-]+/.exec(init.output.out) ?? []
  const adminToken = readFileSync(join(folder, 'admin-token'), 'utf8').trim()
  const { child, output } = start('--port', '0', '--data-dir', folder, '--log-level', 'trace')
  if (child.stdout !== null) await once(child.stdout, 'data')
  const { port } = JSON.parse(output.out).listening
  const coordinatorUrl = `wss://127.0.0.1:${port}`
  const authority = await fetchAuthority(coordinatorUrl, parseToken(adminToken, 'api').authority)
  const security = coordinatorSecurity(authority)
  const client = (token: string): Promise<FakeClient> => FakeClient.connect(port, { security, token })

  const admin = await client(adminToken)
  const made = await admin.ask({ op: 'createToken', kind: 'api', role: 'operator', name: 'ci' })
  const guessed = formatToken({ ...parseToken(adminToken, 'api'), secret: `guess${'A'.repeat(38)}` })
  await expect(client(guessed)).rejects.toMatchObject({ kind: 'unauthorized' })
  await expect(client('gwa1.mistyped.token')).rejects.toMatchObject({ kind: 'bad-arguments' })
  const { credentials } = await joinCluster({ coordinatorUrl, token: joinToken, name: 'a', makeRequest })
  const guessedJoin = formatToken({ ...parseToken(joinToken, 'join'), secret: `guess${'B'.repeat(38)}` })
  await expect(joinCluster({ coordinatorUrl, token: guessedJoin, name: 'b', makeRequest })).rejects.toThrow()
  await expect(joinCluster({ coordinatorUrl, token: joinToken, name: 'a', makeRequest })).rejects.toThrow()

  const agent = await FakeAgent.connect(port, 'a', { security: { ...security, credentials } })
  agent.register()
  await agent.order('registered')
  const renewal = await makeRequest()
  agent.send({ type: 'renewCertificate', certificateRequest: renewal.request })
  await agent.order('certificate')
  const operator = await client(made.token)
  await expect(operator.ask({ op: 'tokens' })).rejects.toMatchObject({ kind: 'forbidden' })
  operator
    .ask({ op: 'run', id: 'job', program: '/p', parameters: {}, steps: 9, tracker: 'compare' })
    .catch(() => {})
  const worker = await agent.launched()
  worker.prepared()
  operator.sendRubbish()
  await operator.closed
  await admin.ask({ op: 'revokeToken', token: made.view.id })
  await expect(client(made.token)).rejects.toMatchObject({ kind: 'token-revoked' })
  await admin.ask({ op: 'removeHost', host: 'a' })
  await agent.closed
  child.kill('SIGTERM')
  expect((await once(child, 'close'))[0]).toBe(0)

  const { key } = JSON.parse(readFileSync(join(folder, 'authority.json'), 'utf8'))
  const secrets = {
    adminToken: adminToken.split('.')[2],
    joinToken: joinToken.split('.')[2],
    madeToken: made.token.split('.')[2],
    guess: 'guessAAAA',
    guessedJoin: 'guessBBBB',
    mistyped: 'mistyped',
    authority: linesOf(key),
    host: linesOf(credentials.key),
    renewed: linesOf(renewal.key),
  }
  const searched = {
    log: Buffer.from(output.out + output.err),
    audit: readFileSync(join(folder, 'audit.log')),
    store: readFileSync(join(folder, 'data.mdb')),
  }
  expect(found(secrets, searched)).toEqual([])
  expect(searched.log.includes('a host has joined')).toBe(true)
  expect(searched.log.includes('not let in')).toBe(true)
  expect(searched.audit.includes('removeHost')).toBe(true)

  // And the search can find.
  appendFileSync(join(folder, 'audit.log'), adminToken)
  searched.audit = readFileSync(join(folder, 'audit.log'))
  expect(found(secrets, searched)).toEqual(['adminToken in audit'])
})

/** A key's own characters, as they stand in a line of its PEM. */
function linesOf(pem: string): string {
  const [, first = ''] = pem.split('\n')
  // What all keys of P-256 begin with is no secret.
  return first.slice(40)
}

function found(secrets: Record<string, string | undefined>, searched: Record<string, Buffer>): string[] {
  return Object.entries(secrets).flatMap(([name, secret]) => {
    if (secret === undefined || secret.length < 8) throw new Error(`${name} is no secret`)
    return Object.entries(searched).flatMap(([where, bytes]) =>
      bytes.includes(secret) ? [`${name} in ${where}`] : [],
    )
  })
}

test('an address is a host, with a port or without', () => {
  const good: [string, string, number][] = [
    ['train.example', 'train.example', 7070],
    ['train.example:7171', 'train.example', 7171],
    ['10.0.0.1', '10.0.0.1', 7070],
    ['fd00::1', 'fd00::1', 7070],
    ['[fd00::1]:7171', 'fd00::1', 7171],
  ]
  for (const [text, host, port] of good) expect(parseAddress(text)).toEqual({ host, port })
  for (const text of [
    '',
    'a b',
    'a:0',
    'a:65536',
    'wss://a',
    'a/b',
    ':7070',
    '[fd00::1',
    'a:b:c',
    '-a',
    'a$(x)',
  ]) {
    expect(() => parseAddress(text), text).toThrow(expect.objectContaining({ kind: 'bad-arguments' }))
  }
})
