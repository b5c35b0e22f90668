/**
 * A program module on its way from a file to something that steps: imported, checked to be a program, set up in the
 * arena, and identified.
 *
 * Authors make mistakes here, so each is told in their terms: what was expected, what stood there.
 */
import { createHash } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { Arena, type ArenaLayout, type SharedMemory } from '@godwit/memory'
import { encodeValue, GodwitError, type Parameters } from '@godwit/protocol'
import type { Delta, Program, SmallState, SplitSteps, StepReport, WholeSteps } from './contract.ts'
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
  return 'compute' in steps
}

/** Errors: `program-invalid`, `program-failed` (setup threw), `data-missing`, `out-of-memory`, `bad-arguments`. */
export async function loadProgram(
  programFile: string,
  overrides: Parameters,
  memory: SharedMemory,
): Promise<LoadedProgram> {
  const { digest, code } = await digestProgram(programFile)
  const program = await importProgram(programFile)
  const parameters = withDefaults(program, overrides)
  const arena = new Arena(memory)
  const setup = new RecordingSetup(arena, programFile, parameters)
  const steps = await runSetup(program, setup)
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

async function importProgram(programFile: string): Promise<Program> {
  let module: { default?: unknown }
  try {
    module = (await import(pathToFileURL(programFile).href)) as { default?: unknown }
  } catch (error) {
    throw new GodwitError(
      'program-invalid',
      `${programFile} can't be imported: ${(error as Error).message}`,
      { cause: error },
    )
  }
  const program = module.default
  if (typeof program !== 'object' || program === null) {
    invalid(programFile, 'it has no default export: end it with `export default defineProgram({ ... })`')
  }
  const { name, setup, parameters } = program as Partial<Program>
  if (typeof name !== 'string' || name === '') invalid(programFile, 'its `name` is missing')
  if (typeof setup !== 'function') invalid(programFile, 'its `setup` function is missing')
  if (parameters !== undefined && typeof parameters !== 'object')
    invalid(programFile, 'its `parameters` are no object')
  return program as Program
}

function withDefaults(program: Program, overrides: Parameters): Parameters {
  const defaults = program.parameters ?? {}
  for (const [name, value] of Object.entries(overrides)) {
    const fallback = defaults[name]
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
    throw new GodwitError('program-failed', `setup of ${program.name} threw: ${(error as Error).message}`, {
      cause: error,
    })
  }
  const { init, compute, apply, step } = (steps ?? {}) as Record<string, unknown>
  if (typeof init !== 'function') invalid(program.name, 'setup returned no `init` function')
  const split = typeof compute === 'function' && typeof apply === 'function'
  if (!split && typeof step !== 'function')
    invalid(program.name, 'setup returned neither `compute` and `apply` nor `step`')
  return steps as LoadedProgram['steps']
}

function sorted(parameters: Parameters): [string, unknown][] {
  return Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))
}

function invalid(program: string, what: string): never {
  throw new GodwitError('program-invalid', `${program} is no program: ${what}`)
}

/** Checks a delta against what setup declared. Errors: `program-invalid`, `loss-not-finite`. */
export function checkDelta(delta: Delta, declared: ReadonlyMap<string, DeltaArray>): Delta {
  if (delta instanceof Promise) invalid('compute', 'it returned a promise: a step is synchronous')
  if (typeof delta?.values !== 'object' || typeof delta.arrays !== 'object')
    invalid('compute', 'it returned no { arrays, values }')
  checkLoss(delta.values.loss)
  for (const [name, array] of Object.entries(delta.arrays)) {
    const declaration = declared.get(name)
    if (declaration === undefined)
      invalid('compute', `its delta has an array ${name} that setup did not declare`)
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
  if (typeof report !== 'object' || report === null) invalid(from, 'it returned no { loss }')
  checkLoss(report.loss)
  return report
}

function checkLoss(loss: unknown): void {
  if (typeof loss !== 'number') invalid('the step', `its loss is a ${typeof loss}, not a number`)
  if (!Number.isFinite(loss))
    throw new GodwitError(
      'loss-not-finite',
      `the loss became ${loss}: lower the learning rate, or look at the data of this step`,
    )
}
