/**
 * Goal: an operator uploads, a host of the cluster fetches, and nobody else does either; what is no upload is told what it is. Method: a secured
 * coordinator over real TLS, with a token of each role and with certificates.
 */
import { createHash } from 'node:crypto'
import { type Credentials, HttpPeer } from '@godwit/channel'
import { AGENT_BLOBS_PATH, BUNDLES_PATH, CHUNKS_PATH, encodeManifest, LIMITS } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SecuredCluster } from '../support/secured.ts'

let cluster: SecuredCluster
const peers: HttpPeer[] = []
beforeEach(async () => {
  cluster = await SecuredCluster.start()
})
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close()
  await cluster.end()
})

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const PROGRAM = Buffer.from('export default 1')
const MANIFEST = encodeManifest({
  program: 'p.mjs',
  files: [{ path: 'p.mjs', bytes: PROGRAM.length, chunks: [digestOf(PROGRAM)] }],
})
const BUNDLE = { digest: digestOf(MANIFEST), bytes: PROGRAM.length }

function peer(token: string | undefined, credentials?: Credentials): HttpPeer {
  const made = new HttpPeer(cluster.url, { ...cluster.dialOptions(credentials, token), token })
  peers.push(made)
  return made
}

async function put(
  as: HttpPeer,
  path: string,
  body: unknown,
): Promise<{ status: number; said: { kind?: string } }> {
  const { status, text } = await as.ask({ method: 'PUT', path, body })
  return { status, said: text === '' ? {} : JSON.parse(text) }
}

const fetched = (as: HttpPeer, digest: string) =>
  as.ask({ method: 'GET', path: `${AGENT_BLOBS_PATH}/${digest}` })

test('an operator uploads what is missing, a host fetches it, and a job is run from it', async () => {
  const operator = peer(cluster.tokens.operator)
  expect(await put(operator, `${BUNDLES_PATH}/${BUNDLE.digest}`, MANIFEST)).toEqual({
    status: 200,
    said: { missing: [digestOf(PROGRAM)] },
  })
  const client = await cluster.as('operator')
  const agent = await cluster.agent('a', await cluster.join('a'))
  agent.register()
  await agent.order('registered')
  const run = {
    op: 'run',
    program: 'p',
    bundle: BUNDLE,
    parameters: {},
    steps: 9,
    tracker: 'compare',
    id: 'job',
  } as const
  await expect(client.ask(run)).rejects.toMatchObject({ kind: 'bundle-missing' })
  expect((await put(operator, `${CHUNKS_PATH}/${digestOf(PROGRAM)}`, PROGRAM)).status).toBe(204)
  expect((await put(operator, `${BUNDLES_PATH}/${BUNDLE.digest}`, MANIFEST)).said).toEqual({ missing: [] })
  const started = client.ask(run)
  const { launch } = await agent.order('launch')
  expect(launch).toMatchObject({ program: 'p', bundle: BUNDLE })
  const host = peer(undefined, await cluster.join('b'))
  expect((await fetched(host, BUNDLE.digest)).bytes).toEqual(MANIFEST)
  expect((await fetched(host, digestOf(PROGRAM))).bytes).toEqual(PROGRAM)
  expect((await fetched(host, 'a'.repeat(64))).status).toBe(404)
  agent.send({
    type: 'workerExited',
    workerId: launch.workerId,
    error: { kind: 'program-invalid', message: 'this is enough' },
  })
  await expect(started).rejects.toMatchObject({ kind: 'program-invalid' })
})

test('whoever may not is told so before a byte is read, and it is written down', async () => {
  const [viewer, stranger, host] = [
    peer(cluster.tokens.viewer),
    peer(undefined),
    peer(undefined, await cluster.join('a')),
  ]
  for (const path of [`${BUNDLES_PATH}/${BUNDLE.digest}`, `${CHUNKS_PATH}/${digestOf(PROGRAM)}`]) {
    expect((await put(viewer, path, MANIFEST)).said.kind).toBe('forbidden')
    expect((await put(stranger, path, MANIFEST)).said.kind).toBe('unauthorized')
    expect((await put(host, path, MANIFEST)).said.kind).toBe('unauthorized')
  }
  expect((await fetched(peer(cluster.tokens.admin), BUNDLE.digest)).status).toBe(403)
  expect((await fetched(stranger, BUNDLE.digest)).status).toBe(403)
  const entries = await cluster.audit(await cluster.as('admin'))
  expect(entries).toContainEqual(
    expect.objectContaining({ action: 'upload', role: 'viewer', outcome: 'forbidden' }),
  )
})

test('a host that was removed fetches nothing any more', async () => {
  const host = peer(undefined, await cluster.join('a'))
  expect((await fetched(host, BUNDLE.digest)).status).toBe(404)
  await (await cluster.as('admin')).ask({ op: 'removeHost', host: 'a' })
  expect(JSON.parse((await fetched(host, BUNDLE.digest)).text).kind).toBe('token-revoked')
})

test('what is no upload is told what is wrong with it', async () => {
  const operator = peer(cluster.tokens.operator)
  const at = (path: string, body: unknown) => put(operator, path, body)
  expect(await at(`${BUNDLES_PATH}/${'a'.repeat(64)}`, MANIFEST)).toMatchObject({
    status: 400,
    said: { kind: 'bad-checksum' },
  })
  expect(await at(`${BUNDLES_PATH}/..%2f..%2fpasswd`, MANIFEST)).toMatchObject({
    said: { kind: 'bad-message' },
  })
  expect(await at(`${BUNDLES_PATH}/${BUNDLE.digest}`, { manifest: 1 })).toMatchObject({ status: 400 })
  expect(await at(`${CHUNKS_PATH}/${digestOf(PROGRAM)}`, PROGRAM)).toMatchObject({
    said: { kind: 'bundle-missing' },
  })
  const large = Buffer.alloc(LIMITS.bundleChunkBytes + 1)
  expect(await at(`${CHUNKS_PATH}/${digestOf(large)}`, large)).toMatchObject({ status: 413 })
})
