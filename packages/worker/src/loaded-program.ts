/**
 * A program module on its way from a file to something that steps: imported, checked to be a program, set up in the
 * arena, and identified.
 *
 * Authors make mistakes here, so each is told in their terms: what was expected, what stood there.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { Arena, type ArenaLayout, type SharedMemory } from '@godwit/memory'
import { encodeValue, GodwitError, LIMITS, type Parameters } from '@godwit/protocol'
import type { Delta, Dtype, Program, SmallState, SplitSteps, StepReport, WholeSteps } from './contract.ts'
import { mathDigests } from './math-digests.ts'
import { digestProgram } from './program-digest.ts'
import { type DeltaArray, RecordingSetup } from './setup-context.ts'

export interface LoadedProgram {
  readonly name: string
  readonly layout: ArenaLayout
  readonly steps: SplitSteps<SmallState> | WholeSteps<SmallState>
  readonly deltaArrays: ReadonlyMap<string, DeltaArray>
  readonly programDigest: string
  readonly parametersDigest: string
  readonly dataDigests: Record<string, string>
  readonly mathDigests: Record<string, string>
}

export function isSplit(steps: LoadedProgram['steps']): steps is SplitSteps<SmallState> {
  return 'compute' in steps && typeof steps.compute === 'function' && typeof steps.apply === 'function'
}

/**
 * `bundle`: the digest of the bundle that the file is the program of; it holds all that the program is. Errors: `program-invalid`, `program-failed`
 * (setup threw), `data-missing`, `out-of-memory`, `bad-arguments`.
 */
export async function loadProgram(
  programFile: string,
  overrides: Parameters,
  memory: SharedMemory,
  bundle?: string,
): Promise<LoadedProgram> {
  const { digest, code } =
    bundle === undefined
      ? await digestProgram(programFile)
      : { digest: bundle, code: readFileSync(programFile, 'utf8') }
  const { program, parameters, setup, steps, arena } = await setUp({ programFile, overrides, memory })
  return {
    name: program.name,
    layout: arena.seal(),
    steps,
    deltaArrays: setup.deltaArrays,
    programDigest: digest,
    parametersDigest: createHash('sha256')
      .update(encodeValue(sorted(parameters)))
      .digest('hex'),
    dataDigests: setup.dataDigests,
    mathDigests: mathDigests(code),
  }
}

export interface SettingUp {
  readonly programFile: string
  readonly overrides: Parameters
  readonly memory?: SharedMemory
  /** Where the program's data lies beside, unless beside `programFile`; and what of it lies elsewhere. */
  readonly besideFile?: string
  readonly elsewhere?: ReadonlyMap<string, string>
}

/** Imports a program and runs its `setup`. Errors: those of `loadProgram`. */
export async function setUp({ programFile, overrides, memory, besideFile, elsewhere }: SettingUp): Promise<{
  program: Program
  parameters: Parameters
  setup: RecordingSetup
  steps: LoadedProgram['steps']
  arena: Arena
}> {
  const program = await importProgram(programFile)
  const parameters = withDefaults(program, overrides)
  const arena = new Arena(memory)
  const setup = new RecordingSetup(arena, besideFile ?? programFile, parameters, elsewhere)
  const steps = await runSetup(program, setup)
  setup.close()
  return { program, parameters, setup, steps, arena }
}

interface Module {
  readonly default?: unknown
}

/** A file whose package.json doesn't call it a module comes as CommonJS that was made of one: its exports lie one level down. */
function isModule(exported: unknown): exported is Module {
  return typeof exported === 'object' && exported !== null && '__esModule' in exported
}

/** The module's default export, once it looks like a program. Errors: `program-invalid`. */
export async function importProgram(programFile: string): Promise<Program> {
  let module: Module
  try {
    module = (await import(pathToFileURL(programFile).href)) as Module
  } catch (error) {
    throw new GodwitError('program-invalid', `${programFile} can't be imported: ${saidBy(error)}`, {
      cause: error,
    })
  }
  const program = isModule(module.default) ? module.default.default : module.default
  if (typeof program !== 'object' || program === null) {
    invalid(programFile, 'it has no default export: end it with `export default defineProgram({ ... })`')
  }
  const { name, setup, parameters } = program as Partial<Program>
  if (typeof name !== 'string' || name === '') invalid(programFile, 'its `name` is missing')
  if (typeof setup !== 'function') invalid(programFile, 'its `setup` function is missing')
  if (parameters !== undefined && typeof parameters !== 'object')
    invalid(programFile, 'its `parameters` are no object')
  for (const [parameter, value] of Object.entries(parameters ?? {})) {
    if (!['number', 'string', 'boolean'].includes(typeof value)) {
      invalid(programFile, `the default of its parameter ${parameter} is no number, string or boolean`)
    }
  }
  return program as Program
}

