/**
 * Where the emulated host lies: an arm64 Node, run by QEMU's user emulation, with the C libraries that it needs and the native packages
 * of this project for its processor. fetch-arm64.mjs brings all of it.
 *
 * `node` in that folder is a script that starts it, so that it is a Node like any other to whoever starts processes.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The oldest release that is supported, like the one that most run this by. */
export const ARM64_NODE_VERSION = '20.20.2'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** The folder that holds, or would hold, all of it. */
export function arm64Folder() {
  return join(ROOT, 'node_modules', '.cache', 'godwit', `arm64-node-${ARM64_NODE_VERSION}`)
}

/** The executable; undefined when it is not here (`node scripts/fetch-arm64.mjs` gets it). */
export function arm64NodePath() {
  const path = join(arm64Folder(), 'node')
  return existsSync(path) ? path : undefined
}
