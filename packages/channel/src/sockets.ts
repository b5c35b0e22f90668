/**
 * Opening and accepting WebSockets, the same way everywhere: no compression (pages don't compress, and it costs
 * memory), messages limited, and each failure as an error that says what to do.
 */

import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { GodwitError, LIMITS } from '@godwit/protocol'
import { WebSocket, WebSocketServer } from 'ws'
import { FrameReader } from './frame-reader.ts'

export interface DialOptions {
  maxMessageBytes?: number
  timeoutMs?: number
  /** Opens the connection that is upgraded then; by default `ws` does. */
  createConnection?: () => Socket
}

/** Bytes read at once while a connection is upgraded. */
const MAX_HANDSHAKE_BYTES = 4096

/**
 * Dials `url` (`ws://host:port/path`, or `ws+unix:/socket/path:/path`). Resolves with an open socket that is
 * paused, so that nothing is lost before somebody listens: a `Channel` resumes it, others call `resume()`. Errors: `bad-arguments`, `unreachable`.
 */
export async function dial(url: string, options: DialOptions = {}): Promise<WebSocket> {
  let socket: WebSocket
  try {
    socket = new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: options.maxMessageBytes ?? LIMITS.maxControlMessageBytes,
      handshakeTimeout: options.timeoutMs ?? LIMITS.connectTimeoutMs,
      skipUTF8Validation: true,
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
    socket.once('error', (error) => {
      reject(new GodwitError('unreachable', `nobody answers at ${url}: ${reasonOf(error)}`, { cause: error }))
    })
  })
}

export interface BulkHandlers {
  /** A view of the socket's buffer, valid until this returns. */
  message(bytes: Buffer): void
  /** What came is no bulk stream: the connection was cut. */
  failed(error: unknown): void
}

/**
 * Dials a bulk stream. `ws` opens it; what comes afterwards is read by a `FrameReader`, past `ws`. Sending, and
 * closing, is as with any socket. Errors: as `dial`.
 */
export async function dialBulk(
  at: { host: string; port: number; path: string },
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
  const connection = connect({
    host: at.host,
    port: at.port,
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
  })
  const host = at.host.includes(':') ? `[${at.host}]` : at.host
  const socket = await dial(`ws://${host}:${at.port}${at.path}`, { createConnection: () => connection })
  isOpen = true
  socket.on('message', () =>
    handlers.failed(new GodwitError('out-of-order', 'a message before it was asked for')),
  )
  return socket
}

export interface ListenOptions {
  /** A host and the ports to try in order (0: any free one), or the path of a unix socket. */
  at: { host: string; ports: readonly number[] } | { unixPath: string }
  maxMessageBytes?: number
  /** Connections at once; more are closed unheard. */
  maxConnections?: number
  /** A socket has connected; `path` is the request's path. */
  connected(socket: WebSocket, path: string): void
}

export interface Listener {
  /** 0 for a unix socket. */
  readonly port: number
  /** Stops listening; connections that haven't closed by themselves after `graceMs` (0 unless given) are cut. */
  close(graceMs?: number): Promise<void>
}

/** Listens for WebSockets. Errors: `port-in-use` when every port is taken, `bad-arguments` for an address that isn't ours. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { at } = options
  const server = createServer((_request, response) => response.writeHead(426).end())
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections
  if ('unixPath' in at) await bind(server, { path: at.unixPath })
  else await bindToOneOf(server, at.host, at.ports)
  const sockets = new WebSocketServer({
    server,
    perMessageDeflate: false,
    maxPayload: options.maxMessageBytes ?? LIMITS.maxControlMessageBytes,
    skipUTF8Validation: true,
  })
  sockets.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    socket.binaryType = 'nodebuffer'
    // What a stranger sends may be no WebSocket frames at all, even after we let go of the socket.
    socket.on('error', () => {})
    options.connected(socket, request.url ?? '/')
  })
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    close: async (graceMs = 0) => {
      const cut = (): void => {
        for (const socket of sockets.clients) socket.terminate()
        server.closeAllConnections()
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
