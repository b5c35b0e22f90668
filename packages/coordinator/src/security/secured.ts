/**
 * The door of a secured cluster. Agents show a certificate of the cluster's authority that still counts, clients an API token, and who
 * wants to join a join token. Here what was shown is looked at; what it means stands in tokens.ts and members.ts.
 *
 * Invariants: nobody is heard on `/agent`, or by what the API has for tokens, before it has shown who it is; a host that was removed has no connection, and
 * a token that was revoked or has expired gets no answer and no event.
 */
import type { Credentials, Peer, WebSocket } from '@godwit/channel'
import {
  API_PREFIX,
  type AuditEntry,
  coordinatorUri,
  EVENTS_PATH,
  type FromJoiner,
  GodwitError,
  hostUri,
  LIMITS,
  parseUri,
  type ToJoiner,
  type TokenView,
} from '@godwit/protocol'
import {
  clusterIdOf,
  fingerprintOf,
  issueCertificate,
  keyDigestOf,
  makeRequest,
  nextLookMs,
  renewalDue,
  serialOf,
} from '@godwit/trust'
import type { Logger } from 'pino'
import type { SecurityHandlers } from '../client-connection.ts'
import type { KeyValueStore } from '../key-value.ts'
import { pageOf } from '../page.ts'
import { type Audit, withOutcome } from './audit-log.ts'
import { ASKED, outcomeOf, whoOf } from './audited.ts'
import type { AuthorityFile } from './authority-file.ts'
import { type AgentPass, type Door, noSuchPath, type Session } from './door.ts'
import { acceptJoiner } from './join-connection.ts'
import { Joiners } from './joiners.ts'
import { Members } from './members.ts'
import { Tokens } from './tokens.ts'

export interface SecuredOptions {
  readonly authority: AuthorityFile
  readonly clusterId: string
  readonly store: KeyValueStore
  readonly audit: Audit
  readonly log: Logger
  /** Milliseconds since 1970. */
  now(): number
}

type End = (error: GodwitError) => void

export class SecuredDoor implements Door {
  readonly #options: SecuredOptions
  readonly #tokens: Tokens
  readonly #members: Members
  #credentials: Credentials
  /** What ends each connection of a host. */
  readonly #agents = new Map<string, Set<End>>()
  readonly #joiners = new Joiners()

  private constructor(options: SecuredOptions, tokens: Tokens, members: Members, credentials: Credentials) {
    this.#options = options
    this.#tokens = tokens
    this.#members = members
    this.#credentials = credentials
  }

  /** Errors: `store-unusable` when folder and store are of two clusters, those of the store. */
  static async open(options: SecuredOptions): Promise<SecuredDoor> {
    const { authority, clusterId, store, now } = options
    const named = clusterIdOf(authority.certificate)
    if (named !== clusterId) {
      throw new GodwitError(
        'store-unusable',
        `the authority in this folder is of cluster ${named}, and its store of ${clusterId}: put together what belongs together`,
      )
    }
    const fingerprint = fingerprintOf(authority.certificate)
    const tokens = await Tokens.open({ store, fingerprint, now })
    return new SecuredDoor(options, tokens, await Members.open(store), await ownCredentials(options))
  }

  get credentials(): Credentials {
    return this.#credentials
  }

  nextLookMs(): number {
    return nextLookMs(this.#credentials.certificate, this.#options.now())
  }

  async renewed(): Promise<Credentials | undefined> {
    if (!renewalDue(this.#credentials.certificate, this.#options.now())) return undefined
    this.#credentials = await ownCredentials(this.#options)
    return this.#credentials
  }

  resource(path: string): string | undefined {
    return path === '/authority' ? this.#options.authority.certificate : undefined
  }

  admit(peer: Peer, path: string): GodwitError | undefined {
    const refused = this.#refusalOf(peer, path)
    if (refused === undefined) return undefined
    const { address } = peer
    const who = peer.member === undefined ? 'unknown' : whoIs(peer.member.uri)
    // No louder: it costs a stranger nothing. The audit log has so many of them a second.
    this.#options.log.debug(
      { address, path: path.slice(0, LIMITS.maxNameLength), kind: refused.kind },
      'not let in',
    )
    void this.#options.audit.noteStranger({
      atMs: this.#options.now(),
      who,
      address,
      action: path === '/agent' ? 'register' : 'connect',
      outcome: refused.kind,
    })
    return refused
  }

