/**
 * Asking over HTTP, the same way as sockets are dialled: the same addresses (`ws://`, `wss://`), the same certificates and tokens, and
 * each failure as an error that says what to do. Connections are kept for the next request.
 */
import { Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { GodwitError, LIMITS } from '@godwit/protocol'
import { type DialSecurity, dialOptions } from './secure.ts'
import { dialError } from './sockets.ts'

export interface HttpAccess {
  /** With a `wss:` address: whom we expect there. */
  readonly security?: DialSecurity | undefined
  readonly token?: string | undefined
  /** Requests at once, 32 unless given: more wait for one of them. */
  readonly maxConnections?: number
}

export interface HttpQuestion {
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Bytes as they are, anything else as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

export interface HttpAnswer {
  readonly status: number
  /** Without parameters; empty where there is no body. */
  readonly contentType: string
  readonly bytes: Buffer
  readonly text: string
}

const MAX_CONNECTIONS = 32

/** One whom we ask. */
export class HttpPeer {
  readonly #url: string
  readonly #origin: URL
  readonly #token: string | undefined
  readonly #agent: PlainAgent
  #hasAnswered = false

  /** Errors: `bad-arguments` for what is no address. */
  constructor(url: string, { security, token, maxConnections = MAX_CONNECTIONS }: HttpAccess = {}) {
    if (!/^wss?:/.test(url) || !URL.canParse(url)) {
      throw new GodwitError(
        'bad-arguments',
        `${url} is no WebSocket address: write it like ws://127.0.0.1:7070`,
      )
    }
    this.#url = url
    this.#origin = new URL(url)
    this.#token = token
    const options = { keepAlive: true, maxSockets: maxConnections }
    this.#agent =
      this.#origin.protocol === 'wss:'
        ? new SecureAgent({ ...options, ...(security && dialOptions(security)) })
        : new PlainAgent(options)
  }

  /**
   * Asks, whatever it is answered. What must not be done twice has to be named by its headers: a connection that was closed while it lay
   * idle is noticed only by asking, and then another one is asked over. Errors: `unreachable`, `connection-lost`, `peer-stalled`, `too-large`, those of certificates.
   */
  async ask(question: HttpQuestion): Promise<HttpAnswer> {
    for (;;) {
      const { answer, isStale } = await this.#try(question)
      if (answer !== undefined) return answer
      if (!isStale) throw new GodwitError('connection-lost', `${this.#url} hung up`)
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  #try(question: HttpQuestion): Promise<{ answer?: HttpAnswer; isStale?: boolean }> {
    const { method, path, body, headers = {}, timeoutMs = LIMITS.requestTimeoutMs } = question
    const isBinary = body instanceof Uint8Array
    const content = body === undefined || isBinary ? body : JSON.stringify(body)
    const isSecure = this.#origin.protocol === 'wss:'
    return new Promise((resolve, reject) => {
      const request = (isSecure ? secureRequest : plainRequest)({
        method,
        path,
        agent: this.#agent,
        host: this.#origin.hostname.replace(/^\[|\]$/g, ''),
        port: this.#origin.port === '' ? (isSecure ? 443 : 80) : this.#origin.port,
        headers: {
          ...headers,
          ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
          ...(content !== undefined && {
            'content-type': isBinary ? 'application/octet-stream' : 'application/json',
            'content-length': Buffer.byteLength(content),
          }),
        },
      })
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        request.destroy()
      }, timeoutMs)
      const fail = (error: Error & { code?: string }): void => {
        clearTimeout(timer)
        const isCut = error.code === 'ECONNRESET' || error.code === 'EPIPE'
        if (isLate) reject(new GodwitError('peer-stalled', `no answer within ${timeoutMs / 1000} s`))
        else if (error instanceof GodwitError) reject(error)
        else if (isCut && request.reusedSocket) resolve({ isStale: true })
        else if (isCut && this.#hasAnswered) resolve({})
        else reject(dialError(this.#url, error))
      }
      request.on('error', fail)
      request.on('response', (response) => {
        this.#hasAnswered = true
        const parts: Buffer[] = []
        let length = 0
        response.on('data', (part: Buffer) => {
          parts.push(part)
          length += part.length
          if (length > LIMITS.maxAnswerLength)
            request.destroy(new GodwitError('too-large', 'an answer of more than 8 MiB'))
        })
        response.on('error', fail)
        response.on('end', () => {
          clearTimeout(timer)
          const [contentType = ''] = (response.headers['content-type'] ?? '').split(';')
          resolve({ answer: answerOf(response.statusCode ?? 0, contentType, Buffer.concat(parts)) })
        })
      })
      request.end(content)
    })
  }
}

function answerOf(status: number, contentType: string, bytes: Buffer): HttpAnswer {
  return {
    status,
    contentType,
    bytes,
    get text() {
      return bytes.toString('utf8')
    },
  }
}
