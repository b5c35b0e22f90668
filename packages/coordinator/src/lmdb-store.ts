/**
 * The durable store: one LMDB file in a folder that one coordinator at a time works in.
 *
 * The intuition: LMDB never overwrites a page that the last commit refers to. A commit writes new pages, syncs them, and then one
 * header that makes them valid, synced as well. So whatever happens in between, whole commits are found. lmdb-js by itself
 * answers *before* the sync (`overlappingSync`); that is switched off here, and each commit is made by a synchronous
 * transaction: its asynchronous ones report a full disk as promises that nobody can catch. A commit takes what the disk takes to sync,
 * 0.3 ms where this was written; all those asked for in one turn of the event loop share one.
 *
 * The socket in the folder (folder-lock.ts) tells a second coordinator to go away. That two never write all the same, each from what
 * it has read, is seen to by the file itself: whoever opens it leaves a name in it, and a transaction that finds another name
 * ends there.
 *
 * Invariants: those of key-value.ts; what was answered survives SIGKILL and power loss; a write that failed left nothing, and one that
 * failed for another reason than a full disk is the last (a sync that failed once can't be asked again).
 */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { crc32 } from 'node:zlib'
import { crashPoint } from '@godwit/channel'
import { GodwitError } from '@godwit/protocol'
import { open, type RootDatabase } from 'lmdb'
import { type FolderLock, lockFolder } from './folder-lock.ts'
import { ABSENT, type Change, type Entry, type KeyValueStore, type Write } from './key-value.ts'
import { damageOf } from './lmdb-file.ts'
import { Watchers } from './watchers.ts'

/** Before each value: its revision and a checksum of the rest. */
const HEADER_BYTES = 12
const ENTRY = 'e/'
const REVISION_KEY = Buffer.from('m/revision')
const HOLDER_KEY = Buffer.from('m/holder')
/** Below so much free space a write that failed failed for want of it. */
const FULL_DISK_BYTES = 4 * 1024 * 1024

interface Waiting {
  readonly writes: readonly Write[]
  done(revision: number | undefined): void
  failed(error: unknown): void
}

export class LmdbStore implements KeyValueStore {
  readonly folder: string
  readonly #lock: FolderLock
  readonly #db: RootDatabase<Buffer, Buffer>
  readonly #holder = randomBytes(16)
  readonly #watchers = new Watchers()
  #waiting: Waiting[] = []
  #broken: GodwitError | undefined

  private constructor(folder: string, lock: FolderLock, db: RootDatabase<Buffer, Buffer>) {
    this.folder = folder
    this.#lock = lock
    this.#db = db
  }

  /** Makes the folder where it is missing. Errors: `store-unusable`, `folder-in-use`, `disk-full`, `bad-arguments`. */
  static async open(path: string): Promise<LmdbStore> {
    const folder = resolve(path)
    let lock: FolderLock | undefined
    try {
      makeFolder(folder)
      lock = await lockFolder(folder)
      const damage = await damageOf(folder)
      if (damage !== undefined) throw new Error(`data.mdb is damaged: ${damage}`)
      const db = open<Buffer, Buffer>({
        path: folder,
        overlappingSync: false,
        encoding: 'binary',
        keyEncoding: 'binary',
      })
      const store = new LmdbStore(folder, lock, db)
      store.#takeOver()
      // The names of new files are in the folder, and that has to be on the disk as well.
      syncFolder(folder)
      return store
    } catch (error) {
      await lock?.release()
      throw storeError(error, folder)
    }
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#mustWork()
    const stored = this.#db.getBinary(keyBytes(key))
    return stored === undefined ? undefined : this.#entry(key, stored)
  }

