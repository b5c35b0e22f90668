/**
 * Where the second Node lies. A job may cross between Node releases and CPUs, and the tests prove it by running on
 * the oldest release supported (the `node` that runs npm) and on this one.
 *
 * It comes from the npm package of its platform and is kept out of package.json: that package has a bin named
 * `node`, which would stand before the real one in every npm script.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const LTS_NODE_VERSION = '24.21.0'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** The folder that holds, or would hold, `bin/node`. */
export function ltsNodeFolder() {
  return join(ROOT, 'node_modules', '.cache', 'godwit', `node-${LTS_NODE_VERSION}`)
}

/** The npm package that brings it; undefined where there is none for this machine. */
export function ltsNodePackage() {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined
  return `node-linux-${process.arch}`
}

/** The executable; undefined when it is not here (`node scripts/fetch-lts-node.mjs` gets it). */
export function ltsNodePath() {
  const path = join(ltsNodeFolder(), 'bin', 'node')
  return existsSync(path) ? path : undefined
}
