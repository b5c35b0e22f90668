/**
 * Bundles that were uploaded, for the hosts to fetch: manifests and chunks as files named by their SHA-256.
 *
 * Whatever comes is compared with its name before it is kept, and once more as it is read: a disk may change it. A manifest comes first; the
 * chunks that it names are then expected, with their lengths, and nothing else is taken. So an upload that was interrupted goes on by sending the
 * manifest again, which is answered with what is missing.
 *
 * What jobs that are not over need stays. What none needs goes an hour after it was wanted last, or as soon as its room is.
 *
 * Invariants: a file under its name is whole and synced; what is kept and what is expected take no more than `spaceBytes`, in blocks of 4 KiB; a path
 * in a manifest is never used here.
 */
import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crashPoint } from '@godwit/channel'
import {
  type BundleManifest,
  type BundleRef,
  bundleBytes,
  chunksOf,
  GodwitError,
  LIMITS,
  parseManifest,
  sayBytes,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import { SerialQueue } from './serial-queue.ts'

export interface BundleStoreOptions {
  /** Undefined: a temporary one, which goes with the store. */
  readonly folder: string | undefined
  readonly spaceBytes: number
  readonly log: Logger
  /** Puts a new file on the disk; `writeSynced` unless a test has another. */
  readonly write?: (path: string, bytes: Uint8Array) => Promise<void>
  /** Milliseconds since 1970: files say when they were wanted before this coordinator began. */
  now(): number
}

/** What the rest of the coordinator asks of it. */
export interface Bundles {
  /** Errors: `bundle-missing` unless all of it is here, `bad-arguments` for a size that is another. */
  check(bundle: BundleRef): Promise<void>
  /** Removes what is of no use any more. `inUse`: digests of the bundles of jobs that are not over. */
  collect(inUse: ReadonlySet<string>): Promise<void>
}

/** Where nothing can be uploaded: in simulations. */
export const NO_BUNDLES: Bundles = {
  check: async ({ digest }) => {
    throw missing(`bundle ${digest} was never uploaded`)
  },
  collect: async () => {},
}

type Kind = 'chunks' | 'manifests'

interface Blob {
  readonly bytes: number
  /** Otherwise it is expected. */
  isHere: boolean
  wantedMs: number
}

const NAME = /^[0-9a-f]{64}$/
const BLOCK_BYTES = 4096
/** An upload that was interrupted is given so long when its room is needed. A job that has just begun is in `#inUse` by then. */
const LEAST_KEPT_MS = LIMITS.clientPatienceMs

export class BundleStore implements Bundles {
  readonly #options: BundleStoreOptions
  readonly #blobs = { chunks: new Map<string, Blob>(), manifests: new Map<string, Blob>() }
  readonly #queue = new SerialQueue()
  #folder: string | undefined
  #usedBytes = 0
  #inUse: ReadonlySet<string> = new Set()

  private constructor(options: BundleStoreOptions) {
    this.#options = options
  }

  /** With what an earlier coordinator kept in the folder. Errors: `store-unusable`. */
  static open(options: BundleStoreOptions): BundleStore {
    const store = new BundleStore(options)
    if (options.folder !== undefined) store.#use(options.folder)
    return store
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** The digests of chunks that are missing, in the manifest's order. Errors: those of `parseManifest`, `bad-checksum`, `disk-full`. */
  async putManifest(digest: string, bytes: Uint8Array): Promise<string[]> {
    checkDigest(digest, bytes, 'manifest')
    const manifest = parseManifest(bytes)
    const lengths = chunksOf(manifest)
    for (const [chunk, length] of lengths) this.#checkLength(chunk, length)
    await this.#makeRoom(this.#newBytes(digest, bytes.length, lengths))
    if (this.#blobs.manifests.get(digest)?.isHere !== true) await this.#put('manifests', digest, bytes)
    this.#expect(lengths)
    this.#want(digest, lengths.keys())
    return [...lengths.keys()].filter((chunk) => this.#blobs.chunks.get(chunk)?.isHere !== true)
  }

  /** Errors: `bundle-missing` for one that no manifest has announced, `bad-checksum`, `disk-full`. */
  async putChunk(digest: string, bytes: Uint8Array): Promise<void> {
    const known = this.#blobs.chunks.get(digest)
    if (known === undefined) throw missing(`no manifest names chunk ${digest}: upload the manifest first`)
    this.#checkLength(digest, bytes.length)
    checkDigest(digest, bytes, 'chunk')
    if (known.isHere) known.wantedMs = this.#options.now()
    else await this.#put('chunks', digest, bytes)
  }

  /** A chunk or a manifest. Errors: `bundle-missing`, also for one that the disk has changed. */
  async read(digest: string): Promise<Buffer> {
    for (const kind of ['chunks', 'manifests'] as const) {
      const blob = this.#blobs[kind].get(digest)
      if (blob?.isHere !== true) continue
      blob.wantedMs = this.#options.now()
      const bytes = await readFile(this.#path(kind, digest)).catch(() => Buffer.alloc(0))
      if (digestOf(bytes) === digest) return bytes
      this.#options.log.error({ digest, kind }, 'the disk has changed a part of a bundle')
      await this.#drop(kind, digest, () => true)
      break
    }
    throw missing(`the coordinator has no ${digest}: run the program from its file again, which uploads it`)
  }

  async check({ digest, bytes }: BundleRef): Promise<void> {
    const manifest = await this.#manifest(digest)
    const expected = bundleBytes(manifest)
    if (expected !== bytes)
      throw new GodwitError('bad-arguments', `bundle ${digest} has ${expected} bytes, not ${bytes}`)
    const lengths = chunksOf(manifest)
    const absent = [...lengths.keys()].filter((chunk) => this.#blobs.chunks.get(chunk)?.isHere !== true)
    if (absent.length > 0)
      throw missing(`${absent.length} of ${lengths.size} chunks of bundle ${digest} were not uploaded`)
    this.#want(digest, lengths.keys())
    await this.#syncFolders()
  }

  async collect(inUse: ReadonlySet<string>): Promise<void> {
    this.#inUse = inUse
    await this.#collect(LIMITS.keepUnusedChunksMs)
  }

  close(): void {
    if (this.#options.folder === undefined && this.#folder !== undefined)
      rmSync(this.#folder, { recursive: true, force: true })
  }

  async #manifest(digest: string): Promise<BundleManifest> {
    if (this.#blobs.manifests.get(digest)?.isHere !== true) throw missing(`bundle ${digest} was not uploaded`)
    return parseManifest(await this.read(digest))
  }

  /** What no job needs and nobody has wanted for `ageMs`. Reads manifests only where something is that old. */
  async #collect(ageMs: number): Promise<void> {
    const isOld = ({ wantedMs }: Blob): boolean => this.#options.now() - wantedMs >= ageMs
    if (!Object.values(this.#blobs).some((blobs) => [...blobs.values()].some(isOld))) return
    for (const digest of this.#inUse) {
      const manifest = await this.#manifest(digest).catch(() => undefined)
      if (manifest !== undefined) this.#want(digest, chunksOf(manifest).keys())
    }
    for (const kind of ['manifests', 'chunks'] as const) {
      for (const [digest, blob] of [...this.#blobs[kind]].sort(([, a], [, b]) => a.wantedMs - b.wantedMs)) {
        if (!isOld(blob)) break
        await this.#drop(kind, digest, isOld)
      }
    }
  }

  #want(manifest: string, chunks: Iterable<string>): void {
    const nowMs = this.#options.now()
    const touch = (blob: Blob | undefined): void => {
      if (blob !== undefined) blob.wantedMs = nowMs
    }
    touch(this.#blobs.manifests.get(manifest))
    for (const chunk of chunks) touch(this.#blobs.chunks.get(chunk))
  }

  #expect(lengths: ReadonlyMap<string, number>): void {
    const wantedMs = this.#options.now()
    for (const [chunk, bytes] of lengths) {
      if (!this.#blobs.chunks.has(chunk)) this.#add('chunks', chunk, { bytes, isHere: false, wantedMs })
    }
  }

  /** By what another manifest says, or what is here. Errors: `bad-message`. */
  #checkLength(chunk: string, bytes: number): void {
    const known = this.#blobs.chunks.get(chunk)
    if (known === undefined || known.bytes === bytes) return
    throw new GodwitError('bad-message', `chunk ${chunk} has ${known.bytes} bytes, not ${bytes}`)
  }

  #newBytes(digest: string, bytes: number, lengths: ReadonlyMap<string, number>): number {
    let sum = this.#blobs.manifests.has(digest) ? 0 : blocks(bytes)
    for (const [chunk, length] of lengths) if (!this.#blobs.chunks.has(chunk)) sum += blocks(length)
    return sum
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { spaceBytes } = this.#options
    if (this.#usedBytes + bytes > spaceBytes) await this.#collect(LEAST_KEPT_MS)
    if (this.#usedBytes + bytes <= spaceBytes) return
    throw new GodwitError(
      'disk-full',
      `the coordinator has room for ${sayBytes(spaceBytes)} of bundles, ${sayBytes(this.#usedBytes)} are taken, and this upload needs ${sayBytes(bytes)}: stop jobs that are of no use, or start the coordinator with more --bundle-space`,
    )
  }

  async #put(kind: Kind, digest: string, bytes: Uint8Array): Promise<void> {
    const folder = this.#folder ?? this.#use(undefined)
    const path = join(folder, kind, `${randomUUID()}.new`)
    try {
      await (this.#options.write ?? writeSynced)(path, bytes)
      // Not while it is being removed.
      await this.#queue.run(async () => {
        await rename(path, this.#path(kind, digest))
        this.#remove(kind, digest)
        this.#add(kind, digest, { bytes: bytes.length, isHere: true, wantedMs: this.#options.now() })
      })
      crashPoint('after-write:chunk')
    } catch (error) {
      await rm(path, { force: true }).catch(() => {})
      throw diskError(error, folder)
    }
  }

  async #drop(kind: Kind, digest: string, stillHolds: (blob: Blob) => boolean): Promise<void> {
    await this.#queue.run(async () => {
      const blob = this.#blobs[kind].get(digest)
      if (blob === undefined || !stillHolds(blob)) return
      this.#remove(kind, digest)
      await rm(this.#path(kind, digest), { force: true }).catch(() => {})
    })
  }

  #add(kind: Kind, digest: string, blob: Blob): void {
    this.#blobs[kind].set(digest, blob)
    this.#usedBytes += blocks(blob.bytes)
  }

  #remove(kind: Kind, digest: string): void {
    const blob = this.#blobs[kind].get(digest)
    if (blob !== undefined) this.#usedBytes -= blocks(blob.bytes)
    this.#blobs[kind].delete(digest)
  }

  #path(kind: Kind, digest: string): string {
    return join(this.#folder ?? '', kind, digest)
  }

  /** Knows what lies there, and takes away what was being written as an earlier coordinator ended. */
  #use(folder: string | undefined): string {
    try {
      const used = folder ?? mkdtempSync(join(tmpdir(), 'godwit-bundles-'))
      for (const kind of ['chunks', 'manifests'] as const) {
        mkdirSync(join(used, kind), { recursive: true, mode: 0o700 })
        for (const name of readdirSync(join(used, kind))) this.#found(kind, join(used, kind, name), name)
      }
      this.#folder = used
      return used
    } catch (error) {
      throw diskError(error, folder ?? tmpdir())
    }
  }

  #found(kind: Kind, path: string, name: string): void {
    const stat = statSync(path)
    if (NAME.test(name)) this.#add(kind, name, { bytes: stat.size, isHere: true, wantedMs: stat.mtimeMs })
    else rmSync(path, { force: true })
  }

  /** The names in them are on disk. */
  async #syncFolders(): Promise<void> {
    for (const kind of ['chunks', 'manifests'] as const) {
      const folder = await open(join(this.#folder ?? '', kind), 'r')
      try {
        await folder.sync()
      } finally {
        await folder.close()
      }
    }
  }
}

export async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    await file.datasync()
  } finally {
    await file.close()
  }
}

function checkDigest(digest: string, bytes: Uint8Array, what: string): void {
  const found = digestOf(bytes)
  if (found === digest) return
  throw new GodwitError('bad-checksum', `the ${what} that came as ${digest} is ${found}: send it again`)
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function blocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
}

function missing(what: string): GodwitError {
  return new GodwitError('bundle-missing', what)
}

function diskError(error: unknown, folder: string): GodwitError {
  if (error instanceof GodwitError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new GodwitError(
      'disk-full',
      `the coordinator can't write to ${folder}, its disk is full: free some space there, and run it again, which goes on from what was uploaded`,
      { cause: error },
    )
  }
  return new GodwitError('store-unusable', `the coordinator can't keep bundles in ${folder}: ${message}`, {
    cause: error,
  })
}
