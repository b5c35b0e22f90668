/**
 * A runtime in miniature, for this room's tests and measurements: it plays the worker's part of the program contract
 * in one thread. Tensors lie page-aligned in one shared WebAssembly memory, as in a worker, so that a program is
 * tried on the memory it will run on; small state is cloned, never shared.
 *
 * It also holds programs to the contract: every array of a delta must have been declared, with its type and length.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type {
  Delta,
  Dtype,
  DtypeArrays,
  Program,
  SetupContext,
  SmallState,
  SplitSteps,
  StepReport,
  TypedArray,
} from '@godwit/worker/contract'
import { wasm } from '../webassembly.ts'

export const PAGE_BYTES = 4096
const ARENA_BYTES = 64 * 1024 * 1024
const WASM_PAGE_BYTES = 65_536

const CONSTRUCTORS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  uint8: Uint8Array,
} as const

/** Everything that is a job's: the used part of the arena and the small state, both copies. */
export interface Snapshot {
  bytes: Uint8Array
  state: SmallState
}

export interface Bench {
  /** The used part of the arena, live. */
  readonly bytes: Uint8Array
  readonly state: SmallState
  /** Byte ranges of `bytes` behind the end of a tensor and before the next page. */
  readonly gaps: readonly { from: number; to: number }[]
  /** The program's `init`, again. */
  init(): void
  compute(): Delta
  apply(delta: Delta): StepReport
  /** `compute` and `apply`. */
  step(): StepReport
  /** SHA-256 of the used part of the arena, hex. */
  digest(): string
  save(): Snapshot
  /** Takes on a snapshot of a job with the same layout. */
  restore(snapshot: Snapshot): void
}

/** Sets `program` up with its defaults overridden by `overrides` and runs its `init`. */
export async function startBench(
  program: Program,
  overrides: Readonly<Record<string, number | string | boolean>> = {},
): Promise<Bench> {
  const { context, used, gaps, checkDelta } = makeContext({ ...program.parameters, ...overrides })
  const steps = await program.setup(context)
  if (!('compute' in steps)) throw new Error(`${program.name} does not split its steps`)
  return makeBench(steps, { bytes: used(), gaps, checkDelta })
}

function makeBench(
  steps: SplitSteps<SmallState>,
  { bytes, gaps, checkDelta }: Pick<Bench, 'bytes' | 'gaps'> & { checkDelta: (delta: Delta) => Delta },
): Bench {
  let state = steps.init()
  const compute = () => checkDelta(steps.compute(state))
  const apply = (delta: Delta) => steps.apply(state, delta)
  return {
    bytes,
    gaps,
    get state() {
      return state
    },
    init() {
      state = steps.init()
    },
    compute,
    apply,
    step: () => apply(compute()),
    digest: () => createHash('sha256').update(bytes).digest('hex'),
    save: () => ({ bytes: bytes.slice(), state: structuredClone(state) }),
    restore(snapshot) {
      bytes.set(snapshot.bytes)
      state = structuredClone(snapshot.state)
    },
  }
}

/** What `setup` is given: tensors in one shared memory, the checks of deltas, files of installed packages. */
export function makeContext(parameters: Readonly<Record<string, number | string | boolean>>) {
  const wasmPages = ARENA_BYTES / WASM_PAGE_BYTES
  const memory = new wasm.Memory({ initial: wasmPages, maximum: wasmPages, shared: true })
  let usedBytes = 0
  const gaps: { from: number; to: number }[] = []
  const declared = new Map<string, { dtype: Dtype; maxLength: number }>()
  const context: SetupContext = {
    parameters,
    tensor<D extends Dtype>(_name: string, dtype: D, shape: readonly number[]): DtypeArrays[D] {
      const View: new (buffer: ArrayBufferLike, byteOffset: number, length: number) => TypedArray =
        CONSTRUCTORS[dtype]
      const length = shape.reduce((product, size) => product * size, 1)
      const view = new View(memory.buffer, usedBytes, length)
      const from = usedBytes + view.byteLength
      usedBytes = Math.ceil(from / PAGE_BYTES) * PAGE_BYTES
      gaps.push({ from, to: usedBytes })
      return view as DtypeArrays[D]
    },
    delta: (name, dtype, maxLength) => void declared.set(name, { dtype, maxLength }),
    packageFile: readPackageFile,
    localFile() {
      throw new Error('No program of this room reads a file beside its module')
    },
    dataPath() {
      throw new Error('No program of this room reads a file beside its module')
    },
  }
  const checkDelta = (delta: Delta): Delta => {
    for (const [name, array] of Object.entries(delta.arrays)) {
      const declaration = declared.get(name)
      if (!declaration) throw new Error(`The delta holds ${name}, which setup did not declare`)
      const { dtype, maxLength } = declaration
      if (!(array instanceof CONSTRUCTORS[dtype]) || array.length > maxLength) {
        throw new Error(`The delta's ${name} is not at most ${maxLength} elements of ${dtype}`)
      }
    }
    return delta
  }
  return { context, checkDelta, gaps, used: () => new Uint8Array(memory.buffer, 0, usedBytes) }
}

function readPackageFile(packageName: string, path: string): Uint8Array {
  const require = createRequire(import.meta.url)
  return readFileSync(join(dirname(require.resolve(`${packageName}/package.json`)), path))
}
