/**
 * Goal: the console's files and nothing beside them, kept by browsers exactly as long as they may be, under a policy that runs nothing else.
 * Method: a folder as a build leaves it, a real coordinator, raw requests whose paths nobody tidies up.
 */
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { PROBLEM_TYPE } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Coordinator, startCoordinator } from '../coordinator.ts'

const PAGE =
  '<!doctype html><title>Godwit</title><script type="module" src="/assets/index-Ab1_x-9.js"></script>'
const SCRIPT = 'console.log(1)\n'.repeat(100)

let folder: string
let consoleFolder: string
let coordinator: Coordinator

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-console-'))
  writeFileSync(join(folder, 'secret.txt'), 'secret')
  consoleFolder = join(folder, 'dist')
  coordinator = await startCoordinator({ port: 0, consoleFolder })
})
afterEach(async () => {
  await coordinator.close()
  rmSync(folder, { recursive: true })
})

function build(): void {
  mkdirSync(join(consoleFolder, 'assets'), { recursive: true })
  for (const [name, text] of [
    ['index.html', PAGE],
    ['godwit.svg', '<svg/>'],
    ['assets/index-Ab1_x-9.js', SCRIPT],
  ] as const) {
    writeFileSync(join(consoleFolder, name), text)
    writeFileSync(join(consoleFolder, `${name}.gz`), gzipSync(text))
    writeFileSync(join(consoleFolder, `${name}.br`), brotliCompressSync(text))
  }
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

async function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const asked = httpRequest({ port: coordinator.port, host: '127.0.0.1', path, headers, method }).end()
  const [response] = await once(asked, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }
}

test.each(['/', '/jobs/digits', '/jobs/a.b/moves/m-1?tab=rounds', '/hosts/a.rack.1', '/tasks'])(
  '%s is the page, asked for again each time',
  async (path) => {
    build()
    const { status, headers, body } = await get(path)
    expect([status, body.toString()]).toEqual([200, PAGE])
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(headers['cache-control']).toBe('no-cache')
    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    })
    expect(headers['set-cookie']).toBeUndefined()
  },
)

test('an asset is kept for ever, travels compressed as whoever asks likes it, and is known by its tag', async () => {
  build()
  const path = '/assets/index-Ab1_x-9.js'
  const plain = await get(path)
  expect([plain.status, plain.body.toString()]).toEqual([200, SCRIPT])
  expect(plain.headers).toMatchObject({
    'cache-control': 'public, max-age=31536000, immutable',
    'content-type': 'application/javascript; charset=utf-8',
    vary: 'accept-encoding',
  })
  const brotli = await get(path, { 'accept-encoding': 'gzip, deflate, br;q=0.9' })
  expect(brotli.headers).toMatchObject({
    'content-encoding': 'br',
    'content-length': String(brotliCompressSync(SCRIPT).length),
    'content-type': 'application/javascript; charset=utf-8',
  })
  expect(brotliDecompressSync(brotli.body).toString()).toBe(SCRIPT)
  const gzip = await get(path, { 'accept-encoding': 'gzip, br;q=0' })
  expect([gzip.headers['content-encoding'], gunzipSync(gzip.body).toString()]).toEqual(['gzip', SCRIPT])
  const known = await get(path, { 'accept-encoding': 'br', 'if-none-match': String(brotli.headers.etag) })
  expect([known.status, known.body.length]).toEqual([304, 0])
  const other = await get(path, { 'if-none-match': String(brotli.headers.etag) })
  expect([other.status, other.body.toString()]).toEqual([200, SCRIPT])
  const head = await get(path, { 'accept-encoding': 'br' }, 'HEAD')
  expect([head.status, head.body.length, head.headers.etag, head.headers['content-length']]).toEqual([
    200,
    0,
    brotli.headers.etag,
    brotli.headers['content-length'],
  ])
})

test('what only was built without its compressed twins is sent as it is', async () => {
  build()
  writeFileSync(join(consoleFolder, 'late.txt'), 'late')
  const { headers, body } = await get('/late.txt', { 'accept-encoding': 'br, gzip' })
  expect([headers['content-encoding'], body.toString()]).toEqual([undefined, 'late'])
})

test.each([
  '/../secret.txt',
  '/assets/../../secret.txt',
  '/assets/..%2f..%2fsecret.txt',
  '/assets/%2e%2e/%2e%2e/secret.txt',
  '/..%5csecret.txt',
  '/assets/..\\..\\secret.txt',
  '/%00/../secret.txt',
  '//secret.txt',
  '/assets/%252e%252e%252fsecret.txt',
])('%s leads nowhere', async (path) => {
  build()
  const { status, body } = await get(path)
  expect(body.toString()).not.toContain('secret\n')
  expect(body.toString()).not.toBe('secret')
  // The page says itself that there is nothing; all else is refused.
  if (status === 200) expect(body.toString()).toBe(PAGE)
  else expect([400, 404]).toContain(status)
})

test.each([
  '/api/v1/nothing',
  '/api/nothing',
  '/api/',
  '/metrics/x',
  '/healthz/',
  '/agent',
  '/assets/none.js',
  '/none.svg',
])('%s is no page: it is told as a problem', async (path) => {
  build()
  const { status, headers, body } = await get(path, { accept: 'text/html' })
  expect(status).toBe(404)
  expect(headers['content-type']).toContain(PROBLEM_TYPE)
  expect(headers['cache-control']).toBe('no-store')
  expect(JSON.parse(body.toString()).detail).toContain('there is nothing at')
})

test('nothing but GET and HEAD is answered', async () => {
  build()
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
    expect((await get('/', {}, method)).status).toBe(404)
})

test('where it is not built, one is told what builds it, and that there is an API; once it is, it is there', async () => {
  const { status, headers, body } = await get('/jobs/digits')
  expect(status).toBe(503)
  expect(headers['content-type']).toContain('text/plain')
  expect(body.toString()).toContain('npm run build')
  expect((await get('/api')).status).toBe(200)
  build()
  expect((await get('/jobs/digits')).body.toString()).toBe(PAGE)
})
