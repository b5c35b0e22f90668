/**
 * A program and its data on their way to the coordinator: read and cut into chunks, then those sent that it lacks.
 *
 * Nothing is remembered here of an upload that was interrupted: the coordinator says what is missing, each time that it is asked.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type BundleFile,
  type BundleRef,
  bundleBytes,
  chunkRange,
  encodeManifest,
  GodwitError,
  LIMITS,
  parseManifest,
} from '@godwit/protocol'
import type { CoordinatorClient } from './client.ts'

export interface LocalBundle {
  readonly ref: BundleRef
  readonly manifest: Buffer
  /** Where each chunk lies on this machine. */
  readonly places: ReadonlyMap<string, Place>
}

interface Place {
  readonly file: string
  readonly from: number
  readonly length: number
}

type Uploads = Pick<CoordinatorClient, 'putBundle' | 'putChunk'>

/** Told of bytes that are done, of so many. */
export type Progress = (doneBytes: number, bytes: number) => void

/** A chunk that takes longer shares a slow line with no other. */
const SLOW_MS = 1000
/** The coordinator takes so many requests a second and no more. */
const BUSY_MS = 100

/** `files`: where each lies, by its path in the bundle. Errors: `too-large`, `data-missing`, `bad-message` for paths that can't be. */
export async function readBundle(
  { program, files }: { readonly program: string; readonly files: Readonly<Record<string, string>> },
  progress: Progress = () => {},
): Promise<LocalBundle> {
  const places = new Map<string, Place>()
  const cut: BundleFile[] = []
  const sizes = await sizesOf(files)
  const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0)
  if (total > LIMITS.maxBundleBytes) throw tooLarge(sizes, total)
  let done = 0
  for (const [path, file] of Object.entries(files)) {
    const { bytes, chunks } = await opened(file, async (handle) => {
      const bytes = sizes.get(path) ?? 0
      const chunks: string[] = []
      while (chunks.length * LIMITS.bundleChunkBytes < bytes) {
        const range = chunkRange({ bytes }, chunks.length)
        const chunk = digestOf(await readAt(handle, file, range))
        chunks.push(chunk)
        places.set(chunk, { file, ...range })
        done += range.length
        progress(done, total)
      }
      return { bytes, chunks }
    })
    cut.push({ path, bytes, chunks })
  }
  const manifest = encodeManifest({ program, files: cut })
  // What no host would take is refused here.
  const bytes = bundleBytes(parseManifest(manifest))
  return { ref: { digest: digestOf(manifest), bytes }, manifest, places }
}

/** Settles when the coordinator has all of it. Errors: those of the client, `data-missing` for a file that was changed meanwhile. */
export async function uploadBundle(
  client: Uploads,
  { ref, manifest, places }: LocalBundle,
  progress: Progress = () => {},
): Promise<{ sentBytes: number }> {
  const missing = await client.putBundle(ref.digest, manifest)
  const bytes = missing.reduce((sum, chunk) => sum + (places.get(chunk)?.length ?? 0), 0)
  let sentBytes = 0
  let isSlow = false
  const send = async (chunk: string): Promise<void> => {
    const place = places.get(chunk)
    if (place === undefined)
      throw new GodwitError(
        'bad-message',
        `the coordinator wants chunk ${chunk}, which is not of this bundle`,
      )
    const startedMs = performance.now()
    await put(client, chunk, await chunkAt(place, chunk))
    isSlow = performance.now() - startedMs > SLOW_MS
    sentBytes += place.length
    progress(sentBytes, bytes)
  }
  const left = missing[Symbol.iterator]()
  let sending = 0
  let hasFailed = false
  const some = async (): Promise<void> => {
    sending += 1
    try {
      for (const chunk of left) {
        await send(chunk)
        if (hasFailed || (isSlow && sending > 1)) break
      }
    } catch (error) {
      hasFailed = true
      throw error
    } finally {
      sending -= 1
    }
  }
  // One alone shows what the line carries.
  const first = left.next()
  if (first.done !== true) await send(first.value)
  const ended = await Promise.allSettled(Array.from({ length: isSlow ? 1 : LIMITS.maxChunksAtOnce }, some))
  for (const each of ended) if (each.status === 'rejected') throw each.reason
  return { sentBytes }
}

async function put(client: Uploads, chunk: string, bytes: Uint8Array): Promise<void> {
  for (;;) {
    try {
      return await client.putChunk(chunk, bytes)
    } catch (error) {
      if (!(error instanceof GodwitError) || error.kind !== 'too-busy') throw error
      await delay(BUSY_MS)
    }
  }
}

async function sizesOf(files: Readonly<Record<string, string>>): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  for (const [path, file] of Object.entries(files)) {
    sizes.set(path, await opened(file, async (handle) => (await handle.stat()).size))
  }
  return sizes
}

function chunkAt({ file, ...range }: Place, chunk: string): Promise<Buffer> {
  return opened(file, async (handle) => {
    const bytes = await readAt(handle, file, range)
    if (digestOf(bytes) !== chunk) throw changed(file)
    return bytes
  })
}

async function opened<T>(file: string, body: (handle: FileHandle) => Promise<T>): Promise<T> {
  let handle: FileHandle
  try {
    handle = await open(file, 'r')
  } catch (error) {
    throw new GodwitError('data-missing', `${file} can't be read: ${(error as Error).message}`)
  }
  try {
    return await body(handle)
  } finally {
    await handle.close()
  }
}

async function readAt(
  handle: FileHandle,
  file: string,
  { from, length }: Omit<Place, 'file'>,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  for (let read = 0; read < length; ) {
    const { bytesRead } = await handle.read(bytes, read, length - read, from + read)
    if (bytesRead === 0) throw changed(file)
    read += bytesRead
  }
  return bytes
}

function changed(file: string): GodwitError {
  return new GodwitError('data-missing', `${file} was changed while it was read: run it again`)
}

function tooLarge(sizes: ReadonlyMap<string, number>, total: number): GodwitError {
  const [largest = '', bytes = 0] = [...sizes].sort(([, a], [, b]) => b - a)[0] ?? []
  return new GodwitError(
    'too-large',
    `program and data have ${total} bytes (${largest} alone ${bytes}), and a bundle ${LIMITS.maxBundleBytes} at most: put the data on each host, and use --no-bundle`,
  )
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
