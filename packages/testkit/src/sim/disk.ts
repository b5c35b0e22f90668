/**
 * The coordinator's disk, and a key-value store on it.
 *
 * A commit is answered once it is synced, which takes time; until then a crash may lose it, and everything after it.
 * What was answered stays. A disk that is full refuses every commit and changes nothing. Reads see what is committed,
 * synced or not, as those of a memory-mapped store do.
 */
import type { Entry, KeyValueStore } from '@godwit/coordinator'
import { decodeValue, GodwitError } from '@godwit/protocol'
import type { Process } from './process.ts'
import type { Random } from './random.ts'

type Write = Parameters<KeyValueStore['commit']>[0][number]
type Change = Parameters<Parameters<KeyValueStore['watch']>[1]>[0]

const ABSENT = 0
const SLOWNESS = 100

interface Kept {
  readonly value: Uint8Array
  readonly revision: number
}

interface Commit {
  readonly revision: number
  readonly writes: readonly Write[]
}

/** What survives the process. */
export class Disk {
  readonly #synced = new Map<string, Kept>()
  /** Committed and not synced, oldest first. */
  #unsynced: Commit[] = []
  readonly #random: Random
  revision = ABSENT
  /** While so many faults fill it, nothing is written. */
  #full = 0
  /** So many faults make it slow. */
  #slow = 0
  /** Told of each key once it is safe. */
  readonly #synchronised: (write: Write) => void

  constructor(random: Random, synchronised: (write: Write) => void) {
    this.#random = random
    this.#synchronised = synchronised
  }

  syncMs(): number {
    return this.#random.between(0.3, 3) * (this.#slow > 0 ? SLOWNESS : 1)
  }

  get isFull(): boolean {
    return this.#full > 0
  }

  /** Until what is returned is called. */
  fill(): () => void {
    this.#full += 1
    return () => {
      this.#full -= 1
    }
  }

  /** As `fill`. */
  slowDown(): () => void {
    this.#slow += 1
    return () => {
      this.#slow -= 1
    }
  }

  get(key: string): Kept | undefined {
    for (let index = this.#unsynced.length - 1; index >= 0; index--) {
      const commit = this.#unsynced[index] as Commit
      const write = commit.writes.findLast((each) => each.key === key)
      if (write !== undefined) {
        return write.value === undefined ? undefined : { value: write.value, revision: commit.revision }
      }
    }
    return this.#synced.get(key)
  }

  keys(): string[] {
    const written = this.#unsynced.flatMap(({ writes }) => writes.map(({ key }) => key))
    return [...new Set([...this.#synced.keys(), ...written])].sort()
  }

  commit(writes: readonly Write[]): number {
    this.revision += 1
    this.#unsynced.push({ revision: this.revision, writes })
    return this.revision
  }

  /** Up to and with this commit. */
  sync(revision: number): void {
    while ((this.#unsynced[0]?.revision ?? Number.POSITIVE_INFINITY) <= revision) {
      this.#keep(this.#unsynced.shift() as Commit)
    }
  }

  /** The process died: of what was not synced, the first commits may have reached the disk all the same. */
  crash(): void {
    const kept = this.#random.integer(this.#unsynced.length + 1)
    for (const commit of this.#unsynced.splice(0, kept)) this.#keep(commit)
    this.#unsynced = []
  }

  #keep({ revision, writes }: Commit): void {
    for (const write of writes) {
      if (write.value === undefined) this.#synced.delete(write.key)
      else this.#synced.set(write.key, { value: write.value, revision })
      this.#synchronised(write)
    }
  }
}

/** A state of a migration is acted upon once it is on the disk. */
function statesIn({ key, value }: Write): string[] {
  if (!key.startsWith('migration/') || value === undefined) return []
  return [(decodeValue(value) as { state: { name: string } }).state.name]
}

/** The store as one life of the coordinator sees it. */
export class SimStore implements KeyValueStore {
  readonly #disk: Disk
  readonly #process: Process
  readonly #watchers = new Set<{ prefix: string; listener: (change: Change) => void }>()
  /** Called when somebody who waited goes on. */
  readonly #goesOn: () => void

  constructor(disk: Disk, process: Process, goesOn: () => void) {
    this.#disk = disk
    this.#process = process
    this.#goesOn = goesOn
  }

  async get(key: string): Promise<Entry | undefined> {
    const kept = this.#disk.get(key)
    return kept === undefined ? undefined : { key, value: kept.value.slice(), revision: kept.revision }
  }

  commit(writes: readonly Write[]): Promise<number | undefined> {
    const names = [...new Set(writes.map(({ key }) => key.split('/')[0]))].join('+')
    return new Promise((resolve, reject) => {
      const states = writes.flatMap(statesIn)
      this.#process.point(`before-write:${names}`)
      for (const state of states) this.#process.point(`entering:migration.${state}`)
      // A process that died in the middle is never answered.
      this.#process.leave(() => {
        if (this.#disk.isFull) {
          this.#after(() => reject(new GodwitError('disk-full', 'no space is left on the simulated disk')))
          return
        }
        const isAsExpected = writes.every(
          ({ key, expectedRevision }) =>
            expectedRevision === undefined || (this.#disk.get(key)?.revision ?? ABSENT) === expectedRevision,
        )
        if (!isAsExpected) return resolve(undefined)
        const revision = this.#disk.commit(writes.map((write) => ({ ...write, value: write.value?.slice() })))
        this.#after(() => {
          this.#disk.sync(revision)
          this.#process.point(`after-write:${names}`)
          for (const state of states) this.#process.point(`entered:migration.${state}`)
          this.#process.leave(() => {
            resolve(revision)
            this.#tell(writes, revision)
            this.#goesOn()
          })
        })
      })
    })
  }

  async put(key: string, value: Uint8Array): Promise<number> {
    return (await this.commit([{ key, value }])) as number
  }

  compareAndSet(key: string, expectedRevision: number, value: Uint8Array): Promise<number | undefined> {
    return this.commit([{ key, value, expectedRevision }])
  }

  async delete(key: string): Promise<void> {
    await this.commit([{ key, value: undefined }])
  }

  async list(prefix: string): Promise<Entry[]> {
    return this.#disk
      .keys()
      .filter((key) => key.startsWith(prefix))
      .flatMap((key) => {
        const kept = this.#disk.get(key)
        return kept === undefined ? [] : [{ key, value: kept.value.slice(), revision: kept.revision }]
      })
  }

  watch(prefix: string, listener: (change: Change) => void): () => void {
    const watcher = { prefix, listener }
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  async close(): Promise<void> {}

  #after(action: () => void): void {
    this.#process.after(this.#disk.syncMs(), () => {
      action()
      this.#goesOn()
    })
  }

  #tell(writes: readonly Write[], revision: number): void {
    for (const { key, value } of writes) {
      for (const { prefix, listener } of this.#watchers) {
        if (key.startsWith(prefix)) listener({ key, value, revision })
      }
    }
  }
}
