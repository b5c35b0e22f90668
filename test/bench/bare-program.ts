/** A training program without Godwit around it: its tensors in an arena nobody watches, its steps in a plain loop. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Arena, arenaBytes } from '@godwit/memory'
import { programFile } from '@godwit/testkit'
import type { Program, SetupContext, SmallState, SplitSteps, WholeSteps } from '@godwit/worker/contract'

export interface BareProgram {
  /** All tensors, one after another. */
  readonly paged: Uint8Array
  readonly steps: SplitSteps<SmallState> | WholeSteps<SmallState>
  /** One whole step. Gives its loss. */
  step(state: SmallState): number
}

/** `program` as in a job: a file, or a name that the trainer has. */
export async function loadBare(program: string, parameters: Program['parameters']): Promise<BareProgram> {
  const file = programFile(program)
  const { default: loaded } = (await import(pathToFileURL(file).href)) as { default: Program }
  const arena = new Arena()
  const context: SetupContext = {
    parameters: { ...loaded.parameters, ...parameters },
    tensor: (name, dtype, shape) => arena.tensor(name, dtype, shape),
    delta: () => undefined,
    packageFile: (packageName, path) => {
      const manifest = createRequire(file).resolve(`${packageName}/package.json`)
      return readFileSync(join(dirname(manifest), path))
    },
    localFile: (path) => readFileSync(join(dirname(file), path)),
    dataPath: (path) => join(dirname(file), path),
  }
  const steps = await loaded.setup(context)
  return {
    paged: arenaBytes(arena.memory, arena.seal()),
    steps,
    step(state) {
      const report = 'compute' in steps ? steps.apply(state, steps.compute(state)) : steps.step(state)
      return report.loss
    },
  }
}
