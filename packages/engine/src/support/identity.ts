/** What two workers compare, for tests of the source. */
import type { Identity } from '@godwit/protocol'

const digest = '0'.repeat(64)

/** Of a job that does not matter: both ends say the same. */
export const identity: Identity = {
  program: 'p',
  programDigest: digest,
  parametersDigest: digest,
  layoutDigest: digest,
  dataDigests: {},
  mathDigests: {},
  rehearsalDigest: digest,
  arenaBytes: 4096,
  tracker: 'compare',
}
