/**
 * A program as one file that needs nothing around it, and the data that it reads.
 *
 * The module is bundled with all packages that it imports; the contract, which only gives types, comes along. It is not minified: whoever operates a
 * host may want to read what runs there. Then the file is imported from a folder in which nothing else lies, and `setup` runs: what can't be
 * bundled fails here, and what it reads through its context is recorded, with files of packages where `packageFile` will look for them.
 */
import { writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundlePath, GodwitError, type Parameters } from '@godwit/protocol'
import { type BuildFailure, build, type Plugin } from 'esbuild'
import { filesBelow } from './data-files.ts'
import { setUp } from './loaded-program.ts'

/** What the program is called in its bundle. */
export const PROGRAM_NAME = 'program.mjs'
const CONTRACT = '@godwit/worker/contract'
const INSTEAD =
  'install it on each host, put the program into a folder of --programs there, and use --no-bundle'

export interface Bundled {
  readonly program: string
  /** Where each file lies now, by its path in the bundle. */
  readonly files: Readonly<Record<string, string>>
}

export interface ToBundle {
  readonly programFile: string
  readonly parameters: Parameters
  readonly data: Readonly<Record<string, string>>
  readonly folder: string
}

/** Errors: `program-invalid`, `program-failed`, `data-missing`, `bad-arguments`. */
export async function bundleProgram({ programFile, parameters, data, folder }: ToBundle): Promise<Bundled> {
  const file = join(folder, PROGRAM_NAME)
  writeFileSync(file, await bundledCode(programFile))
  const elsewhere = new Map(Object.entries(data))
  for (const name of elsewhere.keys()) checkName(name)
  const files = new Map([[PROGRAM_NAME, file]])
  for (const [name, path] of elsewhere) {
    for (const [each, source] of await filesAt(name, path)) add(files, each, source)
  }
  const { setup } = await setUp({
    programFile: file,
    overrides: parameters,
    besideFile: programFile,
    elsewhere,
  }).catch((error: unknown) => {
    throw asBundled(error)
  })
  for (const [name, path] of setup.files) add(files, name, path)
  return { program: PROGRAM_NAME, files: Object.fromEntries(files) }
}

function add(files: Map<string, string>, name: string, path: string): void {
  if (name === PROGRAM_NAME)
    throw new GodwitError(
      'bad-arguments',
      `the bundle's own program is called ${PROGRAM_NAME}: give the data another name`,
    )
  if (!bundlePath.safeParse(name).success)
    throw new GodwitError(
      'bad-arguments',
      `${JSON.stringify(name)} can't be brought along: give it a plain and shorter name`,
    )
  files.set(name, path)
}

function checkName(name: string): void {
  if (bundlePath.safeParse(name).success && name !== PROGRAM_NAME && !name.startsWith('node_modules')) return
  throw new GodwitError(
    'bad-arguments',
    `--data ${name}: a program can't find data under this name, give another with NAME=PATH`,
  )
}

async function filesAt(name: string, path: string): Promise<[string, string][]> {
  try {
    if (!(await stat(path)).isDirectory()) return [[name, path]]
    return filesBelow(path).map((each) => [`${name}/${each}`, join(path, each)])
  } catch (error) {
    if (error instanceof GodwitError) throw error
    throw new GodwitError('data-missing', `--data ${path} can't be read: ${(error as Error).message}`)
  }
}

async function bundledCode(programFile: string): Promise<string> {
  try {
    const { outputFiles } = await build({
      entryPoints: [programFile],
      absWorkingDir: dirname(programFile),
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      write: false,
      legalComments: 'inline',
      logLevel: 'silent',
      plugins: [contract],
      // Of packages that are CommonJS: they call it for what belongs to Node.
      banner: {
        js: "import { createRequire as godwitRequire } from 'node:module'\nglobalThis.require ??= godwitRequire(import.meta.url)",
      },
    })
    return outputFiles[0]?.text ?? ''
  } catch (error) {
    throw new GodwitError(
      'program-invalid',
      `${programFile} can't be bundled: ${whyNot(error as BuildFailure)}`,
      {
        cause: error,
      },
    )
  }
}

/** The program's folder need not have our packages. */
const contract: Plugin = {
  name: 'contract',
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`^${CONTRACT}$`) }, () => ({
      path: fileURLToPath(new URL('../src/contract.ts', import.meta.url)),
    }))
  },
}

function whyNot(failure: BuildFailure): string {
  const [first] = failure.errors ?? []
  if (first === undefined) return failure.message
  const where = first.location === null ? '' : ` (${first.location.file}:${first.location.line})`
  const isNative = /\.node"/.test(first.text)
  return `${first.text}${where}${isNative ? `; a part in native code can't be brought along: ${INSTEAD}` : ''}`
}

/** What fails in a bundle may run from its own folder: packages that look for files or native code around themselves. */
function asBundled(error: unknown): unknown {
  if (!(error instanceof GodwitError)) return error
  const { kind, message } = error
  if (kind !== 'program-invalid' && kind !== 'program-failed') return error
  return new GodwitError(
    kind,
    `${message} (as a bundle, with nothing around it: data comes along when it is read through context.localFile, packageFile or dataPath, or is named by --data; a package that can't be bundled: ${INSTEAD})`,
    { cause: error },
  )
}
