/**
 * Where the coordinator keeps what must survive it: a few small records, each changed by compare-and-set.
 *
 * The interface is the smallest that ownership needs, and asynchronous although the first implementation lives in
 * this process: a durable or a replicated store comes behind it without touching those who use it.
 *
 * Invariants: revisions grow with every change over all keys, so that a revision names one value of one key and is
 * never seen again; a compare-and-set succeeds for at most one of those who read the same revision; watchers hear
 * every change of their prefix, each after it can be read and in the order of revisions.
 */

export interface Entry {
  readonly key: string
  /** The caller's own copy. */
  readonly value: Uint8Array
  readonly revision: number
}

/** What `compareAndSet` expects where nothing is stored yet; no entry has it. */
export const ABSENT = 0

export interface KeyValueStore {
  /** `undefined` when nothing is stored under `key`. */
  get(key: string): Promise<Entry | undefined>
  /** Writes whatever was there before. Returns the new revision. */
  put(key: string, value: Uint8Array): Promise<number>
  /** Writes only while the key's revision is `expectedRevision` (`ABSENT` for none). Returns the new revision, or `undefined` when somebody was faster. */
  compareAndSet(key: string, expectedRevision: number, value: Uint8Array): Promise<number | undefined>
  /** All entries whose key begins with `prefix`, ordered by key. */
  list(prefix: string): Promise<Entry[]>
  /** Tells `listener` of each later change under `prefix`. Returns what ends that; a listener's own error is its loss alone. */
  watch(prefix: string, listener: (entry: Entry) => void): () => void
}
