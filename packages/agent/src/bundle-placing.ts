/**
 * The files of one bundle, put where they belong: what is there stays, what another bundle has is taken from it, the rest is fetched.
 *
 * A file is put together in its place, so that one that was begun is gone on with: each of its chunks is read where it should lie and compared
 * with its name. Once all are right the file is synced and given `WHOLE_S` as its time of change.
 */
import { createHash } from 'node:crypto'
import { constants, lstatSync, mkdirSync, rmSync } from 'node:fs'
import { type FileHandle, link, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { crashPoint } from '@godwit/channel'
import { type BundleFile, chunkRange, GodwitError, LIMITS } from '@godwit/protocol'
import { type BundleSource, throwIfCancelled } from './bundle-source.ts'

/** Nothing is written in 1970: a file with this time was put together and has not been written to since. */
const WHOLE_S = 1

export interface PlacingOptions {
  /** Where the files go. */
  readonly folder: string
  readonly files: readonly BundleFile[]
  /** Other bundles of this host. */
  readonly others: readonly { readonly folder: string; readonly files: readonly BundleFile[] }[]
  readonly source: BundleSource
}

interface Place {
  readonly path: string
  readonly from: number
  readonly length: number
}

/** Two files with the same key have the same bytes. */
export function keyOf({ bytes, chunks }: BundleFile): string {
  return createHash('sha256')
    .update(`${bytes} ${chunks.join(' ')}`)
    .digest('hex')
}

export class Placing {
  readonly #options: PlacingOptions
  /** Whole files of other bundles, by their key. */
  readonly #whole = new Map<string, string>()
  /** Chunks of them. */
  readonly #chunks = new Map<string, Place>()
  #fetchedBytes = 0
  /** In their place, of all files. */
  #placedBytes = 0
  #fetches: (placedBytes: number) => void = () => {}

  constructor(options: PlacingOptions) {
    this.#options = options
    for (const { folder, files } of options.others) {
      for (const file of files) this.#known(join(folder, file.path), file)
    }
  }

  /** What would have to be fetched. */
  async missingBytes(): Promise<number> {
    let missing = 0
    const counted = new Set<string>()
    for (const file of this.#left()) {
      if (this.#whole.has(keyOf(file))) continue
      const right = await this.#rightChunks(file)
      for (const [index, chunk] of file.chunks.entries()) {
        if (right.has(index) || this.#chunks.has(chunk) || counted.has(chunk)) continue
        counted.add(chunk)
        missing += chunkRange(file, index).length
      }
    }
    return missing
  }

  /**
   * Settles when every file is whole. `fetches` is told how much is there, before and after each chunk that is fetched. `files`: how many were
   * not whole before. Errors: those of the source and of the disk.
   */
  async all(
    signal: AbortSignal,
    fetches: (placedBytes: number) => void = () => {},
  ): Promise<{ files: number; fetchedBytes: number }> {
    this.#fetches = fetches
    const left = this.#left()
    this.#placedBytes = bytesOf(this.#options.files) - bytesOf(left)
    const small = left.filter(({ chunks }) => chunks.length < LIMITS.maxChunksAtOnce)
    await atOnce(small, (file) => this.#place(file, signal))
    for (const file of left) if (!small.includes(file)) await this.#place(file, signal)
    return { files: left.length, fetchedBytes: this.#fetchedBytes }
  }

  #left(): BundleFile[] {
    return this.#options.files.filter((file) => !isPlaced(join(this.#options.folder, file.path), file))
  }

  #known(path: string, file: BundleFile): void {
    if (!isPlaced(path, file)) return
    this.#whole.set(keyOf(file), path)
    for (const [index, chunk] of file.chunks.entries())
      this.#chunks.set(chunk, { path, ...chunkRange(file, index) })
  }

  async #place(file: BundleFile, signal: AbortSignal): Promise<void> {
    throwIfCancelled(signal)
    const path = join(this.#options.folder, file.path)
    makeFolders(this.#options.folder, dirname(file.path))
    if (await this.#linked(path, file)) this.#placedBytes += file.bytes
    else await this.#putTogether(path, file, signal)
    this.#known(path, file)
  }

  async #linked(path: string, file: BundleFile): Promise<boolean> {
    const other = this.#whole.get(keyOf(file))
    if (other === undefined) return false
    try {
      rmSync(path, { force: true })
      await link(other, path)
      return isPlaced(path, file)
    } catch {
      // It went, or the file system knows no links: it is copied chunk by chunk.
      return false
    }
  }

  async #putTogether(path: string, file: BundleFile, signal: AbortSignal): Promise<void> {
    const right = await this.#rightChunks(file)
    for (const index of right) this.#placedBytes += chunkRange(file, index).length
    if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) rmSync(path, { recursive: true })
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    try {
      const missing = [...file.chunks.entries()].filter(([index]) => !right.has(index))
      await atOnce(missing, async ([index, chunk]) => {
        const { from, length } = chunkRange(file, index)
        const found = await this.#ofAnother(chunk, length)
        const bytes = found ?? (await this.#fetched(chunk, length, signal))
        await handle.write(bytes, 0, length, from)
        this.#placedBytes += length
        if (found === undefined) this.#fetches(this.#placedBytes)
        crashPoint('after-write:chunk')
      })
      await handle.truncate(file.bytes)
      await handle.chmod(0o400)
      await handle.sync()
      await handle.utimes(WHOLE_S, WHOLE_S)
    } finally {
      await handle.close()
    }
  }

  /** Of a file that was begun: the chunks that lie where they should. */
  async #rightChunks(file: BundleFile): Promise<Set<number>> {
    const right = new Set<number>()
    const path = join(this.#options.folder, file.path)
    const handle = await openFile(path)
    if (handle === undefined) return right
    try {
      for (const [index, chunk] of file.chunks.entries()) {
        const { from, length } = chunkRange(file, index)
        if ((await readChunk(handle, { from, length }, chunk)) !== undefined) right.add(index)
      }
      // Of one that was whole and was written to: it can be written to again.
      await handle.chmod(0o600)
    } finally {
      await handle.close()
    }
    return right
  }

  async #ofAnother(chunk: string, length: number): Promise<Buffer | undefined> {
    const place = this.#chunks.get(chunk)
    if (place === undefined || place.length !== length) return undefined
    const handle = await openFile(place.path)
    try {
      return handle && (await readChunk(handle, place, chunk))
    } finally {
      await handle?.close()
    }
  }

  async #fetched(chunk: string, length: number, signal: AbortSignal): Promise<Buffer> {
    this.#fetches(this.#placedBytes)
    const bytes = await this.#options.source.get(chunk, signal)
    if (bytes.length !== length)
      throw new GodwitError(
        'bad-message',
        `chunk ${chunk} has ${bytes.length} bytes, its manifest says ${length}`,
      )
    this.#fetchedBytes += length
    return bytes
  }
}

function bytesOf(files: readonly BundleFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0)
}

