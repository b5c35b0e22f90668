/**
 * A key-value store in this process: for tests, and for a coordinator whose workloads may end with it.
 *
 * Every method does its work before its first await, so that calls take effect in the order in which they are made.
 * Values are copied on the way in and out: what was read is not changed by a later write.
 */
import { ABSENT, type Change, type Entry, type KeyValueStore, type Write } from './key-value.ts'
import { Watchers } from './watchers.ts'

export class MemoryStore implements KeyValueStore {
  readonly #entries = new Map<string, Entry>()
  readonly #watchers = new Watchers()
  #revision = ABSENT

  async get(key: string): Promise<Entry | undefined> {
    const entry = this.#entries.get(key)
    return entry === undefined ? undefined : copyOf(entry)
  }

  async commit(writes: readonly Write[]): Promise<number | undefined> {
    for (const { key, expectedRevision } of writes) {
      if (expectedRevision === undefined) continue
      if ((this.#entries.get(key)?.revision ?? ABSENT) !== expectedRevision) return undefined
    }
    return this.#write(writes)
  }

  async put(key: string, value: Uint8Array): Promise<number> {
    return this.#write([{ key, value }])
  }

  compareAndSet(key: string, expectedRevision: number, value: Uint8Array): Promise<number | undefined> {
    return this.commit([{ key, value, expectedRevision }])
  }

  async delete(key: string): Promise<void> {
    this.#write([{ key, value: undefined }])
  }

  async list(prefix: string): Promise<Entry[]> {
    return [...this.#entries.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map(copyOf)
  }

  watch(prefix: string, listener: (change: Change) => void): () => void {
    return this.#watchers.add(prefix, listener)
  }

  async close(): Promise<void> {}

  #write(writes: readonly Write[]): number {
    this.#revision += 1
    const revision = this.#revision
    const changes: Change[] = writes.map(({ key, value }) => ({
      key,
      value: value && Uint8Array.from(value),
      revision,
    }))
    for (const { key, value } of changes) {
      if (value === undefined) this.#entries.delete(key)
      else this.#entries.set(key, { key, value, revision })
    }
    this.#watchers.tell(changes)
    return revision
  }
}

function copyOf(entry: Entry): Entry {
  return { ...entry, value: Uint8Array.from(entry.value) }
}