function withDefaults(program: Program, overrides: Parameters): Parameters {
  const defaults = program.parameters ?? {}
  for (const [name, value] of Object.entries(overrides)) {
    const fallback = Object.hasOwn(defaults, name) ? defaults[name] : undefined
    if (fallback === undefined) {
      const known = Object.keys(defaults)
      throw new GodwitError(
        'bad-arguments',
        `${program.name} has no parameter ${name}: ${known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`}`,
      )
    }
    if (typeof fallback !== typeof value) {
      throw new GodwitError(
        'bad-arguments',
        `parameter ${name} of ${program.name} is a ${typeof fallback}, and ${JSON.stringify(value)} is a ${typeof value}`,
      )
    }
  }
  return { ...defaults, ...overrides }
}

async function runSetup(program: Program, setup: RecordingSetup): Promise<LoadedProgram['steps']> {
  let steps: unknown
  try {
    steps = await program.setup(setup)
  } catch (error) {
    if (error instanceof GodwitError) throw error
    throw new GodwitError('program-failed', `setup of ${program.name} threw: ${saidBy(error)}`, {
      cause: error,
    })
  }
  const { init, compute, apply, step, onMigrating, onStaying } = (steps ?? {}) as Record<string, unknown>
  if (typeof init !== 'function') invalid(program.name, 'setup returned no `init` function')
  const split = typeof compute === 'function' && typeof apply === 'function'
  if (!split && typeof step !== 'function')
    invalid(program.name, 'setup returned neither `compute` and `apply` nor `step`')
  for (const [name, hook] of Object.entries({ onMigrating, onStaying })) {
    if (hook !== undefined && typeof hook !== 'function')
      invalid(program.name, `setup returned \`${name}\`, which is no function`)
  }
  if (onStaying !== undefined && onMigrating === undefined)
    invalid(program.name, '`onStaying` is called after `onMigrating`, which setup did not return')
  return steps as LoadedProgram['steps']
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Anything can be thrown. */
function saidBy(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function sorted(parameters: Parameters): [string, unknown][] {
  return Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))
}

function invalid(program: string, what: string): never {
  throw new GodwitError('program-invalid', `${program} is no program: ${what}`)
}

const ARRAY_CLASSES: { readonly [D in Dtype]: new (length: number) => unknown } = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  uint8: Uint8Array,
}

/** Checks a delta against what setup declared. Errors: `program-invalid`, `loss-not-finite`. */
export function checkDelta(delta: Delta, declared: ReadonlyMap<string, DeltaArray>): Delta {
  if (delta instanceof Promise) invalid('compute', 'it returned a promise: a step is synchronous')
  if (!isObject(delta) || !isObject(delta.values) || !isObject(delta.arrays))
    invalid('compute', 'it returned no { arrays, values }')
  checkLoss(delta.values.loss)
  for (const [name, array] of Object.entries(delta.arrays)) {
    const declaration = declared.get(name)
    if (declaration === undefined)
      invalid('compute', `its delta has an array ${name} that setup did not declare`)
    if (!(array instanceof ARRAY_CLASSES[declaration.dtype])) {
      invalid('compute', `its delta array ${name} is no ${declaration.dtype} array, as setup declared it`)
    }
    if (array.length > declaration.maxLength) {
      invalid(
        'compute',
        `its delta array ${name} has ${array.length} elements, declared were ${declaration.maxLength} at most`,
      )
    }
  }
  return delta
}

export function checkReport(report: StepReport, from: 'apply' | 'step'): StepReport {
  if (report instanceof Promise) invalid(from, 'it returned a promise: a step is synchronous')
  if (!isObject(report)) invalid(from, 'it returned no { loss }')
  checkLoss(report.loss)
  if (report.metrics !== undefined) checkMetrics(report.metrics, from)
  return report
}

/** What the messages that carry outputs can take: a metric they refuse would cost the worker its connection. */
function checkMetrics(metrics: unknown, from: 'apply' | 'step'): void {
  if (!isObject(metrics)) invalid(from, 'its metrics are no object')
  const entries = Object.entries(metrics)
  if (entries.length > LIMITS.maxMetrics) {
    invalid(from, `it reports ${entries.length} metrics, ${LIMITS.maxMetrics} are allowed`)
  }
  for (const [name, value] of entries) {
    if (!/^[A-Za-z][A-Za-z0-9_.-]*$/.test(name) || name.length > LIMITS.maxMetricNameLength)
      invalid(
        from,
        `a metric's name has 1 to ${LIMITS.maxMetricNameLength} letters, digits, dots, dashes and underscores`,
      )
    if (typeof value !== 'number' || !Number.isFinite(value))
      invalid(from, `its metric ${name} is ${String(value)}: report a finite number, or leave it out`)
  }
}

function checkLoss(loss: unknown): void {
  if (typeof loss !== 'number') invalid('the step', `its loss is a ${typeof loss}, not a number`)
  if (!Number.isFinite(loss))
    throw new GodwitError(
      'loss-not-finite',
      `the loss became ${loss}: lower the learning rate, or look at the data of this step`,
    )
}
