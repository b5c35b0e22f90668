/** stub */
import type { RigPlace } from '@godwit/testkit'
export async function openShapedLink(_shape: {
  bitsPerSecond: number
  delayMs: number
}): Promise<{ ends: readonly [RigPlace, RigPlace]; close(): void }> {
  throw new Error('not yet')
}
