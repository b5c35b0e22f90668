/**
 * The folder in which a host keeps the checkpoint of one workload. At each instant there is one, named by `checkpoint.bin`, or none yet.
 *
 * A new one is first written beside it, then takes its name: segment synced, manifest written under another name and synced, folder synced so
 * that all names are on disk, renamed, folder synced, and only then files that are no longer named removed. Whatever instant a crash
 * falls into, `checkpoint.bin` is the one before or the new one, and every file that it names is there, whole.
 *
 * Invariants: a file that `checkpoint.bin` names is never written to or removed; a worker whose job has gone on elsewhere does not replace
 * what a later epoch wrote here.
 */
import { createHash, type Hash } from 'node:crypto'
import { join } from 'node:path'
import { crashPoint } from '@godwit/channel'
import { type CheckpointManifest, type CheckpointSegment, GodwitError, LIMITS } from '@godwit/protocol'
import {
  decodeManifest,
  encodeManifest,
  epochOf,
  isOfNewerFormat,
  MANIFEST_FILE,
  newManifestFile,
  segmentFile,
  segmentName,
  unusable,
} from './checkpoint-file.ts'
import { type Files, type FileToWrite, isMissing, nodeFiles } from './files.ts'

export class CheckpointFolder {
  readonly #path: string
  readonly #files: Files

  constructor(path: string, files: Files = nodeFiles) {
    this.#path = path
    this.#files = files
  }

