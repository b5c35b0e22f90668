/**
 * The key that a host joins with, kept from before it asks until it has its credentials: an answer that is lost is asked for again
 * with the same key, by which the coordinator knows whom it has let in already.
 */
import { createPrivateKey } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type KeyRequest, makeRequest } from './certificate.ts'
import { replaceFile } from './credentials-file.ts'

const FILE = 'joining.json'

/** That of an earlier attempt, or a new one; on disk when it returns. One that can't be read is no key, and is replaced. */
export async function keyToJoinWith(folder: string): Promise<KeyRequest> {
  const kept = readKey(folder)
  if (kept !== undefined) return kept
  const made = await makeRequest()
  replaceFile(join(folder, FILE), JSON.stringify(made))
  return made
}

/** Of a host that has its credentials: nothing is asked again. */
export function forgetJoiningKey(folder: string): void {
  rmSync(join(folder, FILE), { force: true })
}

function readKey(folder: string): KeyRequest | undefined {
  let text: string
  try {
    text = readFileSync(join(folder, FILE), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { request, key } = JSON.parse(text) as Partial<KeyRequest>
    if (typeof request !== 'string' || typeof key !== 'string') return undefined
    createPrivateKey(key)
    return { request, key }
  } catch {
    return undefined
  }
}
