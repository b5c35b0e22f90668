/**
 * Goal: over TLS whoever is called is who answers, and nobody else is told anything; bulk data arrives as it was sent. Method: real
 * sockets on loopback; certificates made here with each thing wrong; servers that keep every decrypted byte.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { createServer as createPlainServer, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectSecurely, createServer, type TLSSocket } from 'node:tls'
import {
  type BulkHandlers,
  type Credentials,
  type DialSecurity,
  dial,
  dialBulk,
  FrameWriter,
  HEADER_ROOM,
  type Listener,
  type ListenOptions,
  listen,
  type Peer,
  type WebSocket,
} from '@godwit/channel'
import { coordinatorUri, hostUri } from '@godwit/protocol'
import {
  createAuthority,
  fetchAuthority,
  fingerprintOf,
  type IssueOptions,
  issueCertificate,
  joinCluster,
  makeRequest,
  type SigningAuthority,
  serialOf,
} from '@godwit/trust'
import { afterEach, beforeAll, expect, test } from 'vitest'

const NOW_MS = Date.now()
const DAY_MS = 24 * 3_600_000
const COORDINATOR = coordinatorUri('c')
const A = hostUri('c', 'a')
const SECRET = 'S'.repeat(43)
const at = { host: '127.0.0.1', ports: [0] }

let ours: SigningAuthority
let foreign: SigningAuthority
let coordinator: Credentials
beforeAll(async () => {
  ours = await createAuthority('c', NOW_MS)
  // It says that it is of the same cluster.
  foreign = await createAuthority('c', NOW_MS)
  coordinator = await issued(COORDINATOR)
})

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** A certificate with its key; `authority` is the one that its bearer believes in. */
async function issued(uri: string, more: Partial<IssueOptions> = {}): Promise<Credentials> {
  const { request, key } = await makeRequest()
  const certificate = await issueCertificate({ authority: ours, request, uri, nowMs: NOW_MS, ...more })
  return { certificate, key, authority: ours.certificate }
}

async function listening(options: Partial<ListenOptions> = {}): Promise<Listener> {
  const listener = await listen({ at, connected: (socket) => socket.resume(), ...options })
  closing.push(() => listener.close())
  return listener
}

/** Keeps all that is said to it, below TLS. */
async function eavesdropper({
  certificate,
  key,
}: Credentials): Promise<{ port: number; heard(): Promise<Buffer> }> {
  const chunks: Buffer[] = []
  const over: Promise<unknown>[] = []
  const server = createServer({
    cert: certificate,
    key,
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: false,
  })
  server.on('connection', (socket) => over.push(once(socket, 'close')))
  server.on('secureConnection', (socket) => {
    socket.on('data', (data) => chunks.push(data))
    socket.on('error', () => {})
  })
  server.on('tlsClientError', () => {})
  const port = await bound(server)
  return {
    port,
    heard: async () => {
      await Promise.all(over)
      return Buffer.concat(chunks)
    },
  }
}

async function bound(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  closing.push(() => new Promise((resolve) => server.close(resolve)))
  await once(server, 'listening')
  return (server.address() as { port: number }).port
}

const towards = (peer: string, credentials?: Credentials): DialSecurity => ({
  authority: ours.certificate,
  peer,
  ...(credentials && { credentials }),
})

async function dialled(port: number, security: DialSecurity, token?: string): Promise<WebSocket> {
  const socket = await dial(`wss://127.0.0.1:${port}/x`, { security, ...(token !== undefined && { token }) })
  closing.push(() => socket.terminate())
  return socket
}

const WRONG_SERVERS: [string, string, () => Promise<Credentials>, RegExp][] = [
  [
    'of a foreign authority',
    'untrusted-peer',
    () => issued(COORDINATOR, { authority: foreign }),
    /not of this cluster/,
  ],
  [
    'expired',
    'certificate-expired',
    () => issued(COORDINATOR, { nowMs: NOW_MS - 2 * DAY_MS, lifetimeMs: DAY_MS }),
    /has expired.*clock/,
  ],
  [
    'not yet valid',
    'certificate-expired',
    () => issued(COORDINATOR, { nowMs: NOW_MS + DAY_MS }),
    /not valid yet.*clock/,
  ],
  ['of a host', 'wrong-peer', () => issued(A), /coordinator was called and .*host\/a answered/],
  [
    'of another cluster by its name',
    'wrong-peer',
    () => issued(coordinatorUri('d')),
    /godwit:\/\/d\/coordinator answered/,
  ],
]