  commit(writes: readonly Write[]): Promise<number | undefined> {
    return new Promise((done, failed) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#commitWaiting())
      // The caller may go on with its bytes.
      const copies = writes.map((write) => ({ ...write, value: write.value && Uint8Array.from(write.value) }))
      this.#waiting.push({ writes: copies, done, failed })
    })
  }

  async put(key: string, value: Uint8Array): Promise<number> {
    const revision = await this.commit([{ key, value }])
    if (revision === undefined) throw new Error('a write without a condition was refused')
    return revision
  }

  compareAndSet(key: string, expectedRevision: number, value: Uint8Array): Promise<number | undefined> {
    return this.commit([{ key, value, expectedRevision }])
  }

  async delete(key: string): Promise<void> {
    await this.commit([{ key, value: undefined }])
  }

  async list(prefix: string): Promise<Entry[]> {
    this.#mustWork()
    const entries: Entry[] = []
    const start = keyBytes(prefix)
    for (const { key, value } of this.#db.getRange({ start })) {
      if (!key.subarray(0, start.length).equals(start)) break
      entries.push(this.#entry(key.toString('utf8', ENTRY.length), value))
    }
    // LMDB orders by bytes of UTF-8, everybody else here by UTF-16.
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  watch(prefix: string, listener: (change: Change) => void): () => void {
    return this.#watchers.add(prefix, listener)
  }

  async close(): Promise<void> {
    if (this.#waiting.length > 0) this.#commitWaiting()
    if (this.#broken?.message === CLOSED) return
    this.#broken = new GodwitError('store-unusable', CLOSED)
    await this.#db.close()
    await this.#lock.release()
  }

  /** All that is waiting, in one transaction and with one sync. */
  #commitWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    if (waiting.length === 0) return
    const prefixes = new Set(waiting.flatMap(({ writes }) => writes.map(({ key }) => key.split('/', 1)[0])))
    let answers: (readonly Change[] | undefined)[]
    try {
      this.#mustWork()
      for (const prefix of prefixes) crashPoint(`before-write:${prefix}`)
      answers = this.#transact(() => waiting.map(({ writes }) => this.#write(writes)))
      for (const prefix of prefixes) crashPoint(`after-write:${prefix}`)
    } catch (error) {
      const told = storeError(error, this.folder)
      if (told.kind !== 'disk-full') this.#broken ??= told
      for (const { failed } of waiting) failed(told)
      return
    }
    for (const [index, { done }] of waiting.entries()) {
      const changes = answers[index]
      done(changes?.[0]?.revision)
      if (changes !== undefined) this.#watchers.tell(changes)
    }
  }

  /** Inside a transaction. Undefined when an expectation isn't met: then nothing was written. */
  #write(writes: readonly Write[]): readonly Change[] | undefined {
    for (const { key, expectedRevision } of writes) {
      if (expectedRevision === undefined) continue
      const stored = this.#db.getBinary(keyBytes(key))
      const revision = stored === undefined ? ABSENT : this.#entry(key, stored).revision
      if (revision !== expectedRevision) return undefined
    }
    const revision = 1 + (this.#db.getBinary(REVISION_KEY)?.readDoubleLE() ?? ABSENT)
    const counter = Buffer.alloc(8)
    counter.writeDoubleLE(revision)
    this.#db.putSync(REVISION_KEY, counter)
    return writes.map(({ key, value }) => {
      if (value === undefined) this.#db.removeSync(keyBytes(key))
      else this.#db.putSync(keyBytes(key), withHeader(revision, value))
      return { key, value, revision }
    })
  }

  #transact<T>(task: () => T): T {
    return this.#db.transactionSync(() => {
      if (this.#db.getBinary(HOLDER_KEY)?.equals(this.#holder) !== true) {
        throw new GodwitError(
          'folder-in-use',
          `another coordinator has taken over ${this.folder}: this one ends`,
        )
      }
      return task()
    })
  }

  #takeOver(): void {
    this.#db.transactionSync(() => {
      this.#db.putSync(HOLDER_KEY, this.#holder)
    })
  }

  #entry(key: string, stored: Buffer): Entry {
    const value = Uint8Array.from(stored.subarray(HEADER_BYTES))
    if (stored.length < HEADER_BYTES || stored.readUInt32LE(8) !== crc32(value)) {
      throw new GodwitError('store-unusable', `${this.folder}: what is stored under ${key} is damaged`)
    }
    return { key, value, revision: stored.readDoubleLE(0) }
  }

  #mustWork(): void {
    if (this.#broken !== undefined) throw this.#broken
  }
}

const CLOSED = 'the store is closed'

const keyBytes = (key: string): Buffer => Buffer.from(ENTRY + key)

function withHeader(revision: number, value: Uint8Array): Buffer {
  const stored = Buffer.alloc(HEADER_BYTES + value.length)
  stored.writeDoubleLE(revision, 0)
  stored.writeUInt32LE(crc32(value), 8)
  stored.set(value, HEADER_BYTES)
  return stored
}

/** Only for whoever runs the coordinator: secrets of migrations are in it. */
function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  syncFolder(dirname(folder))
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** Any error of the store as one of the world. LMDB calls a full disk an input/output error: the free space tells them apart. */
function storeError(error: unknown, folder: string): GodwitError {
  if (error instanceof GodwitError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT' || isFull(folder)) {
    return new GodwitError(
      'disk-full',
      `nothing can be written to ${folder}, its disk is full: free some space or give another folder with --data-dir`,
      { cause: error },
    )
  }
  return new GodwitError(
    'store-unusable',
    `the store in ${folder} can't be read or written (${message}): repair it, or give another folder with --data-dir`,
    { cause: error },
  )
}

function isFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize < FULL_DISK_BYTES
  } catch {
    return false
  }
}
