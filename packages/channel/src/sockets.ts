/**
 * Opening and accepting WebSockets, the same way everywhere: no compression (pages don't compress, and it costs
 * memory), messages limited, and each failure as an error that says what to do.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, get, type Server as SecureServer } from 'node:https'
import { connect, type Socket, type SocketConstructorOpts, type TcpNetConnectOpts } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import {
  ERROR_KINDS,
  type ErrorReport,
  fromErrorReport,
  GodwitError,
  LIMITS,
  toErrorReport,
} from '@godwit/protocol'
import { WebSocket, WebSocketServer } from 'ws'
import { FrameReader } from './frame-reader.ts'
import { isBelow } from './frame-writer.ts'
import {
  type Credentials,
  type DialSecurity,
  dialOptions,
  explainTls,
  PAGE_PROTOCOL,
  type Peer,
  peerOf,
  serverOptions,
  upgradingPeerOf,
} from './secure.ts'

export interface DialOptions {
  maxMessageBytes?: number
  timeoutMs?: number
  /** With a `wss:` address: whom we expect there, and who we are. */
  security?: DialSecurity
  /** Shown in the request, once the other end is known to be who it should be. */
  token?: string
  /** Opens the connection that is upgraded then; by default `ws` does. */
  createConnection?: () => Socket
}

/** What a peer may make of a message, for `ws`. Pings are answered by a `Channel`, which knows when enough answers wait, and by nobody else. */
const FRAMES = {
  maxFragments: LIMITS.maxMessageFragments,
  maxBufferedChunks: LIMITS.maxMessageChunks,
  autoPong: false,
  skipUTF8Validation: true,
} as const

/** Bytes read at once while a connection is upgraded. */
const MAX_HANDSHAKE_BYTES = 4096
/** Characters of a refusal, or of a resource. */
const MAX_ANSWER_LENGTH = 16_384
const REFUSAL = 'application/vnd.godwit.error+json'

/**
 * Dials `url` (`ws://host:port/path`, `wss://...` with `security`, or `ws+unix:/socket/path:/path`). Resolves with an open
 * socket that is paused, so that nothing is lost before somebody listens: a `Channel` resumes it, others call `resume()`.
 * Errors: `bad-arguments`, `unreachable`, what is wrong with the certificates, and what the other end refuses with.
 */
export async function dial(url: string, options: DialOptions = {}): Promise<WebSocket> {
  let socket: WebSocket
  try {
    socket = new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: options.maxMessageBytes ?? LIMITS.maxControlMessageBytes,
      handshakeTimeout: options.timeoutMs ?? LIMITS.connectTimeoutMs,
      ...FRAMES,
      ...(options.security && dialOptions(options.security)),
      ...(options.token !== undefined && { headers: { authorization: `Bearer ${options.token}` } }),
      ...(options.createConnection && { createConnection: options.createConnection }),
    })
  } catch {
    throw new GodwitError(
      'bad-arguments',
      `${url} is no WebSocket address: write it like ws://127.0.0.1:7070`,
    )
  }
  socket.binaryType = 'nodebuffer'
  return new Promise((resolve, reject) => {
    // Stays on for good: an error that nobody listens to would end the process. Closing follows each and says it all.
    socket.on('error', () => {})
    socket.once('open', () => {
      socket.pause()
      resolve(socket)
    })
    socket.once('unexpected-response', (request, response: IncomingMessage) => {
      refusalIn(response).then((refusal) => {
        reject(
          refusal ??
            new GodwitError(
              'unreachable',
              `what answers at ${url} is no Godwit: HTTP status ${response.statusCode}`,
            ),
        )
        request.destroy()
      }, reject)
    })
    socket.once('error', (error) => reject(dialError(url, error)))
  })
}

