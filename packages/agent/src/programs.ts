/**
 * From a program's name to the file that holds it, as far as the host's operator allows it.
 *
 * A program is code that runs as the agent's user: whoever may start jobs chooses among what the operator has put into the
 * folders of `--programs`, and among the programs that come with Godwit. Links are followed before it is looked where a file
 * lies, so that neither `..` nor a symbolic link leads out.
 *
 * Each host has its own folders and the same name may stand for another file on each: whether the two are the same
 * program is decided later, by digest. A name is looked up in the host's folders first, in their order, then among the
 * programs that come with Godwit, so that a person's own program wins over a built-in of the same name.
 */
import { realpathSync, statSync } from 'node:fs'
import { isAbsolute, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GodwitError } from '@godwit/protocol'

const EXTENSIONS = ['', '.ts', '.mjs', '.js']

/** Where built-in programs lie; undefined for a name that the package does not export. */
export type BuiltIn = (name: string) => string | undefined

/**
 * The file of `program`, with symbolic links resolved. Errors: `program-missing` with the places looked at,
 * `bad-arguments` for a name that leads out of the folders, `forbidden` for a file that lies outside of all of them,
 * whether it is there or not: what else is on the host is nobody's business.
 */
export function resolveProgram(
  program: string,
  folders: readonly string[],
  builtIn: BuiltIn = trainerProgram,
): string {
  if (isAbsolute(program)) {
    if (!isFile(program) && folders.some((folder) => isBelow(resolve(program), resolve(folder))))
      throw new GodwitError('program-missing', `this host has no program at ${program}`)
    return allowed(program, program, folders)
  }
  for (const folder of folders) {
    const root = resolve(folder)
    if (!isBelow(resolve(root, program), root)) {
      throw new GodwitError(
        'bad-arguments',
        `program ${program} leads out of the folders of programs: give its name, or the absolute path of a file in one of them`,
      )
    }
    const found = EXTENSIONS.map((extension) => resolve(root, program + extension)).find(isFile)
    if (found !== undefined) return allowed(program, found, folders)
  }
  const file = /^[A-Za-z0-9][\w.-]*$/.test(program) ? builtIn(program) : undefined
  if (file !== undefined && isFile(file)) return realpathSync(file)
  const places = folders.length === 0 ? 'no folder (the agent was given no --programs)' : folders.join(', ')
  throw new GodwitError(
    'program-missing',
    `this host has no program ${program}: looked in ${places} and among the programs that come with Godwit`,
  )
}

/** The real path of `file`, which lies in one of the folders. Errors: `forbidden`. */
function allowed(program: string, file: string, folders: readonly string[]): string {
  const real = realPath(file)
  const roots = folders.map(realPath).filter((root) => root !== undefined)
  if (real !== undefined && roots.some((root) => isBelow(real, root))) return real
  const which = folders.length === 0 ? 'no folder' : folders.join(', ')
  throw new GodwitError(
    'forbidden',
    `this host does not run ${program}: allowed are the programs that come with Godwit and files in ${which}; to allow more, start its agent with --programs FOLDER`,
  )
}

function isBelow(path: string, root: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep)
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

function trainerProgram(name: string): string | undefined {
  try {
    return fileURLToPath(import.meta.resolve(`@godwit/trainer/programs/${name}`))
  } catch {
    return undefined
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}
