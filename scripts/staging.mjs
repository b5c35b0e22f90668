/**
 * Where something that is fetched is put together before it is moved to where it belongs: a folder that goes away whatever happens, also
 * when whoever fetches is told to end.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'

/** `work` is given the folder's path, below `parent`, and waits for all that it starts. */
export function inStaging(parent, work) {
  // What was started is told as well and fails; then this has its turn.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => process.exit(128 + constants.signals[signal]))
  mkdirSync(parent, { recursive: true })
  const staging = mkdtempSync(join(parent, 'staging-'))
  try {
    return work(staging)
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}
