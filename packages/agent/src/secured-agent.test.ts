/**
 * Goal: an agent of a secured cluster shows its certificate, renews it over the connection that it has, and says what to do when it
 * is not let in. Method: a real agent and a scripted coordinator with real certificates; one that is nearly over.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { coordinatorUri, GodwitError, hostUri } from '@godwit/protocol'
import {
  issueCertificate,
  membershipIn,
  type SigningAuthority,
  serialOf,
  writeCredentials,
} from '@godwit/trust'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Agent, startAgent } from './agent.ts'
import { FakeCoordinator } from './support/fake-coordinator.ts'
import { agentOptions, temporaryFolder } from './support/host.ts'
import { CLUSTER, credentialsOf, testAuthority } from './support/members.ts'

const uri = hostUri(CLUSTER, 'alpha')

let folder: string
let credentials: string
let authority: SigningAuthority
let coordinator: FakeCoordinator
let agent: Agent | undefined
let logged: () => void = () => {}
beforeEach(async () => {
  folder = temporaryFolder()
  credentials = join(folder, 'data', 'credentials')
  mkdirSync(credentials, { recursive: true })
  authority = await testAuthority()
  coordinator = new FakeCoordinator()
  coordinator.answer = { type: 'registered', clusterId: CLUSTER }
  coordinator.credentials = await credentialsOf(authority, coordinatorUri(CLUSTER))
  await coordinator.start()
})
afterEach(async () => {
  await agent?.stop()
  agent = undefined
  await coordinator.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function start(): Promise<void> {
  const log = pino({ level: 'info' }, { write: () => logged() })
  agent = await startAgent(agentOptions(folder, { coordinatorUrl: coordinator.url }), log)
}

test('shows its certificate, and asks for no other while that is good', async () => {
  writeCredentials(credentials, await credentialsOf(authority, uri))
  await start()
  await coordinator.first('register')
  const { certificate } = membershipIn(credentials).credentials
  expect(coordinator.peers).toMatchObject([{ member: { uri, serial: serialOf(certificate) } }])
  expect(coordinator.received.map(({ type }) => type)).toEqual(['register'])
})

test('renews one that is nearly over, and shows the new one from then on', async () => {
  // Of a life of some minutes the five that count as past are most.
  writeCredentials(credentials, await credentialsOf(authority, uri, 60_000))
  await start()
  const { certificateRequest: request } = await coordinator.first('renewCertificate')
  const certificate = await issueCertificate({ authority, request, uri, nowMs: Date.now() })
  const renewed = new Promise<void>((resolve) => {
    logged = () => {
      if (membershipIn(credentials).credentials.certificate === certificate) resolve()
    }
  })
  coordinator.send({ type: 'certificate', certificate })
  await renewed
  const { port } = coordinator
  await coordinator.stop()
  await coordinator.start(port)
  await coordinator.count('register', 2)
  expect(coordinator.peers.at(-1)).toMatchObject({ member: { uri, serial: serialOf(certificate) } })
})

test('says where the credentials are that are refused, and dials nobody but the coordinator', async () => {
  writeCredentials(credentials, await credentialsOf(authority, uri))
  coordinator.refusal = new GodwitError('token-revoked', 'alpha was removed')
  await expect(start()).rejects.toMatchObject({
    kind: 'token-revoked',
    message: expect.stringMatching(new RegExp(`^alpha was removed\\. .*${credentials}.*join token`)),
  })
  await coordinator.stop()
  coordinator.credentials = await credentialsOf(authority, hostUri(CLUSTER, 'beta'))
  await coordinator.start()
  await expect(start()).rejects.toMatchObject({ kind: 'wrong-peer' })
  coordinator.credentials = await credentialsOf(await testAuthority(), coordinatorUri(CLUSTER))
  await coordinator.stop()
  await coordinator.start()
  await expect(start()).rejects.toMatchObject({ kind: 'untrusted-peer' })
  expect(coordinator.received).toEqual([])
})
