/**
 * The program contract: what a training program promises so that it can be moved while it runs.
 *
 * A program keeps its tensors in paged memory, which the kernel watches for writes, and everything else that
 * changes in one small plain object. A step is split in two: `compute` only reads, `apply` is the only writer.
 * That split is what makes a move cheap (while `compute` runs nothing is dirtied) and exact (there is one
 * instant, between steps, at which pages and small state are the whole truth).
 *
 * The promise in return: same program, data and seed give the same bits on every step, wherever it ran.
 */

export type Dtype = 'float32' | 'float64' | 'int32' | 'uint32' | 'uint8'

export interface DtypeArrays {
  float32: Float32Array
  float64: Float64Array
  int32: Int32Array
  uint32: Uint32Array
  uint8: Uint8Array
}

export type TypedArray = DtypeArrays[Dtype]

/**
 * What a small state may hold: plain values, nested. Functions, class instances and symbols are refused. The
 * codec keeps every bit: -0, NaN payloads inside typed arrays, 64-bit integers as bigint.
 */
export type SmallValue =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Uint8Array
  | SmallValue[]
  | { [key: string]: SmallValue }

/** Step counter, data cursor, RNG counters, schedule. Anything large belongs into a tensor. */
export type SmallState = { [key: string]: SmallValue }

/** What one `compute` found out: the only thing that `apply` may read besides the state itself. */
export interface Delta {
  /** By the name given to `SetupContext.delta`; at most as long as declared there. */
  arrays: Record<string, TypedArray>
  /** Small plain values. `loss` is required and is compared bit for bit between runs. */
  values: { loss: number; [key: string]: SmallValue }
}

/** What a step reports. Released only after the step's `apply`, stamped by the runtime with step and epoch. */
export interface StepReport {
  loss: number
  /** For example a validation score. Times and throughput are the runtime's own: do not report them. */
  metrics?: Record<string, number>
}

export interface SetupContext {
  /** The program's defaults overridden by what the person asked for. */
  readonly parameters: Readonly<Record<string, number | string | boolean>>
  /** Declares a named tensor, page-aligned in paged memory, zero-filled. The same views in the same order on every host. */
  tensor<D extends Dtype>(name: string, dtype: D, shape: readonly number[]): DtypeArrays[D]
  /** Declares an array of the delta with the most elements it will ever have. */
  delta(name: string, dtype: Dtype, maxLength: number): void
  /**
   * A file of an npm package that the program depends on, read whole. Its SHA-256 becomes part of the
   * workload's identity: a host with other bytes is refused before training is disturbed.
   */
  packageFile(packageName: string, path: string): Uint8Array
  /** A file beside the program's own module, read whole; identified like `packageFile`. */
  localFile(path: string): Uint8Array
  /**
   * Where a file or folder beside the program's own module lies on this host, for what is too large to read whole, or is read by a library. All of
   * its bytes are identified. It is read in `setup` or in `compute`, and never written to.
   */
  dataPath(path: string): string
}

/** What a program is told before its job moves: plain values, frozen. */
export interface MigrationNotice {
  /** The host that it is on, and the one that it goes to. */
  readonly from: string
  readonly to: string
  /** Steps applied so far. */
  readonly step: number
  /** For how long training will stand, in milliseconds; undefined where nothing was measured that says it. */
  readonly expectedDowntimeMs: number | undefined
}

/** For a program that does something beside its steps, such as keeping a file or a connection open. */
export interface HearsOfMoves {
  /**
   * The job is ready to move. Called between two steps, once before each attempt to switch over, and training goes on after it: until
   * the switchover, or for so many steps at least, which the program may ask for and is given for ten seconds, or half of what the
   * migration has left, at most. It can't prevent the move. It is synchronous and may change neither tensors nor state: it is no part of
   * the steps, and a job that moves has the bits of one that doesn't. Training waits while it runs. If it throws, that is logged and the
   * job moves. A migration that is held after it, or waits for its turn, may switch over much later.
   */
  onMigrating?(notice: MigrationNotice): { readonly afterSteps: number } | undefined
  /** After `onMigrating`, when the migration was cancelled or failed: the job goes on where it is. Like it, it changes nothing. */
  onStaying?(): void
}

/** A program that splits its step. `Values` is what it keeps in `delta.values`. */
export interface SplitSteps<S extends SmallState> extends HearsOfMoves {
  /** Fills the tensors from the seed and returns the first small state. Called once in a job's life, and for rehearsal. */
  init(): S
  /** Reads tensors and state, changes neither, and runs as often as it is asked. */
  compute(state: Readonly<S>): Delta
  /** Synchronous, deterministic: the only writer of tensors and state. */
  apply(state: S, delta: Delta): StepReport
}

/** A program that can't split: the whole step writes as it goes. */
export interface WholeSteps<S extends SmallState> extends HearsOfMoves {
  init(): S
  step(state: S): StepReport
}

export interface Program<S extends SmallState = SmallState> {
  name: string
  /** Every parameter with its default; the default's type is the parameter's type. */
  parameters?: Readonly<Record<string, number | string | boolean>>
  setup(context: SetupContext): SplitSteps<S> | WholeSteps<S> | Promise<SplitSteps<S> | WholeSteps<S>>
}

/** Gives a program module's default export its types; does nothing else. */
export function defineProgram<S extends SmallState>(program: Program<S>): Program<S> {
  return program
}