export function dialError(url: string, error: Error & { code?: string }): GodwitError {
  if (error instanceof GodwitError) return error
  const { code = '' } = error
  if (url.startsWith('wss:') && code !== '') {
    if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'EPROTO') {
      return new GodwitError(
        'insecure',
        `${url} answers without TLS: this is no secured cluster, or another port`,
        {
          cause: error,
        },
      )
    }
    const explained = explainTls(code, `the certificate of ${url}`)
    if (explained.kind !== 'unreachable') return explained
  }
  // A server that speaks TLS hangs up on whoever does not.
  const hint =
    /socket hang up|ECONNRESET/.test(`${error.message} ${code}`) && url.startsWith('ws:')
      ? ' (a secured cluster is dialled at wss://)'
      : ''
  return new GodwitError('unreachable', `nobody answers at ${url}: ${reasonOf(error)}${hint}`, {
    cause: error,
  })
}

/** What `refuse` wrote. */
async function refusalIn(response: IncomingMessage): Promise<GodwitError | undefined> {
  if (response.headers['content-type'] !== REFUSAL) return undefined
  const timer = setTimeout(() => response.destroy(), LIMITS.connectTimeoutMs)
  try {
    const { kind, message } = JSON.parse(await textOf(response)) as ErrorReport
    return Object.hasOwn(ERROR_KINDS, kind) && typeof message === 'string'
      ? fromErrorReport({ kind, message })
      : undefined
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

/** Errors: `too-large`, those of the connection. */
async function textOf(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk
    if (text.length > MAX_ANSWER_LENGTH) {
      response.destroy()
      throw new GodwitError('too-large', 'an answer of more than 16 KiB')
    }
  }
  return text
}

/**
 * Fetches a resource of a listener, whoever it is: what is fetched must be worth nothing to others, and be checked by
 * itself. `url` begins with `wss:`. Errors: `bad-arguments`, `unreachable`, `too-large`.
 */
export async function fetchUnverified(url: string): Promise<string> {
  if (!URL.canParse(url)) {
    throw new GodwitError('bad-arguments', `${url} is no address: write it like wss://host:7070`)
  }
  const at = new URL(url)
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(dialError(url, error))
    const request = get(
      {
        host: at.hostname.replace(/^\[|\]$/g, ''),
        port: at.port === '' ? 443 : at.port,
        path: at.pathname,
        rejectUnauthorized: false,
        agent: false,
        signal: AbortSignal.timeout(LIMITS.connectTimeoutMs),
      },
      (response) => {
        if (response.statusCode !== 200) fail(new Error(`HTTP status ${response.statusCode}`))
        textOf(response).then(resolve, fail)
      },
    )
    request.on('error', fail)
  })
}

export interface BulkHandlers {
  /** A view of the socket's buffer, valid until this returns. */
  message(bytes: Buffer): void
  /** What came is no bulk stream: the connection was cut. */
  failed(error: unknown): void
}

export interface BulkAddress {
  readonly host: string
  readonly port: number
  readonly path: string
  readonly security?: DialSecurity | undefined
}

/**
 * Dials a bulk stream. `ws` opens it; what comes afterwards is read by a `FrameReader`, past `ws`. Sending, and
 * closing, is as with any socket. Errors: as `dial`.
 */
export async function dialBulk(
  { host, port, path, security }: BulkAddress,
  maxMessageBytes: number,
  handlers: BulkHandlers,
): Promise<WebSocket> {
  const reader = new FrameReader(maxMessageBytes, handlers.message)
  let isOpen = false
  const read = (bytes: number): void => {
    try {
      reader.wrote(bytes)
    } catch (error) {
      connection.destroy()
      handlers.failed(error)
    }
  }
  // The answer to the upgrade is for the HTTP parser of `ws`, which keeps what it is given: it gets a copy.
  const handshake = Buffer.alloc(MAX_HANDSHAKE_BYTES)
  const to: TcpNetConnectOpts & SocketConstructorOpts = {
    host,
    port,
    // `ws` listens to it, and takes it back once the connection is open.
    timeout: LIMITS.connectTimeoutMs,
    onread: {
      buffer: () => (isOpen ? reader.space : handshake),
      callback: (bytes, into) => {
        if (!isOpen) connection.push(Buffer.from(handshake.subarray(0, bytes)))
        // The first read after the upgrade: it was begun before.
        else if (into === handshake) read(handshake.copy(reader.space, 0, 0, bytes))
        else read(bytes)
        return true
      },
    },
  }
  const connection: Socket =
    security === undefined ? connect(to) : connectSecurely({ ...to, ...dialOptions(security) })
  const scheme = security === undefined ? 'ws' : 'wss'
  const socket = await dial(`${scheme}://${bracketed(host)}:${port}${path}`, {
    createConnection: () => connection,
  })
  isOpen = true
  socket.on('message', () =>
    handlers.failed(new GodwitError('out-of-order', 'a message before it was asked for')),
  )
  return socket
}

