/**
 * A disk in memory that loses at a crash what a real one may: of each file any part of what was added since its last sync, and of each folder
 * any of the names that were made, changed or removed since the folder's last sync. A rename happens or doesn't; nothing is ever half a name.
 *
 * `opsUntilCrash` counts what is asked of it; the operation that it runs out at happens in part, and every one after it is refused.
 */
import { basename, dirname } from 'node:path'
import type { Files } from '../files.ts'

interface Content {
  bytes: Buffer
  syncedBytes: number
}

interface Folder {
  readonly names: Map<string, Content>
  readonly synced: Map<string, Content>
  /** Since the last sync. */
  changes: ((names: Map<string, Content>) => void)[]
}

export class Crash extends Error {}

export class CrashingDisk implements Files {
  readonly #folders = new Map<string, Folder>()
  /** Draws a number below its argument. */
  readonly #draw: (below: number) => number
  opsUntilCrash = Number.POSITIVE_INFINITY

  constructor(draw: (below: number) => number) {
    this.#draw = draw
  }

  /** What the machine finds when it is up again. */
  reboot(): void {
    this.opsUntilCrash = Number.POSITIVE_INFINITY
    for (const folder of this.#folders.values()) {
      for (const change of folder.changes) if (this.#draw(2) === 0) change(folder.synced)
      folder.changes = []
      folder.names.clear()
      for (const [name, content] of folder.synced) {
        const kept = content.syncedBytes + this.#draw(content.bytes.length - content.syncedBytes + 1)
        content.bytes = Buffer.from(content.bytes.subarray(0, kept))
        // Its length may have reached the disk and its bytes not.
        if (this.#draw(4) === 0) content.bytes.fill(0, content.syncedBytes)
        content.syncedBytes = content.bytes.length
        folder.names.set(name, content)
      }
    }
  }

  content(path: string): Buffer | undefined {
    return this.#folder(path).names.get(basename(path))?.bytes
  }

  replace(path: string, bytes: Buffer): void {
    this.#folder(path).names.set(basename(path), { bytes, syncedBytes: bytes.length })
  }

  async makeFolder(path: string): Promise<void> {
    if (!this.#folders.has(path))
      this.#folders.set(path, { names: new Map(), synced: new Map(), changes: [] })
  }

  async list(path: string): Promise<string[]> {
    return [...(this.#folders.get(path)?.names.keys() ?? [])]
  }

  async create(path: string): ReturnType<Files['create']> {
    const content: Content = { bytes: Buffer.alloc(0), syncedBytes: 0 }
    this.#op(() => this.#change(path, (names) => names.set(basename(path), content)))
    return {
      write: async (bytes) =>
        this.#op((isWhole) => {
          const part = isWhole ? bytes : bytes.subarray(0, this.#draw(bytes.length + 1))
          content.bytes = Buffer.concat([content.bytes, part])
        }),
      sync: async () =>
        this.#op((isWhole) => {
          if (isWhole) content.syncedBytes = content.bytes.length
        }),
      close: async () => {},
    }
  }

  async open(path: string): ReturnType<Files['open']> {
    const bytes = this.content(path)
    if (bytes === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' })
    return {
      byteLength: bytes.length,
      read: async (into, position) => bytes.copy(into, 0, position),
      close: async () => {},
    }
  }

  async rename(from: string, to: string): Promise<void> {
    this.#op((isWhole) => {
      if (!isWhole && this.#draw(2) === 0) return
      const content = this.#folder(from).names.get(basename(from)) as Content
      this.#change(to, (names) => {
        names.delete(basename(from))
        names.set(basename(to), content)
      })
    })
  }

  async remove(path: string): Promise<void> {
    this.#op(() => this.#change(path, (names) => names.delete(basename(path))))
  }

  async syncFolder(path: string): Promise<void> {
    this.#op((isWhole) => {
      const folder = this.#folders.get(path)
      if (!isWhole || folder === undefined) return
      for (const change of folder.changes) change(folder.synced)
      folder.changes = []
    })
  }

  #op(act: (isWhole: boolean) => void): void {
    if (this.opsUntilCrash < 0) throw new Crash()
    this.opsUntilCrash -= 1
    act(this.opsUntilCrash >= 0)
    if (this.opsUntilCrash < 0) throw new Crash()
  }

  #change(path: string, change: (names: Map<string, Content>) => void): void {
    const folder = this.#folder(path)
    change(folder.names)
    folder.changes.push(change)
  }

  #folder(path: string): Folder {
    const folder = this.#folders.get(dirname(path))
    if (folder === undefined) throw Object.assign(new Error(`no folder for ${path}`), { code: 'ENOENT' })
    return folder
  }
}
