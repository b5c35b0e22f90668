/** The job that is moved under all conditions, and what becomes of it where nothing happens. */
import { join } from 'node:path'
import type { Parameters } from '@godwit/protocol'
import { Rig } from '@godwit/testkit'
import { PROGRAMS } from '../support/cluster.ts'

/** 8 MiB, of which 0.4 are written a second: minutes of it, until it is told to hurry. */
export const JOB = {
  parameters: { pages: 2048, dirtyPages: 8, stepMs: 75 },
  steps: 4000,
}

export interface JobShape {
  readonly parameters: Parameters
  readonly steps: number
}

/** Every loss and the digest of all memory of a run that stayed, alone on this machine, without a cluster. */
export async function controlOf({ parameters, steps }: JobShape): Promise<Outcome> {
  const rig = new Rig()
  try {
    const { outputs, stateDigest } = await rig.control({
      program: join(PROGRAMS, 'mixer.ts'),
      steps,
      parameters: { ...parameters, stepMs: 0 },
    })
    return { losses: outputs.map(({ loss }) => loss), stateDigest }
  } finally {
    await rig.close()
  }
}

export interface Outcome {
  readonly losses: readonly number[]
  readonly stateDigest: string | undefined
}

let undisturbed: Promise<Outcome> | undefined

/** Of `JOB`; it is run once in a process. */
export function control(): Promise<Outcome> {
  undisturbed ??= controlOf(JOB)
  return undisturbed
}