/** As it stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

export interface ListenOptions {
  /** A host and the ports to try in order (0: any free one), or the path of a unix socket. */
  at: { host: string; ports: readonly number[] } | { unixPath: string }
  maxMessageBytes?: number
  /** Connections at once; more are closed unheard. */
  maxConnections?: number
  /** Of one address at once, as long as nobody is let in over them; more are closed unheard. */
  maxStrangers?: number
  /** With it TLS 1.3 is spoken, and a certificate is asked for; without, everything is in the clear. */
  credentials?: Credentials
  /** Who may not come in, and why: told before the connection becomes a WebSocket. Everybody may unless this is given. */
  admit?(peer: Peer, path: string): GodwitError | undefined
  /** Which pages in a browser may not connect, and why: none may unless this is given. Asked before `admit`. */
  page?(request: IncomingMessage, path: string): GodwitError | undefined
  /** What is answered to a plain GET of a path. */
  resource?(path: string): string | undefined
  /** Answers all other requests that are no WebSockets; without it they are told that nothing else is spoken here. */
  http?(request: IncomingMessage, response: ServerResponse, visitor: Visitor): void
  /** A socket has connected; `path` is the request's path. */
  connected(socket: WebSocket, path: string, peer: Peer): void
}

/** Whoever asks by plain HTTP. */
export interface Visitor {
  readonly peer: Peer
  /** Has shown who it is: its connection counts among strangers no more. */
  letIn(): void
}

export interface Listener {
  /** 0 for a unix socket. */
  readonly port: number
  /** What is shown to those who connect from now on. */
  renew(credentials: Credentials): void
  /** Stops listening; connections that haven't closed by themselves after `graceMs` (0 unless given) are cut. */
  close(graceMs?: number): Promise<void>
}

/** Listens for WebSockets. Errors: `port-in-use` when every port is taken, `bad-arguments` for an address that isn't ours. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { at } = options
  const strangers = new Strangers(options.maxStrangers ?? Number.POSITIVE_INFINITY)
  const server = newServer(options, strangers)
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections
  if ('unixPath' in at) await bind(server, { path: at.unixPath })
  else await bindToOneOf(server, at.host, at.ports)
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: options.maxMessageBytes ?? LIMITS.maxControlMessageBytes,
    // What a token was shown in is not said again.
    handleProtocols: (protocols) => (protocols.has(PAGE_PROTOCOL) ? PAGE_PROTOCOL : false),
    ...FRAMES,
  })
  server.on('connection', (socket: Socket) => strangers.came(socket))
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // What a stranger sends may be no WebSocket frames at all, even after we let go of the socket.
    socket.on('error', () => {})
    const path = request.url ?? '/'
    const peer = upgradingPeerOf(request)
    const refused =
      (isPage(request) ? (options.page ?? noPages)(request, path) : undefined) ?? options.admit?.(peer, path)
    if (refused !== undefined) {
      refuse(socket, refused)
      return
    }
    sockets.handleUpgrade(request, socket, head, (opened) => {
      strangers.letIn(socket)
      isBelow(socket, opened)
      opened.binaryType = 'nodebuffer'
      opened.on('error', () => {})
      options.connected(opened, path, peer)
    })
  })
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    renew: (credentials) => {
      if ('setSecureContext' in server) server.setSecureContext(serverOptions(credentials))
    },
    close: async (graceMs = 0) => {
      const cut = (): void => {
        for (const socket of sockets.clients) socket.terminate()
        server.closeAllConnections()
        strangers.cut()
      }
      sockets.close()
      const timer = graceMs > 0 ? setTimeout(cut, graceMs) : undefined
      await new Promise((resolve) => {
        server.close(resolve)
        if (timer === undefined) cut()
      })
      clearTimeout(timer)
    },
  }
}

function newServer(
  { credentials, resource, http }: ListenOptions,
  strangers: Strangers,
): Server | SecureServer {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const found = request.method === 'GET' ? resource?.(request.url ?? '/') : undefined
    // Whoever wants more connects again, and is counted again.
    if (found !== undefined)
      response.writeHead(200, { 'content-type': 'text/plain', connection: 'close' }).end(found)
    else if (http === undefined) response.writeHead(426, { connection: 'close' }).end()
    else http(request, response, { peer: peerOf(request), letIn: () => strangers.letIn(request.socket) })
  }
  const limits = {
    headersTimeout: LIMITS.handshakeTimeoutMs,
    requestTimeout: LIMITS.handshakeTimeoutMs,
    keepAliveTimeout: LIMITS.handshakeTimeoutMs,
    connectionsCheckingInterval: LIMITS.heartbeatIntervalMs,
    maxHeaderSize: LIMITS.maxHeaderBytes,
  }
  if (credentials === undefined) return createServer(limits, answer)
  return createSecureServer(
    {
      ...limits,
      ...serverOptions(credentials),
      requestCert: true,
      // Who has none, or a bad one, is told so by `admit`.
      rejectUnauthorized: false,
      handshakeTimeout: LIMITS.handshakeTimeoutMs,
    },
    answer,
  )
}

/** Browsers say where a page is from (RFC 6455, section 10.2), and nobody else of ours does. */
function isPage({ headers: { origin } }: IncomingMessage): boolean {
  return origin !== undefined
}

