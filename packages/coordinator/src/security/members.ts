/**
 * The hosts that have joined, and which of their certificates count. A certificate that the authority signed counts only while its
 * serial stands here: to remove a host is to strike its serials out, and no list of revoked ones has to be kept.
 *
 * A host whose answer was lost asks again with the key that it joined with, and is answered with another certificate: nobody else has that key.
 *
 * Invariants: a name has one member; what was answered is written down.
 */
import { decodeValue, encodeValue, GodwitError, LIMITS } from '@godwit/protocol'
import type { KeyValueStore } from '../key-value.ts'

export interface MemberRecord {
  readonly name: string
  /** Of its certificates, the newest first. */
  readonly serials: readonly string[]
  /** The key that it joined with (`keyDigestOf`), until it has renewed that certificate: then it has shown that it had it. */
  readonly joinKey?: string
  /** Milliseconds since 1970. */
  readonly joinedAtMs: number
}

const keyOf = (name: string): string => `member/${name}`

export interface JoiningHost {
  readonly name: string
  readonly serial: string
  /** `keyDigestOf` its certificate. */
  readonly key: string
  /** Milliseconds since 1970. */
  readonly nowMs: number
}

/** Answers get lost: a host may still use a certificate that was renewed, and renew it once more. */
const MAX_SERIALS = 4

export class Members {
  readonly #store: KeyValueStore
  readonly #records: Map<string, MemberRecord>

  private constructor(store: KeyValueStore, records: readonly MemberRecord[]) {
    this.#store = store
    this.#records = new Map(records.map((record) => [record.name, record]))
  }

  /** Errors: those of the store. */
  static async open(store: KeyValueStore): Promise<Members> {
    const entries = await store.list(keyOf(''))
    return new Members(
      store,
      entries.map(({ value }) => decodeValue(value) as MemberRecord),
    )
  }

  /** Under a name that is free, or once more. Errors: `host-name-taken`, `too-large`, `token-revoked`, those of the store. */
  async join({ name, serial, key, nowMs }: JoiningHost): Promise<void> {
    const known = this.#records.get(name)
    if (known !== undefined && known.joinKey !== key) {
      throw new GodwitError(
        'host-name-taken',
        `${name} is a member of this cluster already: choose another name, or remove that host first (godwit host remove ${name})`,
      )
    }
    if (known === undefined && this.#records.size >= LIMITS.maxMembers) {
      throw new GodwitError(
        'too-large',
        `${LIMITS.maxMembers} hosts have joined, which is the limit: remove some with godwit host remove`,
      )
    }
    const record: MemberRecord =
      known === undefined
        ? { name, serials: [serial], joinKey: key, joinedAtMs: nowMs }
        : { ...known, serials: [serial, ...known.serials].slice(0, MAX_SERIALS) }
    try {
      await this.#keep(record)
    } catch (error) {
      if (known === undefined && this.#records.get(name) === record) this.#records.delete(name)
      throw error
    }
  }

  /** `serial` is of the certificate that takes the place of `shown`. Errors: `token-revoked`, those of the store. */
  async renewed(name: string, shown: string, serial: string): Promise<void> {
    const record = this.#records.get(name)
    if (record === undefined || !record.serials.includes(shown)) throw revoked(name)
    const { joinKey: _, ...rest } = record
    await this.#keep({ ...rest, serials: serialsAfter(record.serials, shown, serial) })
  }

  /** Known before it is written, so that nobody else joins under this name meanwhile. A host that is removed while it is written stays removed. */
  async #keep(record: MemberRecord): Promise<void> {
    const { name } = record
    this.#records.set(name, record)
    await this.#store.put(keyOf(name), encodeValue(record))
    if (!this.#records.has(name)) {
      await this.#store.delete(keyOf(name))
      throw revoked(name)
    }
  }

  /** Errors: `unknown-host`, those of the store. */
  async remove(name: string): Promise<void> {
    const record = this.#records.get(name)
    if (record === undefined) {
      throw new GodwitError(
        'unknown-host',
        `no host ${name} has joined: \`godwit hosts\` shows those there are`,
      )
    }
    // At once: nobody comes in with it while this is written.
    this.#records.delete(name)
    try {
      await this.#store.delete(keyOf(name))
    } catch (error) {
      this.#records.set(name, record)
      throw error
    }
  }

  /** Why the certificate `serial` of host `name` does not count; undefined when it does. */
  refusal(name: string, serial: string): GodwitError | undefined {
    return this.#records.get(name)?.serials.includes(serial) === true ? undefined : revoked(name)
  }
}

/** The one just issued and the one in use always, then the newest of the others. */
export function serialsAfter(serials: readonly string[], shown: string, serial: string): string[] {
  return [...new Set([serial, shown, ...serials])].slice(0, MAX_SERIALS)
}

function revoked(name: string): GodwitError {
  return new GodwitError(
    'token-revoked',
    `${name} was removed from this cluster, or this certificate of it was: to let it in again, start its agent with a new join token (--join)`,
  )
}
