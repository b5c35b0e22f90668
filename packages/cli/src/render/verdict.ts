/** The demo's last words: whether the run that moved and the run that stayed are the same to the bit. */
import type { Comparison } from '../demo/recording.ts'
import { formatMs, plural } from './units.ts'

export function renderVerdict(comparison: Comparison, migrations: number, lostTimeMs: number): string[] {
  const { steps, lossBitsEqual, stateDigestEqual, firstDifference, missing, repeated } = comparison
  return [
    lossBitsEqual
      ? `loss bits     equal at all ${plural(steps, 'step')}`
      : firstDifference === undefined
        ? `loss bits     equal at ${plural(steps, 'step')}, but not every step was reported`
        : `loss bits     DIFFER, first at step ${firstDifference}`,
    `final memory  ${stateDigestEqual ? 'equal (SHA-256 of all tensors)' : 'DIFFERS'}`,
    missing === 0 && repeated === 0
      ? 'every step    reported exactly once'
      : `every step    NOT reported once: ${missing} missing, ${repeated} repeated`,
    `lost time     ${formatMs(lostTimeMs)} over ${plural(migrations, 'migration')}`,
  ]
}
