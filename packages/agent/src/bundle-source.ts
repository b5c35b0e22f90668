/**
 * Where the parts of a bundle come from: the coordinator, by HTTP beside the agent's own connection, so that orders do not wait behind data. In a
 * secured cluster the host shows its certificate, as it does there.
 *
 * They come from nowhere else. The host that a job leaves has them too, and may be nearer; but it has other things to do just then, and may be gone.
 *
 * A coordinator that is away is tried until it is back. What it refuses, and what is wrong more than once, ends the fetching.
 */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type DialSecurity, type HttpAnswer, HttpPeer, reconnectDelayMs } from '@godwit/channel'
import {
  AGENT_BLOBS_PATH,
  type ErrorKind,
  fromErrorReport,
  GodwitError,
  LIMITS,
  PROBLEM_TYPE,
  problem,
} from '@godwit/protocol'

export interface BundleSource {
  /** Bytes that have this digest. Errors: `cancelled`, `bundle-missing`, `bad-checksum`, and what the coordinator refuses with. */
  get(digest: string, signal: AbortSignal): Promise<Buffer>
  close(): void
}

/** With which the coordinator is not there, or not yet. */
const AWAY: readonly ErrorKind[] = ['unreachable', 'connection-lost', 'peer-stalled', 'too-busy']
/** How often what came may be something else. */
const TRIES = 3
/** It takes so many requests a second and no more. */
const BUSY_MS = 100

export class CoordinatorSource implements BundleSource {
  readonly #url: string
  readonly #security: () => DialSecurity | undefined
  #peer: HttpPeer | undefined

  /** `security` is asked for each connection that is made after another was lost: certificates are renewed. */
  constructor(coordinatorUrl: string, security: () => DialSecurity | undefined) {
    this.#url = coordinatorUrl.replace(/\/+$/, '')
    this.#security = security
  }

  async get(digest: string, signal: AbortSignal): Promise<Buffer> {
    let wrong = 0
    for (let failures = 0; ; ) {
      throwIfCancelled(signal)
      try {
        const bytes = bytesOf(await this.#ask(digest))
        if (createHash('sha256').update(bytes).digest('hex') === digest) return bytes
        wrong += 1
        if (wrong === TRIES)
          throw new GodwitError(
            'bad-checksum',
            `the coordinator gave other bytes as ${digest}, ${TRIES} times`,
          )
      } catch (error) {
        if (!(error instanceof GodwitError) || !AWAY.includes(error.kind)) throw error
        if (error.kind !== 'too-busy') this.close()
        const waitMs = error.kind === 'too-busy' ? BUSY_MS : reconnectDelayMs(failures++)
        await delay(waitMs, undefined, { signal }).catch(() => {})
      }
    }
  }

  close(): void {
    this.#peer?.close()
    this.#peer = undefined
  }

  #ask(digest: string): Promise<HttpAnswer> {
    this.#peer ??= new HttpPeer(this.#url, {
      security: this.#security(),
      maxConnections: LIMITS.maxChunksAtOnce,
    })
    return this.#peer.ask({ method: 'GET', path: `${AGENT_BLOBS_PATH}/${digest}` })
  }
}

export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new GodwitError('cancelled', 'the bundle is not needed any more')
}

/** Errors: what the coordinator says. */
function bytesOf({ status, contentType, bytes, text }: HttpAnswer): Buffer {
  if (status === 200) return bytes
  const told = contentType === PROBLEM_TYPE ? problem.safeParse(parsed(text)) : undefined
  if (told?.success === true) throw fromErrorReport({ kind: told.data.kind, message: told.data.detail })
  throw new GodwitError('unreachable', `the coordinator answered with HTTP status ${status}`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
