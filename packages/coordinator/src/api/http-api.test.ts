/**
 * Goal: the API is what its table says, and nobody has more of it than its limits. Method: a real coordinator on a loopback socket, open and
 * secured, asked by raw HTTP; what it does is seen by an agent that plays its part.
 */
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { HttpPeer } from '@godwit/channel'
import {
  CLIENT_OPS,
  EVENT_OPS,
  fromHttp,
  hostView,
  LIMITS,
  PROBLEM_TYPE,
  type Problem,
  REST_OPS,
  ROUTES,
  toHttp,
} from '@godwit/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeAgent } from '../support/fakes.ts'
import { client, coordinator, port, restarted, training, useCoordinator } from '../support/scene.suite.ts'
import { SecuredCluster } from '../support/secured.ts'
import { type OpenApi, UPLOAD_OPS } from './openapi.ts'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

const RUN = { program: '/programs/mlp.ts', parameters: {}, steps: 100, tracker: 'compare' }

async function ask(
  method: string,
  path: string,
  { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const content = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body)
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { ...(content !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(content !== undefined && { body: content }),
  })
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    text: await response.text(),
  }
}

function problemIn({ status, headers, text }: Answer): Problem {
  expect(headers['content-type']).toContain(PROBLEM_TYPE)
  const told = JSON.parse(text) as Problem
  expect(told.status).toBe(status)
  expect(told.type).toBe(`urn:godwit:error:${told.kind}`)
  return told
}

test('each request has a row, or is asked over the WebSocket of events; what it is asked as is what it was', () => {
  expect([...REST_OPS, ...EVENT_OPS].sort()).toEqual([...CLIENT_OPS].sort())
  const asked = { op: 'history', workload: 'a.b', after: 'm-1', limit: 3 } as const
  const { method, path } = toHttp(asked)
  expect([method, path]).toEqual(['GET', '/api/v1/workloads/a.b/migrations?after=m-1&limit=3'])
  expect(
    fromHttp('history', {
      params: { workload: 'a.b' },
      query: { after: 'm-1', limit: '3' },
      body: undefined,
    }),
  ).toEqual(asked)
})