test.each(WRONG_SERVERS)(
  'a server with a certificate %s is told nothing: %s',
  async (_, kind, credentials, says) => {
    const server = await eavesdropper(await credentials())
    await expect(dialled(server.port, towards(COORDINATOR), `gwa1.id.${SECRET}`)).rejects.toMatchObject({
      kind,
      message: expect.stringMatching(says),
    })
    expect((await server.heard()).toString('latin1')).toBe('')
  },
)

test('a page in a browser is refused before anything of it is heard', async () => {
  const opened: string[] = []
  const { port } = await listening({ connected: (_, path) => opened.push(path) })
  const page = request({
    port,
    path: '/api/v1/events',
    headers: {
      ...{ connection: 'Upgrade', upgrade: 'websocket', origin: 'https://a.page' },
      ...{ 'sec-websocket-version': '13', 'sec-websocket-key': randomBytes(16).toString('base64') },
    },
  })
  page.end()
  const [response] = (await once(page, 'response')) as [IncomingMessage]
  expect(response.statusCode).toBe(403)
  expect(JSON.parse(await text(response))).toMatchObject({ kind: 'forbidden' })
  expect(opened).toEqual([])
})

test('a variable that turns verification off for others does not for us', async () => {
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  try {
    const server = await eavesdropper(await issued(COORDINATOR, { authority: foreign }))
    const dialling = dialled(server.port, towards(COORDINATOR), `gwa1.id.${SECRET}`)
    await expect(dialling).rejects.toMatchObject({ kind: 'untrusted-peer' })
    expect((await server.heard()).toString('latin1')).toBe('')
  } finally {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
  }
})

test('the eavesdropper hears whoever trusts it', async () => {
  const server = await eavesdropper(coordinator)
  const security = towards(COORDINATOR)
  const dialling = dial(`wss://127.0.0.1:${server.port}/x`, {
    security,
    token: `gwa1.id.${SECRET}`,
    timeoutMs: 200,
  })
  await expect(dialling).rejects.toMatchObject({ kind: 'unreachable' })
  expect((await server.heard()).toString('latin1')).toContain(SECRET)
})

test('a join token is shown to nobody but the cluster that it names', async () => {
  const token = `gwj1.abcd.${SECRET}.${fingerprintOf(ours.certificate)}`
  // Whatever it answers: its own authority, or ours, whose key it does not have.
  for (const certificate of [foreign.certificate, ours.certificate, 'rubbish']) {
    const came: string[] = []
    const impostor = await listening({
      credentials: await issued(COORDINATOR, { authority: foreign }),
      resource: () => certificate,
      admit: (_, path) => {
        came.push(path)
        return undefined
      },
    })
    const coordinatorUrl = `wss://127.0.0.1:${impostor.port}`
    await expect(joinCluster({ coordinatorUrl, token, name: 'a', makeRequest })).rejects.toMatchObject({
      kind: 'untrusted-peer',
    })
    expect(came).toEqual([])
  }
  await expect(
    joinCluster({ coordinatorUrl: 'ws://127.0.0.1:1', token, name: 'a', makeRequest }),
  ).rejects.toMatchObject({
    kind: 'insecure',
    message: expect.stringContaining('wss://127.0.0.1:1'),
  })
})

test('the authority is fetched from whoever has it', async () => {
  const listener = await listening({
    credentials: coordinator,
    resource: (path) => (path === '/authority' ? ours.certificate : undefined),
  })
  const url = `wss://127.0.0.1:${listener.port}`
  expect(await fetchAuthority(url, fingerprintOf(ours.certificate))).toBe(ours.certificate)
  await expect(fetchAuthority(url, fingerprintOf(foreign.certificate))).rejects.toMatchObject({
    kind: 'untrusted-peer',
    message: expect.stringContaining('another cluster'),
  })
})

test.each<[string, string | undefined, () => Promise<Credentials | undefined>]>([
  ['a member', undefined, () => issued(A)],
  ['nobody', undefined, async () => undefined],
  ['a foreigner', 'untrusted-peer', () => issued(A, { authority: foreign })],
  [
    'one whose time is over',
    'certificate-expired',
    () => issued(A, { nowMs: NOW_MS - 2 * DAY_MS, lifetimeMs: DAY_MS }),
  ],
  ['one whose time has not come', 'certificate-expired', () => issued(A, { nowMs: NOW_MS + DAY_MS })],
])('a server knows %s by the certificate', async (_, kind, make) => {
  let seen: Peer | undefined
  const listener = await listening({
    credentials: coordinator,
    admit: (peer) => {
      seen = peer
      return peer.certificateError
    },
  })
  const credentials = await make()
  const dialling = dialled(listener.port, towards(COORDINATOR, credentials))
  if (kind === undefined) {
    await dialling
    const member = credentials && { uri: A, serial: serialOf(credentials.certificate) }
    expect(seen?.member).toEqual(member)
  } else {
    await expect(dialling).rejects.toMatchObject({ kind })
    expect(seen?.member).toBeUndefined()
  }
})

