/**
 * Names that the coordinator makes: of workloads, their workers and migrations. All of them are labels of the
 * protocol, become part of file names, and are short enough that one can be made from the other.
 */
import { randomBytes } from 'node:crypto'
import { GodwitError, randomText } from '@godwit/protocol'

/** A worker's name adds an epoch and a suffix, and must still be a label. */
export const MAX_WORKLOAD_ID_LENGTH = 150

/** Errors: `bad-arguments`. */
export function checkWorkloadId(id: string): string {
  if (id.length > MAX_WORKLOAD_ID_LENGTH) {
    throw new GodwitError(
      'bad-arguments',
      `the id has ${id.length} characters: at most ${MAX_WORKLOAD_ID_LENGTH} are allowed`,
    )
  }
  return id
}

/** Unique for each launch: a second attempt of the same move must not be taken for the first. */
export function makeWorkerId(workload: string, epoch: number): string {
  return `${workload}-e${epoch}-${randomText(4)}`
}

export function makeMigrationId(): string {
  return `m-${randomText(8)}`
}

export function makeMaintenanceId(): string {
  return `mt-${randomText(8)}`
}

export function makeRestartId(): string {
  return `r-${randomText(8)}`
}

export function makeCheckpointId(): string {
  return `c-${randomText(8)}`
}

export function makeTokenId(): string {
  return randomText(8)
}

export function makeProbeId(): string {
  return `p-${randomText(8)}`
}

/** 32 bytes in hex. */
export function makeSecret(): string {
  return randomBytes(32).toString('hex')
}
