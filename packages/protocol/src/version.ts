/**
 * The protocol's version and its history. Both sides offer a range and the highest common version is spoken; a
 * peer without one is refused with `protocol-version`. A test pins the hash of all schemas to the version, so
 * that a change of the wire can't go unnoticed.
 *
 * - 1: first version. Release 0.1.0.
 * - 2: an agent says which release it is (`about`), and how far a bundle has come that it fetches (`fetching`); the coordinator says which version
 *   is spoken (`registered`, `openProbe`, `dialProbe`). Release 0.2.0.
 */
export const PROTOCOL_VERSION = 2
/** The oldest version still spoken. Version N speaks N and N-1. */
export const MIN_PROTOCOL_VERSION = 1

/** The release of Godwit that this is: the version in each package.json. */
export const RELEASE = '0.2.0'
/** The one release that speaks version 1, which does not say it. */
export const FIRST_RELEASE = '0.1.0'

export interface VersionRange {
  min: number
  max: number
}

export const OUR_VERSIONS: VersionRange = { min: MIN_PROTOCOL_VERSION, max: PROTOCOL_VERSION }

/** The highest version that both ranges hold, or undefined. */
export function commonVersion(ours: VersionRange, theirs: VersionRange): number | undefined {
  const version = Math.min(ours.max, theirs.max)
  return version >= Math.max(ours.min, theirs.min) ? version : undefined
}
