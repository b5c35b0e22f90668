/**
 * What to do in a test when the machine lacks something: say so and skip, except in CI, where a missing thing is a
 * failure, or else nobody would notice that half of the tests no longer run.
 */

/** Undefined when `need` works, else the reason. With CI=true the need's error is thrown. */
export function whyNot(need: () => void): string | undefined {
  try {
    need()
    return undefined
  } catch (error) {
    if (process.env.CI === 'true') throw error
    return error instanceof Error ? error.message : String(error)
  }
}
