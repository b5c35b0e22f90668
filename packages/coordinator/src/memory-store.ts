/**
 * A key-value store in this process: for tests, and for a coordinator whose workloads may end with it.
 *
 * Every method does its work before its first await, so that calls take effect in the order in which they are made.
 * Values are copied on the way in and out: what was read is not changed by a later write.
 */
import { ABSENT, type Entry, type KeyValueStore } from './key-value.ts'

interface Watcher {
  readonly prefix: string
  readonly listener: (entry: Entry) => void
}

export class MemoryStore implements KeyValueStore {
  readonly #entries = new Map<string, Entry>()
  readonly #watchers = new Set<Watcher>()
  #revision = ABSENT

  async get(key: string): Promise<Entry | undefined> {
    const entry = this.#entries.get(key)
    return entry === undefined ? undefined : copyOf(entry)
  }

  async put(key: string, value: Uint8Array): Promise<number> {
    return this.#write(key, value)
  }

  async compareAndSet(key: string, expectedRevision: number, value: Uint8Array): Promise<number | undefined> {
    const revision = this.#entries.get(key)?.revision ?? ABSENT
    return revision === expectedRevision ? this.#write(key, value) : undefined
  }

  async list(prefix: string): Promise<Entry[]> {
    return [...this.#entries.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map(copyOf)
  }

  watch(prefix: string, listener: (entry: Entry) => void): () => void {
    const watcher = { prefix, listener }
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  #write(key: string, value: Uint8Array): number {
    this.#revision += 1
    const entry = { key, value: Uint8Array.from(value), revision: this.#revision }
    this.#entries.set(key, entry)
    // Later, so that a listener that writes can't put its change before the one it was told of.
    queueMicrotask(() => this.#tell(entry))
    return entry.revision
  }

  #tell(entry: Entry): void {
    for (const watcher of this.#watchers) {
      if (!entry.key.startsWith(watcher.prefix)) continue
      try {
        watcher.listener(copyOf(entry))
      } catch {
        // The change is made, whatever a listener thinks of it.
      }
    }
  }
}

function copyOf(entry: Entry): Entry {
  return { ...entry, value: Uint8Array.from(entry.value) }
}
