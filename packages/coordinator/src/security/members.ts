/**
 * The hosts that have joined, and which of their certificates count. A certificate that the authority signed counts only while its
 * serial stands here: to remove a host is to strike its serials out, and no list of revoked ones has to be kept.
 *
 * Invariants: a name has one member; what was answered is written down.
 */
import { decodeValue, encodeValue, GodwitError, LIMITS } from '@godwit/protocol'
import type { KeyValueStore } from '../key-value.ts'

export interface MemberRecord {
  readonly name: string
  /** Of its certificates, the newest first. */
  readonly serials: readonly string[]
  /** Milliseconds since 1970. */
  readonly joinedAtMs: number
}

const keyOf = (name: string): string => `member/${name}`

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

  /** Errors: `host-name-taken`, `too-large`, those of the store. */
  async add(record: MemberRecord): Promise<void> {
    const { name } = record
    if (this.#records.has(name)) {
      throw new GodwitError(
        'host-name-taken',
        `${name} is a member of this cluster already: choose another name, or remove that host first (godwit host remove ${name})`,
      )
    }
    if (this.#records.size >= LIMITS.maxMembers) {
      throw new GodwitError(
        'too-large',
        `${LIMITS.maxMembers} hosts have joined, which is the limit: remove some with godwit host remove`,
      )
    }
    // Before it is written, so that nobody else joins under this name meanwhile.
    this.#records.set(name, record)
    try {
      await this.#store.put(keyOf(name), encodeValue(record))
    } catch (error) {
      this.#records.delete(name)
      throw error
    }
  }

  /** `serial` is of the certificate that takes the place of `shown`. Errors: `token-revoked`, those of the store. */
  async renewed(name: string, shown: string, serial: string): Promise<void> {
    const record = this.#records.get(name)
    if (record === undefined || !record.serials.includes(shown)) throw revoked(name)
    const renewed = { ...record, serials: serialsAfter(record.serials, shown, serial) }
    // A host that is removed while this is written stays removed.
    this.#records.set(name, renewed)
    await this.#store.put(keyOf(name), encodeValue(renewed))
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
