/**
 * The console: the files that its room builds (`packages/console`), to whoever asks for a page. They are anybody's, as the API's description is; what they
 * show is asked for with a token.
 *
 * A path is a file of a name that is spelled out here, or one of the console's own pages, which all are one file: nothing leads out of the
 * folder. Names of what stands in `assets` change with it, so it may be kept for ever; the page itself is asked for again each time.
 */
import type { IncomingMessage } from 'node:http'
import { dirname } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { mime, send } from '@fastify/send'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** It runs and shows what comes from here, asks here alone, and stands in nobody's frame. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')
const HEADERS = {
  'content-security-policy': POLICY,
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  vary: 'accept-encoding',
}

/** Where others than people ask. */
const NO_PAGES = /^(api|metrics|healthz|readyz|agent|join|authority)(\/|$)/
const KEPT = 'public, max-age=31536000, immutable'
/** Those that the build makes, the smaller first. */
const ENCODINGS = { br: '.br', gzip: '.gz' }
const ASSET = /^assets\/\w[\w.-]*$/
/** What stands beside the page: its icon. */
const FILE = /^\w[\w-]*(\.[\w-]+)+$/
const INDEX = 'index.html'

const NOT_BUILT = `The console is not built here. Build it in the folder in which Godwit is installed:

    npm ci && npm run build

It is built by development dependencies (npm ci without --omit=dev). All that it does the API does: /api says what there is.
`

/** Where the console's room builds it. */
export function builtConsole(): string {
  return dirname(fileURLToPath(import.meta.resolve('@godwit/console/index.html')))
}

export interface ConsoleOptions {
  readonly folder: string
  /** Counts whoever asks. Errors: `too-busy`. */
  asked(request: FastifyRequest, reply: FastifyReply): void
  notFound(request: FastifyRequest, reply: FastifyReply): Error
}

/** Answers what nothing else answers. */
export function serveConsole(app: FastifyInstance, { folder, asked, notFound }: ConsoleOptions): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/*',
    config: { op: 'console' },
    handler: async (request, reply) => {
      asked(request, reply)
      const path = (request.params as { '*': string })['*']
      const isAsset = ASSET.test(path)
      if (NO_PAGES.test(path) || (path.startsWith('assets/') && !isAsset)) throw notFound(request, reply)
      const isFile = isAsset || FILE.test(path)
      const sent = await sendFile(folder, isFile ? path : INDEX, request)
      if (sent === undefined && isFile) throw notFound(request, reply)
      reply.headers(HEADERS).header('cache-control', isAsset ? KEPT : 'no-cache')
      if (sent === undefined) return reply.code(503).type('text/plain; charset=utf-8').send(NOT_BUILT)
      return reply.code(sent.statusCode).headers(sent.headers).send(sent.stream)
    },
  })
}

/** Of what is there, as the build has compressed it if whoever asks takes that. Undefined when it is not there. */
async function sendFile(
  folder: string,
  name: string,
  { raw, headers }: FastifyRequest,
): Promise<Sent | undefined> {
  for (const [encoding, ending] of Object.entries(ENCODINGS)) {
    if (!accepts(headers['accept-encoding'], encoding)) continue
    const sent = await sendOne(folder, `${name}${ending}`, raw)
    if (sent !== undefined)
      return {
        ...sent,
        headers: { ...sent.headers, 'content-type': typeOf(name), 'content-encoding': encoding },
      }
  }
  const sent = await sendOne(folder, name, raw)
  return sent && { ...sent, headers: { ...sent.headers, 'content-type': typeOf(name) } }
}

interface Sent {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly stream: Readable
}

async function sendOne(folder: string, name: string, request: IncomingMessage): Promise<Sent | undefined> {
  const sent = await send(request, name, {
    root: folder,
    cacheControl: false,
    acceptRanges: false,
    contentType: false,
  })
  if (sent.type === 'file') return sent
  sent.stream.destroy()
  return undefined
}

function accepts(header: string | string[] | undefined, encoding: string): boolean {
  return String(header ?? '')
    .split(',')
    .some((each) => {
      const [name = '', quality = ''] = each.split(';')
      return name.trim() === encoding && !/^\s*q=0(\.0*)?\s*$/.test(quality)
    })
}

function typeOf(name: string): string {
  const type = mime.getType(name) ?? 'application/octet-stream'
  return /^text\/|javascript|json/.test(type) ? `${type}; charset=utf-8` : type
}
