/** Who is told of a store's changes: each change once, in order, to copies of their own. */
import type { Change } from './key-value.ts'

interface Watcher {
  readonly prefix: string
  readonly listener: (change: Change) => void
}

export class Watchers {
  readonly #watchers = new Set<Watcher>()

  add(prefix: string, listener: (change: Change) => void): () => void {
    const watcher = { prefix, listener }
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  /** Later, so that a listener that writes can't put its change before the one it was told of. */
  tell(changes: readonly Change[]): void {
    if (this.#watchers.size > 0) queueMicrotask(() => this.#tellNow(changes))
  }

  #tellNow(changes: readonly Change[]): void {
    for (const change of changes) {
      for (const { prefix, listener } of this.#watchers) {
        if (!change.key.startsWith(prefix)) continue
        try {
          listener({ ...change, value: change.value && Uint8Array.from(change.value) })
        } catch {
          // The change is made, whatever a listener thinks of it.
        }
      }
    }
  }
}
