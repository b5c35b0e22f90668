/**
 * What a test needs of the machine. A test that lacks it says so and is skipped; with CI=true it fails instead, or
 * else nobody would notice that it no longer runs.
 */
import { proveUserfaultfd } from '@godwit/memory'

/** Undefined when the kernel can track writes for us. */
export function whyNoUserfaultfd(): string | undefined {
  return whyNot(proveUserfaultfd)
}

/** Undefined when this user may mount a small disk of its own. */
export function whyNoMount(): string | undefined {
  return whyNot(() => {
    if (process.geteuid?.() !== 0)
      throw new Error('only root may mount a disk that is small enough to be full')
  })
}

function whyNot(need: () => void): string | undefined {
  try {
    need()
    return undefined
  } catch (error) {
    if (process.env.CI === 'true') throw error
    return error instanceof Error ? error.message : String(error)
  }
}
