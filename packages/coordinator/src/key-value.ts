/**
 * Where the coordinator keeps what must survive it: small records, each changed by compare-and-set.
 *
 * The interface is the smallest that ownership needs, and asynchronous although one implementation lives in this process:
 * a durable or a replicated store comes behind it without touching those who use it.
 *
 * Invariants: revisions grow with every commit over all keys, so that a revision names one value of one key and is
 * never seen again; a compare-and-set succeeds for at most one of those who read the same revision; a commit is there
 * whole or not at all, and once it is answered it stays (as long as this process, or as the disk: the implementation
 * says); watchers hear every change of their prefix, each after it can be read and in the order of revisions.
 */

export interface Entry {
  readonly key: string
  /** The caller's own copy. */
  readonly value: Uint8Array
  readonly revision: number
}

/** One key's part of a commit, and what a watcher hears of it. */
export interface Write {
  readonly key: string
  /** Undefined deletes the key. */
  readonly value: Uint8Array | undefined
  /** The revision that the key must have, `ABSENT` for none; left out, it is written whatever was there. */
  readonly expectedRevision?: number
}

export interface Change {
  readonly key: string
  /** Undefined when the key was deleted. */
  readonly value: Uint8Array | undefined
  readonly revision: number
}

/** What `compareAndSet` expects where nothing is stored yet; no entry has it. */
export const ABSENT = 0

/** Errors of every method: `disk-full`, `store-unusable`. */
export interface KeyValueStore {
  /** `undefined` when nothing is stored under `key`. */
  get(key: string): Promise<Entry | undefined>
  /** All of `writes`, or none of them when a key has another revision than was expected. Returns the new revision, or `undefined`. */
  commit(writes: readonly Write[]): Promise<number | undefined>
  /** Writes whatever was there before. Returns the new revision. */
  put(key: string, value: Uint8Array): Promise<number>
  /** Writes only while the key's revision is `expectedRevision` (`ABSENT` for none). Returns the new revision, or `undefined` when somebody was faster. */
  compareAndSet(key: string, expectedRevision: number, value: Uint8Array): Promise<number | undefined>
  /** Of a key that isn't there too. */
  delete(key: string): Promise<void>
  /** All entries whose key begins with `prefix`, ordered by key. */
  list(prefix: string): Promise<Entry[]>
  /** Tells `listener` of each later change under `prefix`. Returns what ends that; a listener's own error is its loss alone. */
  watch(prefix: string, listener: (change: Change) => void): () => void
  /** What was answered is kept; nothing can be asked any more. */
  close(): Promise<void>
}