test('in the clear nobody gets into a secured server, and the error says how', async () => {
  const listener = await listening({ credentials: coordinator })
  await expect(dial(`ws://127.0.0.1:${listener.port}/x`)).rejects.toMatchObject({
    kind: 'unreachable',
    message: expect.stringContaining('wss://'),
  })
})

test('a server in the clear is told nothing over TLS, and the error says what it is', async () => {
  const listener = await listening()
  await expect(dialled(listener.port, towards(COORDINATOR), SECRET)).rejects.toMatchObject({
    kind: 'insecure',
  })
  const heard: Buffer[] = []
  const server = createPlainServer((socket) => {
    socket.on('data', (data) => {
      heard.push(data)
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    socket.on('error', () => {})
  })
  await expect(dialled(await bound(server), towards(COORDINATOR), SECRET)).rejects.toMatchObject({
    kind: 'insecure',
  })
  expect(Buffer.concat(heard).includes(SECRET)).toBe(false)
})

test('TLS 1.2 is not spoken, by either end', async () => {
  const listener = await listening({ credentials: coordinator })
  const old = connectSecurely({
    host: '127.0.0.1',
    port: listener.port,
    ca: ours.certificate,
    maxVersion: 'TLSv1.2',
    checkServerIdentity: () => undefined,
  })
  expect((await once(old, 'error'))[0]).toMatchObject({ code: expect.stringMatching(/PROTOCOL_VERSION/) })

  const server = createServer({ cert: coordinator.certificate, key: coordinator.key, maxVersion: 'TLSv1.2' })
  server.on('tlsClientError', () => {})
  await expect(dialled(await bound(server), towards(COORDINATOR))).rejects.toMatchObject({
    kind: expect.stringMatching(/unreachable|insecure/),
  })
})

test('a certificate that was renewed is shown from then on, and connections stay', async () => {
  const listener = await listening({
    credentials: await issued(A),
    connected: (socket) => {
      socket.on('message', (data) => socket.send(data))
      socket.resume()
    },
  })
  const first = await dialled(listener.port, towards(A))
  listener.renew(await issued(hostUri('c', 'b')))
  await expect(dialled(listener.port, towards(A))).rejects.toMatchObject({ kind: 'wrong-peer' })
  await dialled(listener.port, towards(hostUri('c', 'b')))
  first.resume()
  first.send('still there')
  expect(String((await once(first, 'message'))[0])).toBe('still there')
})

/** From 64 KiB to 1 MiB, around the lengths of TLS records, and small ones between them. */
const FRAME_BYTES = [
  64, 65_536, 16_384, 1, 262_144, 16_383, 131_071, 1_048_576, 65_535, 524_289, 0, 1_000_003,
]

test.each([
  ['from the first byte on', 0],
  ['after a pause', 1],
])('bulk frames come over TLS 1.3 as they were sent, %s', async (_, asked) => {
  const frames = [...FRAME_BYTES, ...FRAME_BYTES.toReversed(), ...FRAME_BYTES].map((bytes) =>
    randomBytes(bytes),
  )
  const member = await issued(A)
  const listener = await listening({
    credentials: member,
    admit: (peer) => peer.certificateError,
    connected: (socket) => {
      const writer = new FrameWriter(socket)
      const send = (): void => {
        for (const frame of frames) writer.send(Buffer.concat([Buffer.alloc(HEADER_ROOM), frame]))
      }
      if (asked === 0) send()
      else socket.once('message', send)
    },
  })
  const digests: string[] = []
  let socket: WebSocket | undefined
  await new Promise<void>((resolve, reject) => {
    const handlers: BulkHandlers = {
      message: (bytes) => {
        if (digests.push(digestOf(bytes)) === frames.length) resolve()
      },
      failed: reject,
    }
    dialBulk(
      { host: '127.0.0.1', port: listener.port, path: '/bulk', security: towards(A, member) },
      1024 * 1024,
      handlers,
    ).then((opened) => {
      closing.push(() => opened.terminate())
      socket = opened
      opened.resume()
      if (asked === 1) opened.send('now')
    }, reject)
  })
  expect(digests).toEqual(frames.map(digestOf))
  const below = (socket as unknown as { _socket: TLSSocket })._socket
  expect(below.getProtocol()).toBe('TLSv1.3')
  expect(below.getCipher().name).toBe('TLS_AES_128_GCM_SHA256')
})

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