describe('an open coordinator', () => {
  useCoordinator({ onDisk: true })

  test('a job is run, looked at, moved and ended, with the statuses that HTTP has for it', async () => {
    const { source } = await training()
    const one = await ask('GET', '/api/v1/workloads/job')
    expect([one.status, JSON.parse(one.text).workload.acceptedSteps]).toEqual([200, 3])
    const moved = await ask('POST', '/api/v1/workloads/job/migrations', { body: { to: 'b', options: {} } })
    expect([moved.status, JSON.parse(moved.text).migration.to]).toEqual([202, 'b'])
    const tasks = JSON.parse((await ask('GET', '/api/v1/tasks')).text)
    expect(tasks).toMatchObject({ tasks: [{ kind: 'migration', workload: 'job', from: 'a', to: 'b' }] })
    expect((await ask('POST', '/api/v1/workloads/job/migrations/cancel')).status).toBe(200)
    const stopped = ask('POST', '/api/v1/workloads/job/stop')
    await source.told('stop')
    source.say({ type: 'ended', epoch: 1, steps: 3, stateDigest: 'a'.repeat(64) })
    expect((await stopped).status).toBe(200)
    const gone = await ask('DELETE', '/api/v1/workloads/job')
    expect([gone.status, gone.text]).toEqual([204, ''])
    expect(problemIn(await ask('GET', '/api/v1/workloads/job'))).toMatchObject({
      status: 404,
      kind: 'unknown-workload',
    })
  })

  test.each([
    ['GET', '/api/v1/workloads/no%20name', undefined, 400, /^workload: letters/],
    ['GET', '/api/v1/hosts?limit=0', undefined, 400, /^limit: /],
    ['GET', '/api/v1/hosts?limit=many', undefined, 400, /^limit: /],
    ['GET', '/api/v1/hosts?lmit=1', undefined, 400, /lmit/],
    ['POST', '/api/v1/workloads', '{"program": ', 400, /JSON/],
    ['POST', '/api/v1/workloads', '[]', 400, /./],
    ['POST', '/api/v1/workloads', { ...RUN, steps: 0 }, 400, /^steps: /],
    ['POST', '/api/v1/workloads/job/stop', { workload: 'other' }, 400, /twice/],
    ['POST', '/api/v1/workloads', RUN, 503, /no agent is connected/],
    ['GET', '/api/v1/nothing', undefined, 404, /GET \/api says/],
    ['PUT', '/api/v1/hosts', undefined, 405, /knows GET/],
    ['POST', '/api/v1/tokens', { kind: 'join' }, 403, /not secured/],
  ] as const)('%s %s is told what is wrong with it', async (method, path, body, status, says) => {
    const told = problemIn(await ask(method, path, { body }))
    expect(told.status).toBe(status)
    expect(told.detail).toMatch(says)
  })

  test('a body of another type, or too large, is not read', async () => {
    const other = await ask('POST', '/api/v1/workloads', {
      body: 'x',
      headers: { 'content-type': 'text/yaml' },
    })
    expect(problemIn(other).status).toBe(415)
    const large = await ask('POST', '/api/v1/workloads', { body: { id: 'x'.repeat(LIMITS.maxApiBodyBytes) } })
    expect(problemIn(large)).toMatchObject({ status: 413, kind: 'too-large' })
  })

  test('a list comes a page at a time, each after the one before', async () => {
    for (const name of ['c', 'a', 'b', 'e', 'd']) await FakeAgent.registered(port, name)
    const seen: string[] = []
    let after: string | undefined
    do {
      const { text } = await ask(
        'GET',
        `/api/v1/hosts?limit=2${after === undefined ? '' : `&after=${after}`}`,
      )
      const { hosts, next } = JSON.parse(text) as { hosts: { name: string }[]; next?: string }
      expect(hosts.length).toBeLessThanOrEqual(2)
      seen.push(...hosts.map(({ name }) => name))
      after = next
    } while (after !== undefined)
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  test('a request that comes twice under one key is done once, at once and after a restart', async () => {
    const agent = await FakeAgent.registered(port, 'a')
    const headers = { 'idempotency-key': 'first' }
    const both = [1, 2].map(() => ask('POST', '/api/v1/workloads', { body: RUN, headers }))
    const worker = await agent.launched()
    worker.prepared()
    const [one, two] = await Promise.all(both)
    expect([one?.status, two?.status]).toEqual([201, 201])
    expect(two?.text).toBe(one?.text)
    expect([one, two].filter((each) => each?.headers['idempotency-replayed'] === 'true')).toHaveLength(1)
    const other = await ask('POST', '/api/v1/workloads', { body: { ...RUN, steps: 7 }, headers })
    expect(problemIn(other)).toMatchObject({
      status: 400,
      detail: expect.stringContaining('another request'),
    })
    // What was refused stays refused under its key.
    const again = { headers: { 'idempotency-key': 'second' } }
    expect((await ask('POST', '/api/v1/workloads/none/stop', again)).status).toBe(404)
    const bad = await ask('POST', '/api/v1/workloads/none/stop', { headers: { 'idempotency-key': 'é' } })
    expect(problemIn(bad).detail).toContain('visible ASCII')
    await restarted()
    const later = await ask('POST', '/api/v1/workloads', { body: RUN, headers })
    expect([later.status, later.text, later.headers['idempotency-replayed']]).toEqual([
      201,
      one?.text,
      'true',
    ])
    const { workloads } = JSON.parse((await ask('GET', '/api/v1/workloads')).text)
    expect(workloads).toHaveLength(1)
  })

  test('connections that ask nothing are so many of an address, and half a request has so much time', async () => {
    const idle: Socket[] = []
    for (let count = 0; count < LIMITS.maxStrangers; count++) {
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      idle.push(socket)
    }
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow()
    const [half] = idle as [Socket, ...Socket[]]
    half.write('GET /healthz HTTP/1.1\r\nHost: 127')
    let said = ''
    half.on('data', (chunk) => {
      said += chunk
    })
    await once(half, 'close')
    expect(said).toContain('408')
    for (const socket of idle) socket.destroy()
  })

  test('a curve is thinned, says who owned its steps, and is asked for within bounds', async () => {
    const { source } = await training()
    source.steps(1, 3, 90)
    await client.steps(87)
    const { status, text } = await ask('GET', '/api/v1/workloads/job/curve?points=50&from=10&to=89')
    const { curve } = JSON.parse(text)
    expect(status).toBe(200)
    expect(curve).toMatchObject({
      firstStep: 0,
      nextStep: 90,
      isWhole: false,
      ranges: [{ epoch: 1, host: 'a', fromStep: 0 }],
    })
    expect(curve.points.length).toBeLessThanOrEqual(50)
    expect([curve.points[0].step, curve.points.at(-1).step]).toEqual([10, 89])
    for (const query of ['points=1', 'points=100000', 'points=x', 'from=-1', 'from=2&to=1', 'step=1'])
      expect(problemIn(await ask('GET', `/api/v1/workloads/job/curve?${query}`)).status, query).toBe(400)
    expect(problemIn(await ask('GET', '/api/v1/workloads/none/curve')).kind).toBe('unknown-workload')
  })

  test('a page of another origin, or under a name that leads here, is refused', async () => {
    const asked = async (headers: Record<string, string>): Promise<number | undefined> => {
      const request = httpRequest({ port, host: '127.0.0.1', path: '/api/v1/hosts', headers }).end()
      const [response] = await once(request, 'response')
      response.resume()
      return response.statusCode
    }
    expect(await asked({ origin: 'https://a.page' })).toBe(403)
    expect(await asked({ host: 'a.page:80' })).toBe(403)
    expect(await asked({ host: `localhost:${port}`, origin: `http://localhost:${port}` })).toBe(200)
  })

  test('health, readiness and metrics', async () => {
    expect(JSON.parse((await ask('GET', '/healthz')).text)).toEqual({ status: 'ok' })
    expect(JSON.parse((await ask('GET', '/readyz')).text)).toEqual({ status: 'ready' })
    await training()
    const { text, headers } = await ask('GET', '/metrics')
    expect(headers['content-type']).toContain('text/plain')
    expect(text).toContain('godwit_hosts{state="connected"} 2')
    expect(text).toContain('godwit_workloads{status="running"} 1')
    // Told with the progress of jobs, a few times a second.
    while (!/godwit_steps_accepted_total 3\b/.test((await ask('GET', '/metrics')).text)) await setImmediate()
    expect(text).toMatch(/godwit_store_commit_duration_seconds_count\{result="ok"\} [1-9]/)
    expect(text).toContain('godwit_migrations_ended_total{status="completed"} 0')
    const names = [...text.matchAll(/^# TYPE (godwit_\w+) (\w+)$/gm)].map(([, name, type]) => [name, type])
    for (const [name, type] of names) if (type === 'counter') expect(name).toMatch(/_total$/)
    expect(names.length).toBeGreaterThan(8)
  })

  test('the description names every route and all it refers to, and its page fetches nothing', async () => {
    const described = JSON.parse((await ask('GET', '/api/v1/openapi.json')).text) as OpenApi
    expect(described.openapi).toBe('3.1.0')
    const operations = Object.values(described.paths).flatMap((methods) => Object.values(methods))
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual(
      [...REST_OPS, ...UPLOAD_OPS].sort(),
    )
    const text = JSON.stringify(described)
    for (const [, name] of text.matchAll(/#\/components\/schemas\/(\w+)/g))
      expect(described.components.schemas).toHaveProperty(name as string)
    expect(text).not.toContain('$defs')
    expect(Object.keys(described.components.schemas.Host?.properties as object)).toEqual(
      Object.keys(hostView.shape),
    )
    const page = await ask('GET', '/api')
    expect(page.headers['content-security-policy']).toContain("default-src 'none'")
    expect(page.text).not.toMatch(/<script|src=|@import|url\(|<link/)
    for (const op of REST_OPS) expect(page.text).toContain(`id="${op}"`)
    expect(page.text).toContain(ROUTES.migrate.path.replace(':workload', '{workload}'))
  })

  test('one that ends answers nobody any more', async () => {
    await coordinator.close()
    await expect(ask('GET', '/healthz')).rejects.toThrow()
  })
})

describe('a secured coordinator', () => {
  let cluster: SecuredCluster
  beforeEach(async () => {
    cluster = await SecuredCluster.start()
  })
  afterEach(() => cluster.end())

  function peer(token?: string): HttpPeer {
    return new HttpPeer(cluster.url, { ...cluster.dialOptions(undefined, token), token })
  }

  test('health is anybody’s, metrics a viewer’s, and a token stands in the header alone', async () => {
    const stranger = peer()
    expect((await stranger.ask({ method: 'GET', path: '/healthz' })).status).toBe(200)
    for (const path of ['/metrics', '/api/v1/hosts', `/api/v1/hosts?token=${cluster.tokens.admin}`])
      expect((await stranger.ask({ method: 'GET', path })).status, path).toBe(401)
    const viewer = peer(cluster.tokens.viewer)
    expect((await viewer.ask({ method: 'GET', path: '/metrics' })).status).toBe(200)
    expect(JSON.parse((await viewer.ask({ method: 'GET', path: '/api/v1/session' })).text).role).toBe(
      'viewer',
    )
    const refused = await viewer.ask({ method: 'POST', path: '/api/v1/workloads/job/stop' })
    expect([refused.status, JSON.parse(refused.text).kind]).toEqual([403, 'forbidden'])
    stranger.close()
    viewer.close()
  })

  test('a key is its owner’s, and the answer that holds a secret is not on the disk', async () => {
    const [admin, operator] = [peer(cluster.tokens.admin), peer(cluster.tokens.operator)]
    const headers = { 'idempotency-key': 'k' }
    const body = { kind: 'join' }
    const create = { method: 'POST', path: '/api/v1/tokens', body, headers }
    const [one, two] = [await admin.ask(create), await admin.ask(create)]
    expect(one.status).toBe(201)
    expect(two.text).toBe(one.text)
    expect((await operator.ask(create)).status).toBe(403)
    const { token } = JSON.parse(one.text)
    for (const { value } of await cluster.store.list('idempotency/'))
      expect(Buffer.from(value).toString('latin1')).not.toContain(token)
    admin.close()
    operator.close()
  })
})
