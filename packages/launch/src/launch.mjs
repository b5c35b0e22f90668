/**
 * How a process of a room is started: from what was built of its entry, or from the source.
 *
 * Sources run as they are, through tsx, and that costs each process two thirds of a second of a core before its first line. So `build.mjs`
 * bundles each entry into its room's `dist`, and whoever starts one asks here which file to take: the bundle, unless any source of
 * any room is newer than it. Nobody who edits has to think of building; nothing old is ever run.
 *
 * Plain JavaScript, because it runs before there is a loader for anything else.
 */
import { readdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** All rooms stand here. */
const PACKAGES = `${dirname(dirname(dirname(fileURLToPath(import.meta.url))))}/`

/** Where processes and threads begin, as `room/name`: `packages/room/src/name.ts`, or an `.mjs` that any Node reads. */
export const ENTRIES = {
  'cli/main': 'main.ts',
  'coordinator/main': 'main.ts',
  'coordinator/check-store': 'check-store.mjs',
  'agent/main': 'main.ts',
  'worker/main': 'main.ts',
  'worker/bundle': 'bundle.ts',
  'worker/check': 'check.ts',
  'worker/training-thread': 'training-thread.mjs',
}

/** Where `build.mjs` puts it. Beside `src`, so that a path from one file to another is the same in both. */
export function builtFile(entry) {
  const [room] = entry.split('/')
  return `${PACKAGES}${room}/dist/${ENTRIES[entry].replace(/\.ts$/, '.mjs')}`
}

/** Its source. */
export function sourceFile(entry) {
  const [room] = entry.split('/')
  return `${PACKAGES}${room}/src/${ENTRIES[entry]}`
}

/** The file to run: absolute, `.mjs` or `.ts`. */
export function entryFile(entry) {
  return isBuilt() ? builtFile(entry) : sourceFile(entry)
}

/** What `node` is given to run a file, which may be TypeScript. Its own arguments follow. */
export function nodeArguments(file) {
  return file.endsWith('.ts') ? ['--import', import.meta.resolve('tsx'), file] : [file]
}

/** No process is started from it. */
const PAGE = 'console'

let built

/** Whether all entries have been built since a source was changed. Looked at once in a process's life. */
export function isBuilt() {
  built ??= builtSince(newestSource())
  return built
}

function builtSince(timeMs) {
  return Object.keys(ENTRIES).every((entry) => {
    const stat = statSync(builtFile(entry), { throwIfNoEntry: false })
    return stat !== undefined && stat.mtimeMs >= timeMs
  })
}

function newestSource() {
  return Math.max(
    ...readdirSync(PACKAGES)
      .filter((room) => room !== PAGE)
      .flatMap((room) => sourcesIn(`${PACKAGES}${room}/src`).map((file) => statSync(file).mtimeMs)),
  )
}

function sourcesIn(folder) {
  try {
    return readdirSync(folder, { recursive: true })
      .filter((file) => /\.m?ts$|\.mjs$/.test(file) && !/\.(test|suite)\.ts$/.test(file))
      .map((file) => `${folder}/${file}`)
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}
