/**
 * What a program *is*, as a digest: its own code, bundled, and the exact version of every package that it imports.
 *
 * Bundling leaves out what doesn't matter (comments, types, unused code, where the project lies) and takes in what does (a
 * helper module three imports away). Packages stay outside of the bundle and count by name and exact version:
 * npm guarantees that these name the same bytes. Godwit's own packages don't count, so that hosts of two releases
 * can exchange jobs; what could differ between them shows in the rehearsal's bits.
 *
 * A file's name counts where the bundler names a default export after it, and a variable's always. Shortening names
 * was tried: the short ones depend on how often each letter occurs in the source, so that even unused code counted.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { GodwitError } from '@godwit/protocol'
import { build, type Metafile } from 'esbuild'

export interface ProgramDigest {
  /** SHA-256 in hex. */
  readonly digest: string
  /** The program's own code as one module, without its packages. */
  readonly code: string
}

/** Errors: `program-invalid` when the module or one that it imports can't be read or parsed. */
export async function digestProgram(programFile: string): Promise<ProgramDigest> {
  const { code, metafile } = await bundle(programFile)
  const require = createRequire(programFile)
  const packages = [...new Set(externalPackages(metafile))]
    .sort()
    .map((name) => `${name}@${installedVersion(require, name)}`)
  const digest = createHash('sha256')
    .update(JSON.stringify([code, packages]))
    .digest('hex')
  return { digest, code }
}

async function bundle(programFile: string): Promise<{ code: string; metafile: Metafile }> {
  try {
    const { outputFiles, metafile } = await build({
      entryPoints: [programFile],
      absWorkingDir: dirname(programFile),
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      target: 'node20',
      write: false,
      metafile: true,
      minifyWhitespace: true,
      legalComments: 'none',
      logLevel: 'silent',
    })
    return { code: outputFiles[0]?.text ?? '', metafile }
  } catch (error) {
    throw new GodwitError('program-invalid', `${programFile} can't be bundled: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** Names of imported packages: `@scope/name` or `name`, without subpaths, Node's own modules and Godwit's. */
function* externalPackages(metafile: Metafile): Generator<string> {
  for (const output of Object.values(metafile.outputs)) {
    for (const { path, external } of output.imports) {
      if (external !== true || isBuiltin(path) || path.startsWith('@godwit/')) continue
      const parts = path.split('/')
      yield path.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] as string)
    }
  }
}

/** Looks where Node would: packages that hide their package.json are found by walking up from where they resolve. */
function installedVersion(require: NodeJS.Require, name: string): string {
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      const { version } = JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')) as {
        version?: string
      }
      return version ?? 'none'
    } catch {
      // Not in this folder: look in the next, as Node does.
    }
  }
  throw new GodwitError('program-invalid', `the program imports ${name}, which is not installed on this host`)
}