  #refusalOf(peer: Peer, path: string): GodwitError | undefined {
    try {
      switch (path) {
        case '/agent':
          this.#hostOf(peer)
          return undefined
        case API_PREFIX:
        case EVENTS_PATH:
          this.#tokenOf(peer)
          return undefined
        case '/join':
          return this.#joiners.refusal(peer.address)
        default:
          return noSuchPath(path)
      }
    } catch (error) {
      if (error instanceof GodwitError) return error
      throw error
    }
  }

  #hostOf({ member, certificateError }: Peer): { host: string; serial: string } {
    if (certificateError !== undefined) throw certificateError
    if (member === undefined) {
      throw new GodwitError(
        'untrusted-peer',
        'no certificate was shown, and this cluster is secured: let the host join it first (godwit agent --join TOKEN)',
      )
    }
    const { clusterId, host } = parseUri(member.uri) ?? {}
    if (clusterId !== this.#options.clusterId || host === undefined) {
      throw new GodwitError('wrong-peer', `agents connect here, and the certificate is for ${member.uri}`)
    }
    const refused = this.#members.refusal(host, member.serial)
    if (refused !== undefined) throw refused
    return { host, serial: member.serial }
  }

  #tokenOf({ token }: Peer): TokenView {
    if (token === undefined) {
      throw new GodwitError(
        'unauthorized',
        'this cluster is secured, and no API token was shown: set GODWIT_TOKEN to one (godwit token create --role operator)',
      )
    }
    return this.#tokens.check(token, 'api')
  }

  session(peer: Peer): Session {
    const { id, role } = this.#tokenOf(peer)
    if (role === undefined) throw new GodwitError('forbidden', `token ${id} has no role`)
    return { who: id, role, address: peer.address, refusal: () => this.#tokens.refusal(id) }
  }

  pass(peer: Peer): AgentPass {
    const { host, serial } = this.#hostOf(peer)
    let renewedAtMs: number | undefined
    return {
      address: peer.address,
      host,
      renew: async (request) => {
        const { now } = this.#options
        if (renewedAtMs !== undefined && Math.abs(now() - renewedAtMs) < LIMITS.minRenewalMs) {
          throw new GodwitError('too-busy', `${host} has been given a certificate less than a minute ago`)
        }
        renewedAtMs = now()
        return this.#renew({ host, serial, request, address: peer.address })
      },
      opened: (end) => {
        const ends = this.#agents.get(host) ?? new Set()
        this.#agents.set(host, ends.add(end))
        return () => {
          ends.delete(end)
          if (ends.size === 0 && this.#agents.get(host) === ends) this.#agents.delete(host)
        }
      },
    }
  }

  async #renew(asked: { host: string; serial: string; request: string; address: string }): Promise<string> {
    const { host, serial, request, address } = asked
    const entry = { who: whoOf(host), address, action: 'renew', host }
    return this.#audited(entry, async () => {
      const certificate = await this.#issue(host, request)
      await this.#members.renewed(host, serial, serialOf(certificate))
      return certificate
    })
  }

  join(socket: WebSocket, { address }: Peer): void {
    const closed = this.#joiners.came(address)
    const join = (question: FromJoiner): Promise<Joined> => this.#join(question, address)
    acceptJoiner(socket, { join, closed }, this.#options.log)
  }

  async #join({ token, name, certificateRequest }: FromJoiner, address: string): Promise<Joined> {
    const { clusterId, now, audit, log } = this.#options
    let shown: TokenView
    try {
      shown = this.#tokens.check(token, 'join')
    } catch (error) {
      // A stranger, who may try as often as it likes.
      await audit.noteStranger({
        atMs: now(),
        who: 'unknown',
        address,
        action: 'join',
        host: name,
        outcome: outcomeOf(error),
      })
      log.debug({ address, host: name, outcome: outcomeOf(error) }, 'a host may not join')
      throw error
    }
    return this.#audited({ who: shown.id, address, action: 'join', host: name }, async () => {
      const certificate = await this.#issue(name, certificateRequest)
      await this.#members.join({
        ...{ name, nowMs: now() },
        serial: serialOf(certificate),
        key: keyDigestOf(certificate),
      })
      log.info({ host: name, address, token: shown.id }, 'a host has joined')
      return { type: 'joined', clusterId, certificate }
    })
  }

  /** On disk before it is done, and how it ended before whoever asked is answered. */
  async #audited<T>(entry: Omit<AuditEntry, 'atMs' | 'outcome'>, act: () => Promise<T>): Promise<T> {
    const { audit, now, log } = this.#options
    const lineOf = (outcome: string): AuditEntry => ({ ...entry, atMs: now(), outcome })
    return withOutcome(audit, log, {
      intent: lineOf(ASKED),
      outcome: (result) => lineOf(outcomeOf(result)),
      act,
    })
  }

  #issue(host: string, request: string): Promise<string> {
    const { authority, clusterId, now } = this.#options
    const uri = hostUri(clusterId, host)
    return issueCertificate({ authority, request, uri, nowMs: now(), ...lifetimeOf(authority) })
  }

  readonly requests: SecurityHandlers = {
    createToken: async ({ kind, role, name, expiresInMs }) =>
      this.#tokens.make({ kind, role, name, expiresInMs }),
    tokens: ({ after, limit }) => {
      const { views, rest } = pageOf(this.#tokens.views(), {
        nameOf: ({ id }) => id,
        viewOf: (view) => view,
        after,
        limit,
      })
      return { tokens: views, ...rest }
    },
    revokeToken: async ({ token }) => ({ token: await this.#tokens.revoke(token) }),
    removeHost: async ({ host }) => {
      await this.#members.remove(host)
      const removed = new GodwitError('token-revoked', `${host} was removed from this cluster`)
      for (const end of [...(this.#agents.get(host) ?? [])]) end(removed)
      return {}
    },
    audit: async ({ limit, workload }) => ({
      entries: await this.#options.audit.latest({ limit, workload }),
    }),
  }
}

type Joined = Extract<ToJoiner, { type: 'joined' }>

/** With a key that is never written down. */
async function ownCredentials({ authority, clusterId, now }: SecuredOptions): Promise<Credentials> {
  const { request, key } = await makeRequest()
  const certificate = await issueCertificate({
    authority,
    request,
    uri: coordinatorUri(clusterId),
    names: [...new Set(['localhost', '127.0.0.1', ...authority.addresses])],
    nowMs: now(),
    ...lifetimeOf(authority),
  })
  return { certificate, key, authority: authority.certificate }
}

function lifetimeOf({ certificateMs }: AuthorityFile): { lifetimeMs?: number } {
  return certificateMs === undefined ? {} : { lifetimeMs: certificateMs }
}

function whoIs(uri: string): string {
  const { host } = parseUri(uri) ?? {}
  return host === undefined ? 'unknown' : whoOf(host)
}
