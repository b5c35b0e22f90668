/**
 * Whether the file of an LMDB environment can be what LMDB left there: asked before it is opened, because LMDB maps the file and reads
 * it as memory. A file that was cut off, overwritten or damaged would end this process with a signal.
 *
 * Two things are looked at here: the two headers, of which one is always whole, and that the file is as long as they say (lmdb.h and
 * mdb.c of LMDB, `MDB_meta`; all numbers little-endian). All else is read once by a process that may die of it (check-store.mjs).
 */
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const MAGIC = 0xbeefc0de
/** Of a page of the file, before what it holds. */
const PAGE_HEADER_BYTES = 24
const META_BYTES = 160
/** Inside a header page. */
const AT = { magic: 24, pageBytes: 48, lastPage: 144, transaction: 152 } as const
const MIN_PAGE_BYTES = 512

/** What is wrong with `data.mdb` in `folder`, or undefined: also when there is none yet. */
export async function damageOf(folder: string): Promise<string | undefined> {
  const headers = damagedHeaders(join(folder, 'data.mdb'))
  if (headers !== 'none') return headers
  return unreadable(folder)
}

/** Undefined when there is no file yet. */
function damagedHeaders(path: string): string | 'none' | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { size } = fstatSync(file)
    if (size === 0) return undefined
    const first = headerAt(file, 0)
    const second = headerAt(file, first?.pageBytes ?? 4096)
    const newest = [first, second]
      .filter((header) => header !== undefined)
      .sort((a, b) => Number(b.transaction - a.transaction))[0]
    if (newest === undefined) return 'it begins with nothing that LMDB wrote'
    const expected = (newest.lastPage + 1) * newest.pageBytes
    return size < expected ? `it has ${size} bytes where ${expected} were written` : 'none'
  } finally {
    closeSync(file)
  }
}

interface Header {
  readonly pageBytes: number
  readonly lastPage: number
  readonly transaction: bigint
}

function headerAt(file: number, position: number): Header | undefined {
  const bytes = Buffer.alloc(PAGE_HEADER_BYTES + META_BYTES)
  if (readSync(file, bytes, 0, bytes.length, position) < bytes.length) return undefined
  if (bytes.readUInt32LE(AT.magic) !== MAGIC) return undefined
  const pageBytes = bytes.readUInt32LE(AT.pageBytes)
  if (pageBytes < MIN_PAGE_BYTES) return undefined
  return {
    pageBytes,
    lastPage: Number(bytes.readBigUInt64LE(AT.lastPage)),
    transaction: bytes.readBigUInt64LE(AT.transaction),
  }
}

function unreadable(folder: string): Promise<string | undefined> {
  const check = fileURLToPath(new URL('./check-store.mjs', import.meta.url))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [check, folder], { stdio: 'ignore' })
    child.once('error', reject)
    child.once('close', (code, signal) =>
      resolve(code === 0 ? undefined : `reading it ended with ${signal ?? `code ${code}`}`),
    )
  })
}
