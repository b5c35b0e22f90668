/**
 * A program on the bench: set up in an arena of its own, stepped by hand, saved, restored, and compared.
 *
 * It plays the training thread's part without a thread, and it plays a move: `save` and `restore` carry exactly what
 * a move carries, pages and encoded small state, so what a program keeps anywhere else is left behind.
 *
 * States are compared by fingerprint, a digest a tensor and the encoded small state: a copy of the arena for each
 * comparison would need several times its memory, and a tensor's name is what an author needs to hear.
 */
import { createHash } from 'node:crypto'
import { Arena, arenaBytes, attachLayout, chooseTracker, type DirtyTracker } from '@godwit/memory'
import { decodeValue, encodeValue, GodwitError, PAGE_BYTES, type Parameters } from '@godwit/protocol'
import type { Delta, SmallState, SplitSteps, StepReport, WholeSteps } from './contract.ts'
import { checkDelta, checkReport, isSplit, type LoadedProgram, loadProgram } from './loaded-program.ts'

/** What a move carries. */
export interface Snapshot {
  readonly pages: Uint8Array
  readonly smallState: Uint8Array
}

export interface Fingerprint {
  /** By tensor, SHA-256 in hex. */
  readonly tensors: ReadonlyMap<string, string>
  readonly smallState: Uint8Array
}

export class Bench {
  readonly program: LoadedProgram
  /** Live: the paged bytes. */
  readonly bytes: Uint8Array
  state: SmallState = {}
  /** Steps applied since `init`. */
  step = 0
  readonly #tensors: ReadonlyMap<string, Uint8Array>
  #tracker: DirtyTracker | undefined

  constructor(program: LoadedProgram, arena: Arena) {
    this.program = program
    this.bytes = arenaBytes(arena.memory, program.layout)
    const { tensors } = attachLayout(arena.memory, program.layout)
    this.#tensors = new Map(
      [...tensors].map(([name, { buffer, byteOffset, byteLength }]) => [
        name,
        new Uint8Array(buffer, byteOffset, byteLength),
      ]),
    )
  }

  /** Errors as in `loadProgram`. */
  static async setUp(programFile: string, parameters: Parameters): Promise<Bench> {
    const arena = new Arena()
    return new Bench(await loadProgram(programFile, parameters, arena.memory), arena)
  }

  /** Undefined for a program that steps as a whole. */
  get split(): SplitSteps<SmallState> | undefined {
    const { steps } = this.program
    return isSplit(steps) ? steps : undefined
  }

  init(): void {
    this.step = 0
    this.state = this.#inProgram('init', () => this.program.steps.init())
  }

  /** Unchecked: what the program returned. */
  compute(): Delta {
    return this.#inProgram('compute', () => this.#splitSteps().compute(this.state))
  }

  apply(delta: Delta): StepReport {
    const report = this.#inProgram('apply', () => this.#splitSteps().apply(this.state, delta))
    this.step += 1
    return checkReport(report, 'apply')
  }

  /** The whole step of a program that does not split. */
  wholeStep(): StepReport {
    const steps = this.program.steps as WholeSteps<SmallState>
    const report = this.#inProgram('step', () => steps.step(this.state))
    this.step += 1
    return checkReport(report, 'step')
  }

  /** One step as the training thread takes it; gives what it reported as bits. */
  takeStep(): string {
    if (this.split === undefined) return reportBits(this.wholeStep())
    return reportBits(this.apply(checkDelta(this.compute(), this.program.deltaArrays)))
  }

  save(): Snapshot {
    return { pages: this.bytes.slice(), smallState: encodeValue(this.state) }
  }

  restore({ pages, smallState }: Snapshot, step: number): void {
    this.bytes.set(pages)
    this.state = decodeValue(smallState) as SmallState
    this.step = step
  }

  /** Fills every element of every tensor, not what lies between tensors. */
  fillTensors(byte: number): void {
    for (const tensor of this.#tensors.values()) tensor.fill(byte)
  }

  /** Small state that can't be encoded counts as empty: another check tells of it. */
  fingerprint(): Fingerprint {
    const tensors = new Map([...this.#tensors].map(([name, bytes]) => [name, sha256(bytes)]))
    return { tensors, smallState: encodedOrEmpty(this.state) }
  }

  /** What `body` wrote, by tensor: `w1 (3 pages)`. */
  writtenBy(body: () => void): string[] {
    this.#tracker ??= chooseTracker(this.bytes, 'auto').tracker
    this.#tracker.arm()
    try {
      body()
      const written = this.#tracker.collect()
      return this.program.layout.tensors.flatMap(({ name, byteOffset, byteLength }) => {
        const pages = pagesOf(byteOffset, byteLength).filter((page) => written.has(page)).length
        return pages === 0 ? [] : [`${name} (${pages} ${pages === 1 ? 'page' : 'pages'})`]
      })
    } finally {
      this.#tracker.disarm()
    }
  }

  /** Whether `array` looks at paged memory. Told by trying: a memory that grew has several buffers over the same bytes. */
  isPaged({ buffer, byteOffset, byteLength }: ArrayBufferView): boolean {
    if (!(buffer instanceof SharedArrayBuffer) || byteLength === 0 || byteOffset >= this.bytes.length)
      return false
    const seen = new Uint8Array(buffer, byteOffset, 1)
    const before = this.bytes[byteOffset] as number
    this.bytes[byteOffset] = before ^ 0xff
    const isPaged = seen[0] === (before ^ 0xff)
    this.bytes[byteOffset] = before
    return isPaged
  }

  close(): void {
    this.#tracker?.close()
  }

  #splitSteps(): SplitSteps<SmallState> {
    if (this.split === undefined) throw new Error('bug: the program has no compute')
    return this.split
  }

  #inProgram<T>(where: string, run: () => T): T {
    try {
      return run()
    } catch (error) {
      if (error instanceof GodwitError) throw error
      const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
      const when = where === 'init' ? '' : ` at step ${this.step}`
      throw new GodwitError('program-failed', `${where} threw${when}: ${said}`, { cause: error })
    }
  }
}

