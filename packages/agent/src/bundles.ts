/**
 * The bundles of this host: a folder each, below `bundles` in the data folder, with the manifest and the files as the program finds them.
 *
 * There is no second copy in chunks. A chunk that is there is found where it lies: in the file that is being put together, which may be an
 * earlier agent's, in one that another bundle has too, which is linked, or in part of such a one. A file that is whole is given a time of
 * change that no other file has; one with that time is taken as it is, and whoever writes to it takes it away.
 *
 * Bundles that no worker uses go when their room is needed, the one that was used longest ago first.
 *
 * Invariants: what a manifest says is written below its bundle's folder and nowhere else, through no link; a worker is started only from a
 * bundle that is whole; all bundles together take no more than `spaceBytes`, files that several share counted once.
 */
import { createHash } from 'node:crypto'
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import {
  type BundleManifest,
  type BundleRef,
  bundleBytes,
  GodwitError,
  LIMITS,
  parseManifest,
  sayBytes,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import { keyOf, Placing } from './bundle-placing.ts'
import { type BundleSource, throwIfCancelled } from './bundle-source.ts'
import { diskError } from './disk.ts'

export const BUNDLES_NAME = 'bundles'
const NAME = /^[0-9a-f]{64}$/
const MANIFEST = 'manifest'
const FILES = 'files'

export interface BundlesOptions {
  /** The agent's data folder. */
  readonly dataDir: string
  readonly spaceBytes: number
  /** Why this host runs none. */
  readonly refusal?: string | undefined
  readonly source: () => BundleSource
  readonly log: Logger
}

export interface Wanted {
  readonly workerId: string
  readonly bundle: BundleRef
  /** Nothing is fetched. */
  readonly computeOnly: boolean
  readonly signal: AbortSignal
  /** Told how much of it is here, now and then while some of it is fetched. */
  fetched?(bytes: number): void
}

interface Coming {
  readonly controller: AbortController
  readonly placed: Promise<void>
  readonly waiting: Set<Wanted>
}

interface Fetching {
  readonly source: BundleSource
  readonly signal: AbortSignal
  fetched(bytes: number): void
}

export class Bundles {
  readonly #options: BundlesOptions
  readonly #path: string
  /** Those that are here, whole or not, the one that was used longest ago first. */
  readonly #here = new Map<string, BundleManifest>()
  readonly #coming = new Map<string, Coming>()
  /** By worker. */
  readonly #used = new Map<string, string>()

  constructor(options: BundlesOptions) {
    this.#options = options
    this.#path = join(options.dataDir, BUNDLES_NAME)
    const found = this.#found()
    for (const { digest, manifest } of found) this.#here.set(digest, manifest)
  }

  /** A worker that an earlier agent started runs from it. */
  use(workerId: string, digest: string): void {
    this.#used.set(workerId, digest)
  }

  /** The worker is gone. */
  release(workerId: string): void {
    this.#used.delete(workerId)
  }

  /**
   * The program's file, once all of the bundle is here; until `release` it stays. Errors: `forbidden`, `bundle-missing`, `disk-full`,
   * `cancelled`, and what the coordinator refuses with.
   */
  async bring(wanted: Wanted): Promise<string> {
    const { workerId, bundle, computeOnly } = wanted
    const { digest } = bundle
    this.use(workerId, digest)
    try {
      this.#mayRun()
      if (computeOnly) {
        const { missingBytes } = await this.look(bundle)
        if (missingBytes > 0) throw lacks(bundle, missingBytes)
      }
      await this.#joined(wanted)
      const manifest = this.#here.get(digest) as BundleManifest
      // The one that was used last.
      this.#here.delete(digest)
      this.#here.set(digest, manifest)
      const nowS = Date.now() / 1000
      utimesSync(join(this.#path, digest, MANIFEST), nowS, nowS)
      return join(this.#path, digest, FILES, manifest.program)
    } catch (error) {
      this.release(workerId)
      throw diskError(error, this.#path)
    }
  }

  /** What of it is missing. Fetches the manifest, if that is. Errors: those of `bring`. */
  async look(bundle: BundleRef): Promise<{ bytes: number; missingBytes: number }> {
    this.#mayRun()
    const source = this.#options.source()
    try {
      const manifest = await this.#manifest(bundle, source, AbortSignal.timeout(LIMITS.requestTimeoutMs))
      const missingBytes = await this.#placing(bundle.digest, manifest, source).missingBytes()
      return { bytes: bundle.bytes, missingBytes }
    } catch (error) {
      throw diskError(error, this.#path)
    } finally {
      source.close()
    }
  }

  /** Errors: `forbidden`. */
  #mayRun(): void {
    const { refusal } = this.#options
    if (refusal !== undefined) throw new GodwitError('forbidden', refusal)
  }

  /** It comes once, however many wait for it, and no longer than somebody does. */
  async #joined(wanted: Wanted): Promise<void> {
    const { bundle, signal } = wanted
    const coming = this.#coming.get(bundle.digest) ?? this.#begin(bundle)
    coming.waiting.add(wanted)
    let leave = (): void => {}
    const left = new Promise<never>((_, reject) => {
      leave = () => {
        coming.waiting.delete(wanted)
        if (coming.waiting.size === 0) coming.controller.abort()
        reject(new GodwitError('cancelled', 'the bundle is not needed any more'))
      }
    })
    left.catch(() => {})
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    try {
      await Promise.race([coming.placed, left])
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  #begin(bundle: BundleRef): Coming {
    const controller = new AbortController()
    const source = this.#options.source()
    const waiting = new Set<Wanted>()
    let saidMs = Number.NEGATIVE_INFINITY
    const fetched = (bytes: number): void => {
      const isAll = bytes === bundle.bytes
      if (!isAll && performance.now() - saidMs < LIMITS.fetchingEveryMs) return
      saidMs = performance.now()
      for (const wanted of waiting) wanted.fetched?.(bytes)
    }
    const { signal } = controller
    const placed = this.#place(bundle, { source, signal, fetched }).finally(() => {
      source.close()
      if (this.#coming.get(bundle.digest) === coming) this.#coming.delete(bundle.digest)
    })
    placed.catch(() => {})
    const coming: Coming = { controller, placed, waiting }
    // Nobody joins one that is being given up.
    controller.signal.addEventListener('abort', () => this.#coming.delete(bundle.digest))
    this.#coming.set(bundle.digest, coming)
    return coming
  }

  async #place(bundle: BundleRef, { source, signal, fetched }: Fetching): Promise<void> {
    const { digest } = bundle
    const manifest = await this.#manifest(bundle, source, signal)
    this.#makeRoom(digest, manifest)
    const { fetchedBytes, files } = await this.#placing(digest, manifest, source).all(signal, fetched)
    throwIfCancelled(signal)
    if (files > 0)
      this.#options.log.info({ bundle: digest, bytes: bundle.bytes, fetchedBytes }, 'a bundle was brought')
  }

  #placing(digest: string, manifest: BundleManifest, source: BundleSource): Placing {
    const others = [...this.#here]
      .filter(([other]) => other !== digest)
      .map(([other, { files }]) => ({ folder: join(this.#path, other, FILES), files }))
    return new Placing({ folder: join(this.#path, digest, FILES), files: manifest.files, others, source })
  }

  async #manifest(bundle: BundleRef, source: BundleSource, signal: AbortSignal): Promise<BundleManifest> {
    const { digest } = bundle
    const known = this.#here.get(digest)
    if (known !== undefined) return checked(known, bundle)
    const bytes = await source.get(digest, signal)
    const manifest = checked(parseManifest(bytes), bundle)
    const folder = join(this.#path, digest)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(join(folder, `${MANIFEST}.new`), bytes, { mode: 0o600 })
    renameSync(join(folder, `${MANIFEST}.new`), join(folder, MANIFEST))
    this.#here.set(digest, manifest)
    return manifest
  }

  /** Errors: `disk-full` when those that are in use leave too little. */
  #makeRoom(digest: string, manifest: BundleManifest): void {
    const { spaceBytes, log } = this.#options
    const kept = new Set([digest, ...this.#used.values(), ...this.#coming.keys()])
    for (const other of [...this.#here.keys()]) {
      if (this.#bytes() <= spaceBytes) return
      if (kept.has(other)) continue
      rmSync(join(this.#path, other), { recursive: true, force: true })
      this.#here.delete(other)
      log.info({ bundle: other }, 'a bundle that no worker uses went, for another one')
    }
    if (this.#bytes() <= spaceBytes) return
    throw new GodwitError(
      'disk-full',
      `this host has room for ${sayBytes(spaceBytes)} of bundles, and this one of ${sayBytes(bundleBytes(manifest))} is too much beside those in use: start its agent with more --bundle-space`,
    )
  }

  /** Of all that are here, as if they were whole; files that several have are linked. */
  #bytes(): number {
    const files = new Map<string, number>()
    for (const manifest of this.#here.values())
      for (const file of manifest.files) files.set(keyOf(file), file.bytes)
    return [...files.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  /** What an earlier agent left. A folder without a manifest that is its own goes. */
  #found(): { digest: string; manifest: BundleManifest }[] {
    return namesIn(this.#path)
      .flatMap((digest) => {
        const path = join(this.#path, digest)
        try {
          const bytes = readFileSync(join(path, MANIFEST))
          if (!NAME.test(digest) || createHash('sha256').update(bytes).digest('hex') !== digest)
            throw new Error('not a bundle')
          return [{ digest, manifest: parseManifest(bytes), usedMs: statSync(join(path, MANIFEST)).mtimeMs }]
        } catch {
          rmSync(path, { recursive: true, force: true })
          return []
        }
      })
      .sort((a, b) => a.usedMs - b.usedMs)
  }
}

function namesIn(path: string): string[] {
  try {
    return lstatSync(path).isDirectory() ? readdirSync(path) : []
  } catch {
    return []
  }
}

/** Errors: `bad-message` where the bundle is said to be of another size. */
function checked(manifest: BundleManifest, { digest, bytes }: BundleRef): BundleManifest {
  const found = bundleBytes(manifest)
  if (found === bytes) return manifest
  throw new GodwitError('bad-message', `bundle ${digest} is said to have ${bytes} bytes, and has ${found}`)
}

function lacks({ bytes }: BundleRef, missingBytes: number): GodwitError {
  return new GodwitError(
    'bundle-missing',
    `this host lacks ${sayBytes(missingBytes)} of the ${sayBytes(bytes)} of program and data, and nothing is brought: move the job without --compute-only`,
  )
}
