/** What came of a job, as a client sees it: the same for one that was moved about and for one that was left alone, or something is wrong. */
import { GodwitError, type Output } from '@godwit/protocol'
import type { Fleet } from './fleet.ts'

export interface Outcome {
  /** By step. */
  readonly losses: readonly number[]
  readonly stateDigest: string | undefined
}

/** Waits until the job has ended. Throws when it did not finish, diverged, or a step is missing, there twice or out of order. */
export async function outcomeOf(fleet: Fleet, job: string, steps: number): Promise<Outcome> {
  let outputs: readonly Output[] = []
  let stateDigest: string | undefined
  await fleet.until(`${job} has ended, and says all of its steps`, async () => {
    try {
      const { outputs: all, ended } = await fleet.outputsOf(job)
      outputs = all
      if (ended.status !== 'finished')
        throw new Error(`${job} is ${ended.status}: ${JSON.stringify(ended.error)}`)
      if (ended.diverged !== undefined) throw new Error(`${job} diverged: ${JSON.stringify(ended.diverged)}`)
      stateDigest = ended.stateDigest
      return true
    } catch (error) {
      if (error instanceof GodwitError) return error.message
      throw error
    }
  })
  const wrong = outputs.findIndex(({ step }, index) => step !== index)
  if (wrong >= 0) throw new Error(`${job} has step ${outputs[wrong]?.step} where ${wrong} belongs`)
  if (outputs.length !== steps) throw new Error(`${job} has ${outputs.length} of ${steps} steps`)
  return { losses: outputs.map(({ loss }) => loss), stateDigest }
}
