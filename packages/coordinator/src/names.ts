/**
 * Names that the coordinator makes: of workloads, their workers and migrations. All of them are labels of the
 * protocol, become part of file names, and are short enough that one can be made from the other.
 */
import { randomBytes } from 'node:crypto'
import { basename, extname } from 'node:path'
import { GodwitError } from '@godwit/protocol'

/** A worker's name adds an epoch and a suffix, and must still be a label. */
export const MAX_WORKLOAD_ID_LENGTH = 150
const MAX_MADE_ID_LENGTH = 60
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** `<program>-<4 characters>`. */
export function makeWorkloadId(program: string): string {
  const stem = basename(program, extname(program)).replace(/[^A-Za-z0-9._-]/g, '-')
  const start = stem.replace(/^[^A-Za-z0-9]+/, '').slice(0, MAX_MADE_ID_LENGTH)
  return `${start === '' ? 'program' : start}-${randomText(4)}`
}

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

function randomText(length: number): string {
  return Array.from(randomBytes(length), (byte) => ALPHABET[byte % ALPHABET.length]).join('')
}
