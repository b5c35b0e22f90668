/**
 * The tokens of a cluster. A token is shown whole once, to whoever had it made; here only a SHA-256 of its secret is kept, so that
 * whoever reads the store can't use it. A secret of 32 random bytes needs no slower hash.
 *
 * All of them are in memory too: whether somebody may come in is decided at once.
 *
 * Invariants: what was answered is written down; at most `LIMITS.maxTokens` of them, of which expired and revoked ones give way.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import {
  decodeValue,
  encodeValue,
  formatToken,
  GodwitError,
  LIMITS,
  parseToken,
  type Role,
  type TokenKind,
  type TokenView,
} from '@godwit/protocol'
import type { KeyValueStore } from '../key-value.ts'
import { makeTokenId } from '../names.ts'

const keyOf = (id: string): string => `token/${id}`

export interface TokenRecord extends TokenView {
  /** SHA-256 of the secret's text, in hex. */
  readonly secretDigest: string
}

export interface TokenRequest {
  readonly kind: TokenKind
  /** Of an API token. */
  readonly role?: Role | undefined
  readonly name?: string | undefined
  readonly expiresInMs?: number | undefined
}

export interface TokensOptions {
  readonly store: KeyValueStore
  /** Of the authority's certificate (`Token.authority`). */
  readonly fingerprint: string
  /** Milliseconds since 1970. */
  now(): number
}

export class Tokens {
  readonly #options: TokensOptions
  readonly #records: Map<string, TokenRecord>

  private constructor(options: TokensOptions, records: readonly TokenRecord[]) {
    this.#options = options
    this.#records = new Map(records.map((record) => [record.id, record]))
  }

  /** With those that were made earlier. Errors: those of the store. */
  static async open(options: TokensOptions): Promise<Tokens> {
    const entries = await options.store.list(keyOf(''))
    return new Tokens(
      options,
      entries.map(({ value }) => decodeValue(value) as TokenRecord),
    )
  }

  /** Errors: `bad-arguments`, `too-large`, those of the store. */
  async make({ kind, role, name, expiresInMs }: TokenRequest): Promise<{ token: string; view: TokenView }> {
    if ((kind === 'api') !== (role !== undefined)) {
      throw new GodwitError(
        'bad-arguments',
        kind === 'api'
          ? 'an API token needs a role: viewer, operator or admin'
          : 'a join token has no role: it lets a host join, and nothing else',
      )
    }
    const nowMs = this.#options.now()
    await this.#makeRoom(nowMs)
    const secret = randomBytes(32).toString('base64url')
    const record: TokenRecord = {
      id: this.#freeId(),
      kind,
      ...(role !== undefined && { role }),
      ...(name !== undefined && { name }),
      createdAtMs: nowMs,
      expiresAtMs:
        nowMs + (expiresInMs ?? (kind === 'join' ? LIMITS.defaultJoinTokenMs : LIMITS.defaultApiTokenMs)),
      secretDigest: digestOf(secret).toString('hex'),
    }
    await this.#keep(record)
    const token = formatToken({ kind, id: record.id, secret, authority: this.#options.fingerprint })
    return { token, view: viewOf(record) }
  }

  views(): TokenView[] {
    return [...this.#records.values()].map(viewOf)
  }

  /** Of one that is revoked already too. Errors: `bad-arguments` when there is none, those of the store. */
  async revoke(id: string): Promise<TokenView> {
    const record = this.#records.get(id)
    if (record === undefined) {
      throw new GodwitError(
        'bad-arguments',
        `there is no token ${id}: \`godwit token list\` shows those there are`,
      )
    }
    if (record.revokedAtMs !== undefined) return viewOf(record)
    const revoked = { ...record, revokedAtMs: this.#options.now() }
    await this.#keep(revoked)
    return viewOf(revoked)
  }

  /** Whose token this is. Errors: `bad-arguments`, `unauthorized`, `token-expired`, `token-revoked`. */
  check(text: string, kind: TokenKind): TokenView {
    const { id, secret } = parseToken(text, kind)
    const record = this.#records.get(id)
    const refused = verdict(record, { kind, secret, nowMs: this.#options.now() })
    if (refused !== undefined || record === undefined) throw refused
    return viewOf(record)
  }

  /** Why whoever has shown the token `id` may not go on; undefined when nothing is wrong. */
  refusal(id: string): GodwitError | undefined {
    const record = this.#records.get(id)
    return record === undefined ? unknownToken() : timeVerdict(record, this.#options.now())
  }

  async #keep(record: TokenRecord): Promise<void> {
    await this.#options.store.put(keyOf(record.id), encodeValue(record))
    this.#records.set(record.id, record)
  }

  /** Those of no use are kept until then, so that whoever shows one is told what is wrong with it. */
  async #makeRoom(nowMs: number): Promise<void> {
    if (this.#records.size < LIMITS.maxTokens) return
    const useless = [...this.#records.values()].filter((record) => timeVerdict(record, nowMs) !== undefined)
    if (useless.length === 0) {
      throw new GodwitError(
        'too-large',
        `there are ${LIMITS.maxTokens} tokens, which is the limit: revoke some with godwit token revoke`,
      )
    }
    await this.#options.store.commit(useless.map(({ id }) => ({ key: keyOf(id), value: undefined })))
    for (const { id } of useless) this.#records.delete(id)
  }

  #freeId(): string {
    for (;;) {
      const id = makeTokenId()
      if (!this.#records.has(id)) return id
    }
  }
}

/** Why a token that was shown does not count. Only who knows its secret is told what else is wrong with it. */
export function verdict(
  record: TokenRecord | undefined,
  shown: { readonly kind: TokenKind; readonly secret: string; readonly nowMs: number },
): GodwitError | undefined {
  if (record === undefined || record.kind !== shown.kind) return unknownToken()
  if (!timingSafeEqual(digestOf(shown.secret), Buffer.from(record.secretDigest, 'hex'))) return unknownToken()
  return timeVerdict(record, shown.nowMs)
}

function timeVerdict(record: TokenRecord, nowMs: number): GodwitError | undefined {
  const { id, kind, revokedAtMs, expiresAtMs } = record
  const again =
    kind === 'join'
      ? 'ask an admin for a new one (godwit token create)'
      : 'ask an admin for a new one (godwit token create --role ...)'
  if (revokedAtMs !== undefined) {
    return new GodwitError('token-revoked', `token ${id} was revoked at ${instant(revokedAtMs)}: ${again}`)
  }
  if (nowMs >= expiresAtMs) {
    return new GodwitError(
      'token-expired',
      `token ${id} expired at ${instant(expiresAtMs)}, and by the coordinator's clock it is ${instant(nowMs)}: ${again}`,
    )
  }
  return undefined
}

function unknownToken(): GodwitError {
  return new GodwitError(
    'unauthorized',
    'this cluster knows no such token: is it whole, and is it for this cluster?',
  )
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

function viewOf({ secretDigest: _, ...view }: TokenRecord): TokenView {
  return view
}

function instant(atMs: number): string {
  return new Date(atMs).toISOString()
}
