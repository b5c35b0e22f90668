/**
 * Freezes the release that this checkout is, for the tests of those that follow: `node scripts/freeze-release.mjs`, at each release, before the
 * next one's version is written anywhere. It makes `test/releases/VERSION.br`; test/support/releases.ts unpacks and runs it.
 *
 * Kept are the processes as `npm run build` makes them, and what their messages are (`wire.json`). It is our own code alone: packages from elsewhere are
 * imported from where the tests run.
 *
 * Invariant: what is in it was bundled from files of the rooms and from nothing else, and names no path of the machine.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'
import { build } from 'esbuild'
import { builtFile, ENTRIES, sourceFile } from '../packages/launch/src/launch.mjs'
import { inStaging } from './staging.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
/** What the built processes read beside themselves. */
const BESIDE = ['packages/cli/package.json', 'packages/worker/src/contract.ts']

/** As in packages/launch/build.mjs, and `launch` comes along too: what it starts is of its own release. */
const rooms = {
  name: 'rooms',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
      if (kind === 'entry-point') return undefined
      return path.startsWith('@godwit/')
        ? { path: fileURLToPath(import.meta.resolve(path)) }
        : { path, external: true }
    })
  },
}

/** The text of one module, and that of no other room's. */
async function bundled(source) {
  const { outputFiles, metafile } = await build({
    entryPoints: [source],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    plugins: [rooms],
    logLevel: 'warning',
  })
  const strange = Object.keys(metafile.inputs).filter((path) => !/^packages\/[a-z]+\/src\//.test(path))
  if (strange.length > 0)
    throw new Error(`${source} is made of what belongs to no room: ${strange.join(', ')}`)
  return outputFiles[0].text
}

/** What its messages are, as JSON. */
async function wire() {
  const text = await bundled(join(ROOT, 'packages/protocol/src/support/schemas.ts'))
  return inStaging(join(ROOT, '.godwit'), (staging) => {
    const file = join(staging, 'schemas.mjs')
    writeFileSync(file, text)
    const script = `import { describeWire } from ${JSON.stringify(file)}; console.log(JSON.stringify(describeWire()))`
    return execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      maxBuffer: 64 * 2 ** 20,
    }).trim()
  })
}

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const frozen = join(ROOT, 'test', 'releases', `${version}.br`)
if (existsSync(frozen)) {
  console.error(
    `${relative(ROOT, frozen)} is there, and what was released does not change: raise the version first`,
  )
  process.exit(1)
}
const files = { 'wire.json': await wire() }
for (const path of BESIDE) files[path] = readFileSync(join(ROOT, path), 'utf8')
for (const entry of Object.keys(ENTRIES))
  files[relative(ROOT, builtFile(entry))] = await bundled(sourceFile(entry))
const text = JSON.stringify(files)
if (text.includes(ROOT)) throw new Error(`what was built names ${ROOT}`)
const bytes = brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: text.length } })
mkdirSync(dirname(frozen), { recursive: true })
writeFileSync(frozen, bytes)
console.log(
  `${relative(ROOT, frozen)}: ${Object.keys(files).length} files of ${text.length} bytes, ${bytes.length} compressed`,
)
