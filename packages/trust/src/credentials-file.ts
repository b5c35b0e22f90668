/**
 * Where a member keeps what it shows: one file, replaced in one rename, so that certificate and key always belong together.
 * Only its owner may read it.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Credentials } from '@godwit/channel'
import { GodwitError } from '@godwit/protocol'

const FILE = 'credentials.json'

/** Undefined when there are none in `folder`. Errors: `bad-arguments` when the file is not what was written. */
export function readCredentials(folder: string): Credentials | undefined {
  const path = join(folder, FILE)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const read = parsed(text)
  if (read === undefined) {
    // Nothing of the text: it has a key in it.
    throw new GodwitError(
      'bad-arguments',
      `${path} is damaged: delete it and let the host join again (godwit host remove, then a new join token)`,
    )
  }
  return read
}

function parsed(text: string): Credentials | undefined {
  let read: Partial<Credentials> | null
  try {
    read = JSON.parse(text)
  } catch {
    return undefined
  }
  const { certificate, key, authority } = read ?? {}
  if (typeof certificate !== 'string' || typeof key !== 'string' || typeof authority !== 'string')
    return undefined
  return { certificate, key, authority }
}

/** Into a folder that is there; on disk when it returns. */
export function writeCredentials(folder: string, { certificate, key, authority }: Credentials): void {
  replaceFile(join(folder, FILE), JSON.stringify({ certificate, key, authority }))
}

/** Whole or not at all, synced, for its owner alone. */
export function replaceFile(path: string, text: string): void {
  const partial = `${path}.partial`
  // What an earlier write left keeps its mode, and may be a link.
  rmSync(partial, { force: true })
  const file = openSync(partial, 'wx', 0o600)
  try {
    writeFileSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(partial, path)
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