  /**
   * Removes what earlier checkpoints left unfinished, and opens a new segment for one of `epoch` that adds to `before`. Throws `checkpoint-failed`
   * when the folder belongs to a later epoch or release.
   */
  async newSegment(epoch: number, before: readonly CheckpointSegment[] = []): Promise<SegmentWriter> {
    await this.#files.makeFolder(this.#path)
    const current = await this.#replaceable(epoch)
    await this.#removeAllBut([...(current?.segments ?? []), ...before], epoch)
    const names = (await this.#files.list(this.#path)).map(segmentName)
    const numbers = names.map((name) => (name?.epoch === epoch ? name.number : 0))
    const file = segmentFile(epoch, Math.max(0, ...numbers) + 1)
    return new SegmentWriter(file, await this.#files.create(join(this.#path, file)))
  }

  /**
   * Makes this the checkpoint. Every segment that it names must be complete. Returns the bytes of the manifest. Throws `checkpoint-failed`
   * when the folder belongs to a later epoch or release. `renaming` is called before the manifest takes its name, from when on it may be the checkpoint whatever
   * fails, and again, with true, when it is.
   */
  async publish(
    manifest: CheckpointManifest,
    renaming: (isDone: boolean) => void = () => {},
  ): Promise<number> {
    await this.#replaceable(manifest.epoch)
    // A later epoch's worker may have taken them for left over.
    const files = new Set(await this.#files.list(this.#path))
    for (const { file } of manifest.segments)
      if (!files.has(file))
        throw new GodwitError('checkpoint-failed', `its file ${file} was removed meanwhile`)
    const bytes = encodeManifest(manifest)
    const path = join(this.#path, newManifestFile(manifest.epoch))
    crashPoint('before-write:checkpoint-manifest')
    const file = await this.#files.create(path)
    try {
      await file.write(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#files.syncFolder(this.#path)
    crashPoint('before-rename:checkpoint-manifest')
    renaming(false)
    await this.#files.rename(path, join(this.#path, MANIFEST_FILE))
    renaming(true)
    crashPoint('after-rename:checkpoint-manifest')
    await this.#files.syncFolder(this.#path)
    crashPoint('after-write:checkpoint-manifest')
    return bytes.length
  }

  /** What the checkpoint doesn't name is of no more use. A file that can't be removed is left to the next checkpoint, which says so. */
  async clean(manifest: CheckpointManifest): Promise<void> {
    await this.#removeAllBut(manifest.segments, manifest.epoch).catch(() => {})
  }

  /** A segment that nobody will name. */
  async discard({ file }: SegmentWriter): Promise<void> {
    await this.#files.remove(join(this.#path, file))
  }

  /** Throws `checkpoint-unusable`, also when there is none, and Node's errors when the disk can't be read. */
  async manifest(): Promise<CheckpointManifest> {
    let bytes: Buffer
    try {
      bytes = await this.#readManifest()
    } catch (error) {
      if (isMissing(error)) unusable('there is none')
      throw error
    }
    return decodeManifest(bytes)
  }

  /** The segment's bytes, piece by piece; each is good until the next. Throws `checkpoint-unusable` unless they are what was written. */
  async *pieces({ file, byteLength, digest }: CheckpointSegment, pieceBytes: number): AsyncGenerator<Buffer> {
    const opened = await this.#files.open(join(this.#path, file)).catch((error: unknown) => {
      if (isMissing(error)) unusable(`its file ${file} is missing`)
      throw error
    })
    try {
      if (opened.byteLength !== byteLength)
        unusable(`its file ${file} has ${opened.byteLength} bytes instead of ${byteLength}`)
      const hash = createHash('sha256')
      const buffer = Buffer.alloc(Math.min(pieceBytes, byteLength))
      for (let at = 0; at < byteLength; ) {
        const read = await opened.read(buffer.subarray(0, byteLength - at), at)
        if (read === 0) unusable(`its file ${file} ends at byte ${at} of ${byteLength}`)
        const piece = buffer.subarray(0, read)
        hash.update(piece)
        at += read
        yield piece
      }
      if (hash.digest('hex') !== digest)
        unusable(`its file ${file} is not what was written: the digest differs`)
    } finally {
      await opened.close()
    }
  }

  /** The checkpoint that one of `epoch` may replace; undefined when there is none that could be used. Throws `checkpoint-failed`. */
  async #replaceable(epoch: number): Promise<CheckpointManifest | undefined> {
    let current: CheckpointManifest
    try {
      const bytes = await this.#readManifest()
      if (isOfNewerFormat(bytes))
        throw new GodwitError(
          'checkpoint-failed',
          'the folder holds a checkpoint of a later release: use that one',
        )
      current = decodeManifest(bytes)
    } catch (error) {
      const isNone = error instanceof GodwitError ? error.kind === 'checkpoint-unusable' : isMissing(error)
      if (isNone) return undefined
      throw error
    }
    if (current.epoch <= epoch) return current
    throw new GodwitError(
      'checkpoint-failed',
      `the folder holds a checkpoint of epoch ${current.epoch}: the job of epoch ${epoch} has gone on elsewhere`,
    )
  }

  async #readManifest(): Promise<Buffer> {
    const file = await this.#files.open(join(this.#path, MANIFEST_FILE))
    try {
      if (file.byteLength > LIMITS.maxCheckpointManifestBytes)
        unusable(
          `its manifest has ${file.byteLength} bytes, the limit is ${LIMITS.maxCheckpointManifestBytes}`,
        )
      const bytes = Buffer.alloc(file.byteLength)
      return bytes.subarray(0, await file.read(bytes, 0))
    } finally {
      await file.close()
    }
  }

  /** Of `epoch` and those before it: a later one's files are not ours. */
  async #removeAllBut(segments: readonly CheckpointSegment[], epoch: number): Promise<void> {
    const named = new Set<string>(segments.map(({ file }) => file))
    const isUseless = (file: string): boolean =>
      (epochOf(file) ?? Number.POSITIVE_INFINITY) <= epoch && !named.has(file)
    const useless = (await this.#files.list(this.#path)).filter(isUseless)
    // Whoever renamed the manifest may have failed to sync it: on disk it may still be the one before, which names what goes.
    if (useless.length > 0) await this.#files.syncFolder(this.#path)
    for (const file of useless) await this.#files.remove(join(this.#path, file))
  }
}

/** A segment being written. */
export class SegmentWriter {
  readonly file: string
  readonly #to: FileToWrite
  readonly #hash: Hash = createHash('sha256')
  #byteLength = 0
  #isOpen = true

  constructor(file: string, to: FileToWrite) {
    this.file = file
    this.#to = to
  }

  async write(bytes: Uint8Array): Promise<void> {
    crashPoint('before-write:checkpoint-segment')
    this.#hash.update(bytes)
    this.#byteLength += bytes.length
    await this.#to.write(bytes)
    crashPoint('after-write:checkpoint-segment')
  }

  /** All of it is on disk. */
  async finish(): Promise<CheckpointSegment> {
    await this.#to.sync()
    await this.close()
    return { file: this.file, byteLength: this.#byteLength, digest: this.#hash.digest('hex') }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    await this.#to.close()
  }
}
