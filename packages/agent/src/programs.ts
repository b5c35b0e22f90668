/**
 * From a program's name to the file that holds it.
 *
 * Each host has its own folders and the same name may stand for another file on each: whether the two are the same
 * program is decided later, by digest. An absolute path is taken as it is. A name is looked up in the host's
 * folders first, in their order, then among the programs that come with Godwit, so that a person's own program
 * wins over a built-in of the same name.
 */
import { realpathSync, statSync } from 'node:fs'
import { isAbsolute, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GodwitError } from '@godwit/protocol'

const EXTENSIONS = ['', '.ts', '.mjs', '.js']

/** Where built-in programs lie; undefined for a name that the package does not export. */
export type BuiltIn = (name: string) => string | undefined

/**
 * The file of `program`, with symbolic links resolved. Throws `program-missing` with the places looked at, or
 * `bad-arguments` for a name that leads out of the folders.
 */
export function resolveProgram(
  program: string,
  folders: readonly string[],
  builtIn: BuiltIn = trainerProgram,
): string {
  if (isAbsolute(program)) {
    if (isFile(program)) return realpathSync(program)
    throw new GodwitError('program-missing', `this host has no program at ${program}`)
  }
  for (const folder of folders) {
    const root = resolve(folder)
    if (!resolve(root, program).startsWith(root + sep)) {
      throw new GodwitError(
        'bad-arguments',
        `program ${program} leads out of the folders of programs: give its name or an absolute path`,
      )
    }
    const found = EXTENSIONS.map((extension) => resolve(root, program + extension)).find(isFile)
    if (found !== undefined) return realpathSync(found)
  }
  const file = /^[A-Za-z0-9][\w.-]*$/.test(program) ? builtIn(program) : undefined
  if (file !== undefined && isFile(file)) return realpathSync(file)
  const places = folders.length === 0 ? 'no folder (the agent was given no --programs)' : folders.join(', ')
  throw new GodwitError(
    'program-missing',
    `this host has no program ${program}: looked in ${places} and among the programs that come with Godwit`,
  )
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
