/**
 * What checkpoints ask of a disk, and no more: so that a test can put one in its place that loses, at a crash, all that a real one may.
 *
 * What a crash may lose: bytes written to a file since its last `sync`, and names made, changed or removed in a folder since its last
 * `syncFolder`, each on its own, in any order.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { GodwitError } from '@godwit/protocol'

export interface FileToWrite {
  /** Adds all of `bytes` at the end. */
  write(bytes: Uint8Array): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

export interface FileToRead {
  readonly byteLength: number
  /** Fills `into` from the file's `position` on; returns how many bytes there were. */
  read(into: Buffer, position: number): Promise<number>
  close(): Promise<void>
}

/** Each rejects with Node's own errors (`code` says which) where the disk does. */
export interface Files {
  /** Makes the folder, for this user alone, if it is not there, and syncs the one that it is in. */
  makeFolder(folder: string): Promise<void>
  list(folder: string): Promise<string[]>
  /** A new and empty file, instead of one that was there under this name. */
  create(path: string): Promise<FileToWrite>
  open(path: string): Promise<FileToRead>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  syncFolder(folder: string): Promise<void>
}

export const nodeFiles: Files = {
  async makeFolder(folder) {
    const first = await mkdir(folder, { recursive: true, mode: 0o700 })
    if (first === undefined) return
    for (let made = folder; ; made = dirname(made)) {
      await nodeFiles.syncFolder(dirname(made))
      if (made === first || dirname(made) === made) return
    }
  },
  list: (folder) => readdir(folder),
  async create(path) {
    const file = await open(path, 'w', 0o600)
    return {
      async write(bytes) {
        for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten
      },
      sync: () => file.sync(),
      close: () => file.close(),
    }
  },
  async open(path) {
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      return {
        byteLength: size,
        async read(into, position) {
          let read = 0
          while (read < into.length) {
            const { bytesRead } = await file.read(into, read, into.length - read, position + read)
            if (bytesRead === 0) break
            read += bytesRead
          }
          return read
        },
        close: () => file.close(),
      }
    } catch (error) {
      await file.close()
      throw error
    }
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  async syncFolder(folder) {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
}

/** Whether this is Node's error for a name that is not there. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT'
}

/** What went wrong while a checkpoint was written, as whoever asked for it is told. */
export function writeError(error: unknown): GodwitError {
  if (error instanceof GodwitError) return error
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new GodwitError(
      'disk-full',
      `the checkpoint found no room on disk (${code}): free as many bytes as the job has memory, the checkpoint before is still valid`,
      { cause: error },
    )
  const why = error instanceof Error ? error.message : String(error)
  return new GodwitError(
    'checkpoint-failed',
    `the checkpoint could not be written, the one before is still valid: ${why}`,
    { cause: error },
  )
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code
}
