/**
 * Data on disk: which files a folder has, and the digest of a file or a folder. Files may be larger than memory, so they are read in pieces.
 *
 * Links are not followed: what a link leads to may be another thing on another host.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { GodwitError, LIMITS } from '@godwit/protocol'

const PIECE_BYTES = 1 << 20

/** SHA-256 in hex. Errors: Node's. */
export function digestOfFile(file: string): string {
  const hash = createHash('sha256')
  update(hash, file)
  return hash.digest('hex')
}

/** Of the names and bytes of all files below it: SHA-256 in hex. Errors: Node's, those of `filesBelow`. */
export function digestOfFolder(folder: string): string {
  const hash = createHash('sha256')
  for (const file of filesBelow(folder)) hash.update(`${digestOfFile(join(folder, file))} ${file}\n`)
  return hash.digest('hex')
}

function update(hash: Hash, file: string): void {
  const opened = openSync(file, 'r')
  try {
    const piece = Buffer.alloc(PIECE_BYTES)
    for (let read = readSync(opened, piece); read > 0; read = readSync(opened, piece))
      hash.update(piece.subarray(0, read))
  } finally {
    closeSync(opened)
  }
}

/** Paths below `folder`, with `/`, in their order. Errors: `program-invalid` for links and the like, or too many files; Node's. */
export function filesBelow(folder: string): string[] {
  const files: string[] = []
  const look = (within: string): void => {
    for (const entry of readdirSync(join(folder, within), { withFileTypes: true })) {
      const path = within === '' ? entry.name : `${within}/${entry.name}`
      if (entry.isDirectory()) look(path)
      else if (!entry.isFile())
        throw new GodwitError(
          'program-invalid',
          `${join(folder, path)} is a link, or no file: data that moves consists of files and folders, put a copy there`,
        )
      else if (files.push(path) > LIMITS.maxBundleFiles)
        throw new GodwitError(
          'program-invalid',
          `${folder} has more than ${LIMITS.maxBundleFiles} files: put them into a few`,
        )
    }
  }
  look('')
  return files.sort()
}
