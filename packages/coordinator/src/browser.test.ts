/**
 * Goal: a page that came from here hears events, with its token and in no other way; a page from anywhere else does not. Method: a real coordinator,
 * secured and open, and WebSockets that say what browsers say, or what they never would.
 */
import { once } from 'node:events'
import { Writable } from 'node:stream'
import { EVENTS_PATH, formatToken, parseToken } from '@godwit/protocol'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startCoordinator } from './coordinator.ts'
import { port, useCoordinator } from './support/scene.suite.ts'
import { SecuredCluster } from './support/secured.ts'

interface Opening {
  readonly protocols?: readonly string[]
  readonly headers?: Record<string, string>
  readonly path?: string
}

/** What a browser can find out: a socket that has opened, with the protocol that was chosen, or the status of the refusal. */
async function open(
  url: string,
  { protocols = [], headers = {}, path = EVENTS_PATH }: Opening,
  ca?: string,
): Promise<WebSocket | number | string> {
  const socket = new WebSocket(`${url}${path}`, [...protocols], {
    headers,
    ...(ca !== undefined && { ca, checkServerIdentity: () => undefined }),
  })
  return new Promise((resolve) => {
    socket.once('open', () => resolve(socket))
    socket.once('unexpected-response', (request, { statusCode }) => {
      request.destroy()
      resolve(statusCode ?? 0)
    })
    socket.once('error', ({ message }) => resolve(message))
  })
}

async function sessionOver(socket: WebSocket): Promise<string> {
  socket.send(JSON.stringify({ type: 'request', id: 1, request: { op: 'watch', kinds: ['host'] } }))
  const [data] = await once(socket, 'message')
  return JSON.parse(String(data)).type
}

describe('a secured coordinator', () => {
  let cluster: SecuredCluster
  beforeEach(async () => {
    cluster = await SecuredCluster.start()
  })
  afterEach(() => cluster.end())

  const asPage = (opening: Opening): Promise<WebSocket | number | string> =>
    open(
      cluster.url,
      { headers: { origin: `https://127.0.0.1:${cluster.port}` }, ...opening },
      cluster.authority.certificate,
    )
  const forged = (): string =>
    formatToken({ ...parseToken(cluster.tokens.admin, 'api'), secret: 'A'.repeat(43) })
  const shown = (token: string): string[] => ['godwit', `godwit.token.${token}`]

  test('its own page shows its token as a protocol, which is not said again', async () => {
    const socket = (await asPage({ protocols: shown(cluster.tokens.viewer) })) as WebSocket
    expect(socket.protocol).toBe('godwit')
    expect(await sessionOver(socket)).toBe('reply')
    socket.terminate()
  })

  test.each([
    ['no token', () => ['godwit']],
    ['no protocol', () => []],
    ['a token of nobody', () => shown(forged())],
    ['what is no token', () => shown('rubbish')],
    ['a token to join with', () => shown(cluster.tokens.join)],
    ['another protocol', () => [`bearer.${cluster.tokens.viewer}`]],
  ])('with %s it is refused', async (_, protocols) => {
    expect(await asPage({ protocols: protocols() })).toBe(403)
  })

  test('a token in the address counts for nothing', async () => {
    const path = `${EVENTS_PATH}?token=${cluster.tokens.admin}&access_token=${cluster.tokens.admin}`
    expect(await asPage({ protocols: ['godwit'], path })).toBe(403)
  })

  test('a token that has expired, or is revoked, opens nothing', async () => {
    const admin = await cluster.as('admin')
    const { token, view } = await admin.ask({ op: 'createToken', kind: 'api', role: 'viewer' })
    const short = await admin.ask({ op: 'createToken', kind: 'api', role: 'viewer', expiresInMs: 1000 })
    const socket = (await asPage({ protocols: shown(token) })) as WebSocket
    const closed = once(socket, 'close')
    await admin.ask({ op: 'revokeToken', token: view.id })
    // One that is open already gets no further answer.
    socket.send(JSON.stringify({ type: 'request', id: 1, request: { op: 'watch' } }))
    await closed
    expect(await asPage({ protocols: shown(token) })).toBe(403)
    cluster.turnCalendar(2000)
    expect(await asPage({ protocols: shown(short.token) })).toBe(403)
  })

  test.each([
    ['elsewhere', 'https://a.page'],
    ['this host at another port', 'https://127.0.0.1'],
    ['this host without TLS', undefined],
    ['nowhere', 'null'],
  ])('a page from %s is refused, whatever token it shows', async (_, origin) => {
    const headers = { origin: origin ?? `http://127.0.0.1:${cluster.port}` }
    expect(await asPage({ protocols: shown(cluster.tokens.admin), headers })).toBe(403)
  })

  test('no page is an agent, or joins', async () => {
    for (const path of ['/agent', '/join'])
      expect(await asPage({ protocols: shown(cluster.tokens.admin), path })).toBe(403)
  })

  test('no token that was shown is written down, right or wrong', async () => {
    let log = ''
    const stream = new Writable({
      write: (chunk, _, done) => {
        log += chunk
        done()
      },
    })
    await cluster.close()
    const { folder, store } = cluster
    const logging = await startCoordinator({ port: 0, folder, store, log: pino({ level: 'trace' }, stream) })
    const url = `wss://127.0.0.1:${logging.port}`
    const headers = { origin: `https://127.0.0.1:${logging.port}` }
    const wrong = forged()
    const right = await open(
      url,
      { protocols: shown(cluster.tokens.admin), headers },
      cluster.authority.certificate,
    )
    expect(await sessionOver(right as WebSocket)).toBe('reply')
    expect(await open(url, { protocols: shown(wrong), headers }, cluster.authority.certificate)).toBe(403)
    await logging.close()
    await cluster.listen()
    const admin = await cluster.as('admin')
    const written = log + JSON.stringify(await cluster.audit(admin))
    expect(written).toContain('not let in')
    for (const token of [cluster.tokens.admin, wrong])
      expect(written).not.toContain(parseToken(token, 'api').secret)
  })
})

describe('an open coordinator', () => {
  useCoordinator()

  test('its own page needs no token', async () => {
    const url = `ws://127.0.0.1:${port}`
    for (const protocols of [[], ['godwit']]) {
      const socket = (await open(url, {
        protocols,
        headers: { origin: `http://127.0.0.1:${port}` },
      })) as WebSocket
      expect(await sessionOver(socket)).toBe('reply')
      socket.terminate()
    }
  })

  test.each([
    ['elsewhere', () => ({ origin: 'https://a.page' })],
    [
      'a name of its own that leads here',
      () => ({ origin: `http://a.page:${port}`, host: `a.page:${port}` }),
    ],
    ['another port of this machine', () => ({ origin: 'http://127.0.0.1:1' })],
    ['a file', () => ({ origin: 'null' })],
  ])('a page from %s is refused', async (_, headers) => {
    expect(await open(`ws://127.0.0.1:${port}`, { headers: headers() })).toBe(403)
  })

  test('no page is an agent', async () => {
    const headers = { origin: `http://127.0.0.1:${port}` }
    expect(await open(`ws://127.0.0.1:${port}`, { path: '/agent', headers })).toBe(403)
  })
})
