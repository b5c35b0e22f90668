/**
 * Goal: whoever begins a TLS handshake and does not come to its end, however slowly it goes on, is cut off within the limit of a handshake; the
 * coordinator and a migration's port keep no socket of it, and the job trains on. Certificates that have expired are refused there by name.
 * Method: a real secured cluster with a migration under way; a hello as Node's TLS says it, a byte at a time, half of it, and all of it with
 * nothing after; credentials whose time is over in the place of a host's own.
 */
import { once } from 'node:events'
import { cpSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { hostUri, LIMITS } from '@godwit/protocol'
import {
  clusterIdOf,
  issueCertificate,
  makeRequest,
  membershipIn,
  type SigningAuthority,
  writeCredentials,
} from '@godwit/trust'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Attacker, heldBy } from './support/attacker.ts'
import { Cluster, type Follower } from './support/cluster.ts'
import { portsOf } from './support/processes.ts'

const FOREVER = ['--steps', '1000000', '--param', 'stepMs=5', '--param', 'pages=2048']
/** At this pace a hello takes several times the limit. */
const BYTE_EVERY_MS = 100

let cluster: Cluster
let job: Follower
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }], { secured: true })
  job = await cluster.run('mixer', 'a', 'job', ...FOREVER)
})
afterAll(() => cluster?.end())

/** The first that a client of ours says. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client = connect({ port, host: '127.0.0.1', minVersion: 'TLSv1.3' }).on('error', () => {})
  const [socket] = await once(server, 'connection')
  const [hello] = await once(socket, 'data')
  client.destroy()
  server.close()
  return hello as Buffer
}

async function byteByByte(attacker: Attacker, bytes: Buffer): Promise<number> {
  let sent = 0
  while (!attacker.isClosed && sent < bytes.length) {
    attacker.send(bytes.subarray(sent, sent + 1))
    sent += 1
    await Promise.race([delay(BYTE_EVERY_MS), attacker.closed])
  }
  return sent
}

/** All of them at one door; cut off, and nothing of them left. */
async function areCutOff(port: number, pid: number): Promise<void> {
  const hello = await clientHello()
  expect(hello.length * BYTE_EVERY_MS).toBeGreaterThan(4 * LIMITS.handshakeTimeoutMs)
  const before = heldBy(pid).sockets
  const attackers = await Promise.all(Array.from({ length: 6 }, () => Attacker.connect({ port })))
  const [slow, slower, half, whole] = attackers as [Attacker, Attacker, Attacker, Attacker]
  const sent = [byteByByte(slow, hello), byteByByte(slower, hello)]
  half.send(hello.subarray(0, hello.length / 2))
  whole.send(hello)
  await Promise.all(attackers.map(({ closed }) => closed))
  for (const bytes of await Promise.all(sent)) expect(bytes).toBeLessThan(hello.length)
  await job.goesOn()
  while (heldBy(pid).sockets > before) await job.reached(job.outputs.length + 1)
}

test('a hello that does not come to its end, at the coordinator', () =>
  areCutOff(Number(new URL(cluster.url).port), cluster.coordinatorPid()))

test("a hello that does not come to its end, at a migration's port", async () => {
  const slow = ['--max-bandwidth', String(LIMITS.minBandwidth)]
  const move = cluster.start('migrate', 'job', '--to', 'b', ...slow)
  await job.migrationIs('active')
  const { pid } = cluster.worker('a', 'job')
  const [port = 0] = portsOf(pid)
  await areCutOff(port, pid)
  // Nobody but a person ends the migration.
  expect(job.migrations.at(-1)?.status).toBe('active')
  expect((await cluster.godwit('cancel', 'job')).code).toBe(0)
  expect(await move.exited).toBe(1)
})

/** Puts a certificate of the cluster's own authority, of this host, that is over, in the place of the host's. Returns what undoes that. */
async function expire(host: string): Promise<() => void> {
  const folder = join(cluster.dataDir(host), 'credentials')
  const kept = join(cluster.folder, `kept-${host}`)
  cpSync(folder, kept, { recursive: true })
  const authority = JSON.parse(
    readFileSync(join(cluster.store, 'authority.json'), 'utf8'),
  ) as SigningAuthority
  const { request, key } = await makeRequest()
  const uri = hostUri(clusterIdOf(authority.certificate), host)
  const past = { nowMs: Date.now() - 2 * LIMITS.clockSkewMs, lifetimeMs: LIMITS.clockSkewMs }
  const certificate = await issueCertificate({ authority, request, uri, ...past })
  writeCredentials(folder, { ...membershipIn(folder).credentials, certificate, key })
  return () => {
    rmSync(folder, { recursive: true })
    cpSync(kept, folder, { recursive: true })
  }
}

test.each(['b', 'a'])(
  'a migration in which %s shows a certificate that has expired fails, and says why',
  async (host) => {
    const undo = await expire(host)
    const { code, said } = await cluster.godwit('migrate', 'job', '--to', 'b')
    expect(code).toBe(1)
    expect(said.migration).toMatchObject({
      status: 'failed',
      error: {
        kind: 'certificate-expired',
        message: expect.stringMatching(/has expired, by this machine's clock .*join again/),
      },
    })
    undo()
    await job.goesOn()
  },
)

test('an agent whose certificate has expired is told so, and what to do', async () => {
  expect(await cluster.stopAgent('b')).toBe(0)
  const undo = await expire('b')
  const { code, err } = await cluster.refusedAgent({ name: 'b' })
  expect(code).toBe(1)
  expect(err).toMatch(/has expired, by this machine's clock .*godwit host remove.*join token/)
  undo()
  await cluster.addHost({ name: 'b' })
})
