/**
 * Which cluster a host belongs to: that of the coordinator it was accepted by first, for as long as it has anything of it.
 *
 * A coordinator whose store is lost, or that somebody started anew beside the old one, knows none of this host's workers,
 * and would have them killed as strays. It has another id, since it made its own; and by that the agent knows that its
 * orders are not for these workers. It serves another cluster only with nothing of the first one left.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crashPoint } from '@godwit/channel'
import { GodwitError } from '@godwit/protocol'
import { diskError } from './disk.ts'

export const CLUSTER_NAME = 'cluster'

export interface Held {
  readonly workers: number
  readonly checkpoints: number
}

/** Whether the host becomes a member now, or is one. Errors: `other-cluster`. */
export function joinOrStay(known: string | undefined, offered: string, held: Held): 'join' | 'stay' {
  if (known === offered) return 'stay'
  if (known === undefined || (held.workers === 0 && held.checkpoints === 0)) return 'join'
  const what = [counted(held.workers, 'worker'), counted(held.checkpoints, 'checkpoint')].join(' and ')
  throw new GodwitError(
    'other-cluster',
    `the coordinator keeps cluster ${offered}, and this host has ${what} of cluster ${known}: start the coordinator with the --data-dir that it had, or this agent with another --data-dir`,
  )
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Undefined for a host that belongs to none. */
export function readCluster(folder: string): string | undefined {
  try {
    const id = readFileSync(join(folder, CLUSTER_NAME), 'utf8').trim()
    return id === '' ? undefined : id
  } catch {
    return undefined
  }
}

/** Whole or not at all. Errors: those of the disk. */
export function writeCluster(folder: string, clusterId: string): void {
  const path = join(folder, CLUSTER_NAME)
  crashPoint('before-write:cluster')
  try {
    writeFileSync(`${path}.new`, `${clusterId}\n`, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  } catch (error) {
    throw diskError(error, folder)
  }
  crashPoint('after-write:cluster')
}
