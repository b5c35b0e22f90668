/**
 * A bundle: a program and its data, as they go to hosts that have neither. Files are cut into chunks that are named by their SHA-256, and a
 * manifest says which chunks make which file; the SHA-256 of the manifest's bytes names the bundle.
 *
 * Chunks have one size. Cutting where the content says (a rolling hash) would find again what has moved within a file; programs are a chunk or
 * two, and data sets are replaced or appended to, not inserted into. The size is what a request's body may have.
 *
 * What a manifest says is checked before anything is made of it: a path stays below the folder that it is put into, whatever it says.
 */
import { z } from 'zod'
import { count, digest } from './common.ts'
import { GodwitError } from './errors.ts'
import { LIMITS } from './limits.ts'

/** Of Linux's file systems. */
const MAX_NAME_LENGTH = 255
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is kept out.
const UNPLAIN = /[\u0000-\u001f\u007f\\]/

/** A bundle, as those speak of it who do not look into it. `bytes` are those of its files. */
export const bundleRef = z.strictObject({ digest, bytes: count.max(LIMITS.maxBundleBytes) })
export type BundleRef = z.infer<typeof bundleRef>

/** How much of a bundle a host has that fetches it. */
export const bundleProgress = z.strictObject({ bytes: count, ofBytes: count })
export type BundleProgress = z.infer<typeof bundleProgress>

/** Below the folder of the bundle, with `/` between its parts. */
export const bundlePath = z
  .string()
  .max(LIMITS.maxBundlePathLength)
  .refine(isPlainPath, 'a relative path of plain names, without . and .. and backslashes')

const bundleFile = z.strictObject({
  path: bundlePath,
  bytes: count.max(LIMITS.maxBundleBytes),
  /** Each of `bundleChunkBytes`, and the last one of what is left. */
  chunks: z.array(digest).max(Math.ceil(LIMITS.maxBundleBytes / LIMITS.bundleChunkBytes)),
})
export type BundleFile = z.infer<typeof bundleFile>

export const bundleManifest = z.strictObject({
  format: z.literal(1),
  /** The file that is the program. */
  program: bundlePath,
  files: z.array(bundleFile).min(1).max(LIMITS.maxBundleFiles),
})
export type BundleManifest = z.infer<typeof bundleManifest>

/** What a manifest is answered with as it is uploaded: chunks that are not there yet. */
export const missingChunks = z.strictObject({
  missing: z.array(digest).max(Math.ceil(LIMITS.maxBundleBytes / LIMITS.bundleChunkBytes)),
})

/** Where bundles and chunks are uploaded, by an operator: `PUT`, bytes. */
export const BUNDLES_PATH = '/api/v1/bundles'
export const CHUNKS_PATH = '/api/v1/chunks'
/** Where agents fetch both: `GET`, bytes; in a secured cluster by the host's certificate. */
export const AGENT_BLOBS_PATH = '/agent/blobs'

/** With its files by path, so that the same ones make the same bundle. */
export function encodeManifest({ program, files }: Omit<BundleManifest, 'format'>): Buffer {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1))
  return Buffer.from(
    JSON.stringify({
      format: 1,
      program,
      files: sorted.map(({ path, bytes, chunks }) => ({ path, bytes, chunks })),
    }),
  )
}

/** Errors: `too-large`, `bad-message` with what is wrong. */
export function parseManifest(bytes: Uint8Array): BundleManifest {
  if (bytes.length > LIMITS.maxBundleManifestBytes) {
    throw new GodwitError(
      'too-large',
      `a manifest of ${bytes.length} bytes, the limit is ${LIMITS.maxBundleManifestBytes}: put many small files into a few`,
    )
  }
  let said: unknown
  try {
    said = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw new GodwitError('bad-message', 'not a manifest: it is no JSON', { cause })
  }
  const parsed = bundleManifest.safeParse(said)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return invalid(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'does not match its schema'}`)
  }
  checkFiles(parsed.data)
  return parsed.data
}

function checkFiles({ program, files }: BundleManifest): void {
  const paths = new Set<string>()
  let bytes = 0
  for (const file of files) {
    if (paths.has(file.path)) invalid(`${file.path} is in it twice`)
    paths.add(file.path)
    bytes += file.bytes
    const expected = Math.ceil(file.bytes / LIMITS.bundleChunkBytes)
    if (file.chunks.length !== expected)
      invalid(`${file.path} has ${file.bytes} bytes and ${file.chunks.length} chunks, not ${expected}`)
  }
  if (bytes > LIMITS.maxBundleBytes) {
    throw new GodwitError(
      'too-large',
      `a bundle of ${bytes} bytes, the limit is ${LIMITS.maxBundleBytes}: put large data on the hosts themselves`,
    )
  }
  checkLengths(files)
  if (!paths.has(program)) invalid(`its program ${program} is none of its files`)
  for (const path of paths) {
    const parts = path.split('/')
    for (let at = 1; at < parts.length; at++) {
      const folder = parts.slice(0, at).join('/')
      if (paths.has(folder)) invalid(`${folder} is a file, and ${path} lies below it`)
    }
  }
}

function checkLengths(files: readonly BundleFile[]): void {
  const lengths = chunksOf({ files })
  for (const file of files) {
    const odd = file.chunks.find((chunk, index) => lengths.get(chunk) !== chunkRange(file, index).length)
    if (odd !== undefined) invalid(`chunk ${odd} has two lengths`)
  }
}

function isPlainPath(path: string): boolean {
  return path.split('/').every(isPlainName)
}

function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && name.length <= MAX_NAME_LENGTH && !UNPLAIN.test(name)
}

function invalid(what: string): never {
  throw new GodwitError('bad-message', `not a manifest: ${what}`)
}

/** Bytes of all files. */
export function bundleBytes({ files }: { readonly files: readonly BundleFile[] }): number {
  return files.reduce((bytes, file) => bytes + file.bytes, 0)
}

/** A chunk of a file: where it begins, and how long it is. */
export function chunkRange(
  { bytes }: Pick<BundleFile, 'bytes'>,
  index: number,
): { from: number; length: number } {
  const from = index * LIMITS.bundleChunkBytes
  return { from, length: Math.min(LIMITS.bundleChunkBytes, bytes - from) }
}

/** The length of each chunk, by its name. */
export function chunksOf({ files }: { readonly files: readonly BundleFile[] }): Map<string, number> {
  const lengths = new Map<string, number>()
  for (const file of files) {
    for (const [index, chunk] of file.chunks.entries()) lengths.set(chunk, chunkRange(file, index).length)
  }
  return lengths
}
