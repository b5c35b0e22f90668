/**
 * The host's certificate, renewed before it expires: asked for over the connection that the old one opened, answered with the
 * next. The key is a new one each time, made here, and is written together with its certificate or not at all.
 *
 * Asked again when an answer has not come: at the next look, or when the host registers again, though not at once, since a coordinator
 * that can't answer ends the connection. Only the newest key counts.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Credentials } from '@godwit/channel'
import { type FromAgent, GodwitError, LIMITS } from '@godwit/protocol'
import {
  makeRequest,
  membershipIn,
  membershipOf,
  nextLookMs,
  renewalDue,
  writeCredentials,
} from '@godwit/trust'
import type { Logger } from 'pino'

export interface RenewalOptions {
  /** Of the host's credentials. */
  readonly folder: string
  send(message: FromAgent): void
  readonly log: Logger
}

export class Renewal {
  readonly #options: RenewalOptions
  #timer: NodeJS.Timeout | undefined
  #key: string | undefined
  #askedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: RenewalOptions) {
    this.#options = options
    this.#lookLater()
  }

  /** Asks for the next certificate if it is time. What goes wrong is logged: the old one is good for a while. */
  async look(nowMs = Date.now()): Promise<void> {
    const { folder, send, log } = this.#options
    try {
      const { credentials } = membershipIn(folder)
      if (!renewalDue(credentials.certificate, nowMs)) return
      // A clock that was set back is no reason to wait for it.
      if (Math.abs(nowMs - this.#askedAtMs) < LIMITS.minRenewalMs) return
      this.#askedAtMs = nowMs
      const { request, key } = await makeRequest()
      this.#key = key
      send({ type: 'renewCertificate', certificateRequest: request })
      log.info('asking for the next certificate of this host')
    } catch (error) {
      log.error({ error: (error as Error).message }, 'the certificate of this host could not be renewed')
    }
  }

  /** What nobody asked for, or what is another's, changes nothing. */
  received(certificate: string): void {
    const { folder, log } = this.#options
    try {
      const key = this.#key
      if (key === undefined) throw new GodwitError('out-of-order', 'it was not asked for')
      const { credentials, host } = membershipIn(folder)
      const next = { ...credentials, certificate, key }
      checkNext(next, host)
      writeCredentials(folder, next)
      this.#key = undefined
      log.info('the certificate of this host was renewed')
    } catch (error) {
      log.error({ error: (error as Error).message }, 'a certificate that came was not taken')
    }
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => {
      this.#lookLater()
      void this.look()
    }, this.#nextLookMs()).unref()
  }

  #nextLookMs(): number {
    try {
      return nextLookMs(membershipIn(this.#options.folder).credentials.certificate, Date.now())
    } catch {
      return LIMITS.certificateCheckMs
    }
  }
}

/** Errors: `untrusted-peer`. */
function checkNext(next: Credentials, host: string): void {
  const isOfHost = membershipOf(next).host === host
  const certificate = new X509Certificate(next.certificate)
  const isOurs = isOfHost && certificate.checkPrivateKey(createPrivateKey(next.key))
  if (isOurs && certificate.verify(new X509Certificate(next.authority).publicKey)) return
  throw new GodwitError('untrusted-peer', 'it is of another authority, host or key')
}