export function isPlaced(path: string, { bytes }: BundleFile): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isFile() === true && stat.size === bytes && stat.mtimeMs === WHOLE_S * 1000
}

/** No link is followed: what lies there and is no folder goes. */
function makeFolders(root: string, below: string): void {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  let path = root
  for (const part of below === '.' ? [] : below.split('/')) {
    path = join(path, part)
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory() === true) continue
    if (stat !== undefined) rmSync(path)
    mkdirSync(path, { mode: 0o700 })
  }
}

async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch {
    return undefined
  }
}

/** Undefined unless these bytes are the chunk. */
async function readChunk(
  handle: FileHandle,
  { from, length }: Pick<Place, 'from' | 'length'>,
  chunk: string,
): Promise<Buffer | undefined> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await handle.read(bytes, 0, length, from)
  const isRight = bytesRead === length && createHash('sha256').update(bytes).digest('hex') === chunk
  return isRight ? bytes : undefined
}

/** A few at a time; the first that fails fails all, once those under way have ended. */
async function atOnce<Item>(items: readonly Item[], body: (item: Item) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]()
  let failed = false
  const one = async (): Promise<void> => {
    for (const item of left) {
      if (failed) return
      try {
        await body(item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: LIMITS.maxChunksAtOnce }, one))
  for (const each of ended) if (each.status === 'rejected') throw each.reason
}
