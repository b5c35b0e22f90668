/**
 * Earlier releases, as they were frozen (scripts/freeze-release.mjs): unpacked where they find the packages that they import, and started
 * as a person would.
 */
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync } from 'node:zlib'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const FROZEN = join(ROOT, 'test', 'releases')

export interface Release {
  readonly version: string
  /** The `godwit` command. */
  readonly godwit: string
}

/** The versions that there are. */
export function frozenVersions(): string[] {
  return readdirSync(FROZEN).map((name) => name.replace(/\.br$/, ''))
}

/** Text of files, by their path. */
export function frozenFiles(version: string): Record<string, string> {
  const text = brotliDecompressSync(readFileSync(join(FROZEN, `${version}.br`))).toString('utf8')
  return JSON.parse(text) as Record<string, string>
}

/** Ready to be started. It is unpacked once, and appears whole. */
export function unpackedRelease(version: string): Release {
  const digest = createHash('sha256')
    .update(readFileSync(join(FROZEN, `${version}.br`)))
    .digest('hex')
  const parent = join(ROOT, '.godwit', 'releases')
  const folder = join(parent, `${version}-${digest.slice(0, 12)}`)
  if (!existsSync(folder)) {
    mkdirSync(parent, { recursive: true })
    const staging = mkdtempSync(join(parent, 'staging-'))
    for (const [path, text] of Object.entries(frozenFiles(version))) {
      mkdirSync(dirname(join(staging, path)), { recursive: true })
      writeFileSync(join(staging, path), text)
    }
    try {
      renameSync(staging, folder)
    } catch (error) {
      // Somebody else was faster: theirs is the same.
      rmSync(staging, { recursive: true, force: true })
      if (!existsSync(folder)) throw error
    }
  }
  return { version, godwit: join(folder, 'packages', 'cli', 'dist', 'main.mjs') }
}