/** What differs, as a person would say it; undefined when nothing does. */
export function difference(before: Fingerprint, after: Fingerprint): string | undefined {
  const tensors = [...before.tensors.keys()].filter(
    (name) => before.tensors.get(name) !== after.tensors.get(name),
  )
  const state = stateDifference(before.smallState, after.smallState)
  const parts = [
    ...(tensors.length === 0 ? [] : [`${tensors.length === 1 ? 'tensor' : 'tensors'} ${listed(tensors)}`]),
    ...(state === undefined ? [] : [state]),
  ]
  return parts.length === 0 ? undefined : parts.join(' and ')
}

/** Which entries of two encoded small states differ; undefined when their bytes are the same. */
export function stateDifference(before: Uint8Array, after: Uint8Array): string | undefined {
  if (Buffer.compare(before, after) === 0) return undefined
  const [one, other] = [before, after].map(entriesOf) as [Map<string, string>, Map<string, string>]
  const keys = [...new Set([...one.keys(), ...other.keys()])]
  const differing = keys.filter((key) => one.get(key) !== other.get(key))
  return differing.length === 0 ? 'the order of the small state' : `small state ${listed(differing)}`
}

function entriesOf(smallState: Uint8Array): Map<string, string> {
  if (smallState.length === 0) return new Map()
  const entries = Object.entries((decodeValue(smallState) ?? {}) as Record<string, unknown>)
  return new Map(entries.map(([key, value]) => [key, encodeValue(value).toString('hex')]))
}

/** At most five names. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ')
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown
}

/** Loss and metrics, every bit: what two runs must agree on. */
export function reportBits({ loss, metrics }: StepReport): string {
  return encodeValue([loss, metrics]).toString('hex')
}

function encodedOrEmpty(state: SmallState): Uint8Array {
  try {
    return encodeValue(state)
  } catch {
    return new Uint8Array()
  }
}

function sha256(bytes: Uint8Array): string {
  const hash = createHash('sha256')
  for (let offset = 0; offset < bytes.length; offset += 2 ** 26)
    hash.update(bytes.subarray(offset, offset + 2 ** 26))
  return hash.digest('hex')
}

function pagesOf(byteOffset: number, byteLength: number): number[] {
  const first = byteOffset / PAGE_BYTES
  return Array.from({ length: Math.ceil(byteLength / PAGE_BYTES) }, (_, index) => first + index)
}
