/**
 * What a program sees in `setup`: tensors, its delta's arrays, and data files with their digests.
 *
 * Everything it is given is recorded, because two hosts must give the same: the layout, and the bytes of each file.
 */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import type { Arena } from '@godwit/memory'
import { GodwitError, LIMITS, type Parameters } from '@godwit/protocol'
import type { Dtype, DtypeArrays, SetupContext } from './contract.ts'
import { digestOfFile, digestOfFolder, filesBelow } from './data-files.ts'
import { maxStagedBytes } from './delta-staging.ts'

const DTYPES: readonly Dtype[] = ['float32', 'float64', 'int32', 'uint32', 'uint8']

export interface DeltaArray {
  readonly dtype: Dtype
  readonly maxLength: number
}

export class RecordingSetup implements SetupContext {
  readonly parameters: Parameters
  readonly deltaArrays = new Map<string, DeltaArray>()
  readonly dataDigests: Record<string, string> = {}
  /** Where all that it was given lies, by its path in a bundle. */
  readonly files = new Map<string, string>()
  readonly #arena: Arena
  readonly #programFile: string
  readonly #elsewhere: ReadonlyMap<string, string>
  #isClosed = false

  /** `elsewhere`: files and folders that are to be found beside the program and lie somewhere else, by their names there. */
  constructor(
    arena: Arena,
    programFile: string,
    parameters: Parameters,
    elsewhere: ReadonlyMap<string, string> = new Map(),
  ) {
    this.#elsewhere = elsewhere
    this.#arena = arena
    this.#programFile = programFile
    this.parameters = Object.freeze({ ...parameters })
  }

  tensor<D extends Dtype>(name: string, dtype: D, shape: readonly number[]): DtypeArrays[D] {
    return this.#arena.tensor(name, dtype, shape)
  }

  /** Setup is over: what is declared or read later would be in no identity, so it is refused. */
  close(): void {
    this.#isClosed = true
  }

  delta(name: string, dtype: Dtype, maxLength: number): void {
    this.#refuseAfterSetup(`the delta array ${name} is declared`)
    if (typeof name !== 'string' || name === '' || name.length > LIMITS.maxNameLength) {
      throw new GodwitError(
        'program-invalid',
        `a delta array's name is a string of 1 to ${LIMITS.maxNameLength} characters`,
      )
    }
    if (this.deltaArrays.has(name)) {
      throw new GodwitError('program-invalid', `the delta array ${name} is declared twice`)
    }
    if (!DTYPES.includes(dtype)) {
      throw new GodwitError(
        'program-invalid',
        `the delta array ${name} is of dtype ${String(dtype)}: use one of ${DTYPES.join(', ')}`,
      )
    }
    if (!Number.isSafeInteger(maxLength) || maxLength < 0) {
      throw new GodwitError(
        'program-invalid',
        `the delta array ${name} has ${maxLength} elements at most: give a whole number`,
      )
    }
    this.deltaArrays.set(name, { dtype, maxLength })
    const bytes = maxStagedBytes(this.deltaArrays)
    if (Buffer.byteLength([...this.deltaArrays.keys()].join('')) > LIMITS.maxDeltaNamesLength) {
      throw new GodwitError(
        'program-invalid',
        `the names of the delta's arrays have more than ${LIMITS.maxDeltaNamesLength} bytes together: shorten them`,
      )
    }
    if (this.deltaArrays.size > LIMITS.maxDeltaArrays || bytes > LIMITS.maxDeltaBytes) {
      throw new GodwitError(
        'program-invalid',
        `the delta has ${this.deltaArrays.size} arrays and ${bytes} bytes with ${name}: at most ${LIMITS.maxDeltaArrays} and ${LIMITS.maxDeltaBytes} can move`,
      )
    }
  }

  packageFile(packageName: string, path: string): Uint8Array {
    const folder = this.#packageFolder(packageName)
    const place = inside(folder, path)
    const bytes = this.#read(place, (within) => `${packageName}/${within}`)
    for (const within of ['package.json', place.within])
      this.files.set(`node_modules/${packageName}/${within}`, join(folder, within))
    return bytes
  }

  localFile(path: string): Uint8Array {
    const place = this.#beside(path)
    const bytes = this.#read(place, (within) => `./${within}`)
    this.files.set(place.within, place.file)
    return bytes
  }

  dataPath(path: string): string {
    const { file, within } = this.#beside(path)
    const name = `./${within}`
    this.#mayRead(name)
    try {
      const isFolder = statSync(file).isDirectory()
      this.dataDigests[name] = isFolder ? digestOfFolder(file) : digestOfFile(file)
      if (!isFolder) this.files.set(within, file)
      else for (const each of filesBelow(file)) this.files.set(`${within}/${each}`, join(file, each))
    } catch (error) {
      throw unreadable(name, error)
    }
    return file
  }

  #beside(path: string): { file: string; within: string } {
    const place = inside(dirname(this.#programFile), path)
    for (const [name, at] of this.#elsewhere) {
      if (place.within === name) return { ...place, file: at }
      if (place.within.startsWith(`${name}/`))
        return { ...place, file: join(at, place.within.slice(name.length + 1)) }
    }
    return place
  }

  #packageFolder(packageName: string): string {
    const places = createRequire(this.#programFile).resolve.paths(packageName) ?? []
    for (const place of places) {
      const folder = join(place, packageName)
      if (isThere(join(folder, 'package.json'))) return folder
    }
    throw new GodwitError(
      'data-missing',
      `the package ${packageName}, which the program reads, is not installed on this host`,
    )
  }

  /** Files are named as they lie in their folder, however the program spelt it; `./` tells its own from a package's. */
  #read({ file, within }: { file: string; within: string }, nameOf: (within: string) => string): Uint8Array {
    const name = nameOf(within)
    this.#mayRead(name)
    let bytes: Uint8Array
    try {
      bytes = readFileSync(file)
    } catch (error) {
      throw unreadable(name, error)
    }
    this.dataDigests[name] = createHash('sha256').update(bytes).digest('hex')
    return bytes
  }

  #mayRead(name: string): void {
    this.#refuseAfterSetup(`the data file ${name} is read`)
    if (
      !Object.hasOwn(this.dataDigests, name) &&
      Object.keys(this.dataDigests).length >= LIMITS.maxDataFiles
    ) {
      throw new GodwitError(
        'program-invalid',
        `a program reads at most ${LIMITS.maxDataFiles} data files: put several into one, or into a folder (dataPath)`,
      )
    }
  }

  #refuseAfterSetup(what: string): void {
    if (!this.#isClosed) return
    throw new GodwitError('program-invalid', `${what} after setup: do it in setup, where it is identified`)
  }
}

function unreadable(name: string, error: unknown): GodwitError {
  if (error instanceof GodwitError) return error
  return new GodwitError(
    'data-missing',
    `${name}, which the program reads, can't be read: ${(error as Error).message}`,
    { cause: error },
  )
}

function inside(folder: string, path: string): { file: string; within: string } {
  const file = resolve(folder, path)
  const within = relative(folder, file)
  if (within !== '' && within !== '..' && !within.startsWith(`..${sep}`)) {
    return { file, within: within.replaceAll(sep, '/') }
  }
  throw new GodwitError(
    'program-invalid',
    `the data file ${path} lies outside of the program's folder or package`,
  )
}

function isThere(file: string): boolean {
  try {
    readFileSync(file)
    return true
  } catch {
    return false
  }
}
