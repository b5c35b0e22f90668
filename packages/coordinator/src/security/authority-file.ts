/**
 * The cluster's authority where its coordinator keeps it: one file in the data folder, for its owner alone. That it is there is what
 * makes a cluster a secured one. Whoever reads it can issue any certificate of the cluster.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GodwitError, LIMITS } from '@godwit/protocol'
import { replaceFile, type SigningAuthority } from '@godwit/trust'

export const AUTHORITY_FILE = 'authority.json'

export interface AuthorityFile extends SigningAuthority {
  /** Under which hosts reach the coordinator. */
  readonly addresses: readonly string[]
  /** How long the certificates are good that it issues; `LIMITS.certificateMs` unless it is given. */
  readonly certificateMs?: number
}

/** Undefined in the folder of a cluster that is not secured. Errors: `store-unusable`. */
export function readAuthority(folder: string): AuthorityFile | undefined {
  const path = join(folder, AUTHORITY_FILE)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new GodwitError('store-unusable', `${path} can't be read (${code}): may this user read it?`)
  }
  const read = parsed(text)
  // Nothing of the text: it has the key in it.
  if (read === undefined)
    throw new GodwitError('store-unusable', `${path} is damaged: restore it from a copy`)
  return read
}

function parsed(text: string): AuthorityFile | undefined {
  let read: Partial<AuthorityFile> | null
  try {
    read = JSON.parse(text)
  } catch {
    return undefined
  }
  const { certificate, key, addresses, certificateMs } = read ?? {}
  if (typeof certificate !== 'string' || typeof key !== 'string' || !Array.isArray(addresses))
    return undefined
  if (certificateMs === undefined) return { certificate, key, addresses }
  return isLifetime(certificateMs) ? { certificate, key, addresses, certificateMs } : undefined
}

/** Shorter ones could be over before they are renewed (`nextLookMs`). */
const MIN_CERTIFICATE_MS = 2.5 * LIMITS.minRenewalMs

/** Whether certificates can be good for so long: not longer than the authority's own. */
export function isLifetime(certificateMs: unknown): boolean {
  return (
    typeof certificateMs === 'number' &&
    certificateMs >= MIN_CERTIFICATE_MS &&
    certificateMs <= LIMITS.authorityMs
  )
}

export function writeAuthority(folder: string, authority: AuthorityFile): void {
  replaceFile(join(folder, AUTHORITY_FILE), JSON.stringify(authority))
}
