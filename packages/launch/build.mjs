/**
 * `npm run build`: bundles each entry of launch.mjs, with the rooms that it imports and without packages from elsewhere, into its
 * room's `dist`. Half a second; `npm ci` and `npm test` do it by themselves.
 * The console's page is built beside (Vite, a development dependency): where that is not installed, it is left out.
 */
import { rmSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { builtFile, ENTRIES, sourceFile } from './src/launch.mjs'

/** Other rooms come along; what belongs to nobody here stays outside. A room that is started, not imported, is not looked for. */
const rooms = {
  name: 'rooms',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
      if (kind === 'entry-point') return undefined
      return path.startsWith('@godwit/') && path !== '@godwit/launch'
        ? { path: fileURLToPath(import.meta.resolve(path)) }
        : { path, external: true }
    })
  },
}

const startedMs = performance.now()
const folders = new Map(Object.keys(ENTRIES).map((entry) => [dirname(builtFile(entry)), []]))
for (const entry of Object.keys(ENTRIES)) folders.get(dirname(builtFile(entry))).push(entry)
for (const folder of folders.keys()) rmSync(folder, { recursive: true, force: true })
await Promise.all(
  [...folders].map(([outdir, entries]) =>
    build({
      entryPoints: entries.map((entry) => ({
        in: sourceFile(entry),
        out: basename(builtFile(entry), '.mjs'),
      })),
      outdir,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: 'linked',
      plugins: [rooms],
      logLevel: 'warning',
    }),
  ),
)
console.log(`${Object.keys(ENTRIES).length} entries built in ${Math.round(performance.now() - startedMs)} ms`)
await (await import('../console/build.mjs')).buildPage()