/** A page in a browser on this machine reaches what listens on loopback, whoever wrote it, and no rule of the browser's keeps it from opening a WebSocket. */
function noPages(): GodwitError {
  return new GodwitError('forbidden', 'pages in a browser may not connect: use the godwit command')
}

/** Told in the answer to the upgrade, before which nothing of ours was spent on the peer: `dial` throws it. */
function refuse(socket: Socket, error: GodwitError): void {
  const body = JSON.stringify(toErrorReport(error))
  socket.end(
    `HTTP/1.1 403 Forbidden\r\nContent-Type: ${REFUSAL}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
  // Whoever never reads it is cut off.
  const timer = setTimeout(() => socket.destroy(), LIMITS.handshakeTimeoutMs)
  socket.once('close', () => clearTimeout(timer))
}

/** Connections over which nobody was let in yet, counted by address. */
class Strangers {
  readonly #most: number
  readonly #of = new Map<string, Set<Socket>>()

  constructor(most: number) {
    this.#most = most
  }

  came(socket: Socket): void {
    const address = socket.remoteAddress ?? ''
    const known = this.#of.get(address) ?? new Set()
    if (known.size >= this.#most) {
      socket.destroy()
      return
    }
    this.#of.set(address, known.add(socket))
    socket.once('close', () => this.#forget(address, socket))
  }

  /** `socket` as the server has it: below TLS it is known by its own address and port alone. */
  letIn(socket: Socket): void {
    const address = socket.remoteAddress ?? ''
    for (const known of this.#of.get(address) ?? []) {
      if (known === socket || known.remotePort === socket.remotePort) this.#forget(address, known)
    }
  }

  cut(): void {
    for (const sockets of this.#of.values()) for (const socket of sockets) socket.destroy()
  }

  #forget(address: string, socket: Socket): void {
    const known = this.#of.get(address)
    known?.delete(socket)
    if (known?.size === 0) this.#of.delete(address)
  }
}

async function bindToOneOf(server: Server, host: string, ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    try {
      await bind(server, { host, port })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue
      throw new GodwitError('bad-arguments', `can't listen on ${host}:${port}: ${reasonOf(error)}`, {
        cause: error,
      })
    }
  }
  const which = ports.length === 1 ? `port ${ports[0]}` : `ports ${ports[0]} to ${ports.at(-1)}`
  throw new GodwitError(
    'port-in-use',
    `${which} on ${host} ${ports.length === 1 ? 'is' : 'are'} in use: choose another`,
  )
}

function bind(server: Server, where: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

function reasonOf(error: unknown): string {
  // A host name with several addresses fails with one error for each of them and no message of its own.
  if (error instanceof AggregateError && error.message === '') return reasonOf(error.errors[0])
  return (error as Error).message
}
