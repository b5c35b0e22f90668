/**
 * What an earlier coordinator wrote down, read back: once, before anybody is heard.
 *
 * Nothing is decided here. Each workload and its latest migration go on from what was found when they are told to (`resume`), and
 * when the agents connect: what is asked of workers is asked again, and a worker that is missing has been lost.
 */
import { decodeValue, encodeValue, type MigrationView, makeWorkloadId } from '@godwit/protocol'
import type { KeyValueStore } from './key-value.ts'
import { Ledger } from './ledger.ts'
import type { MaintenanceRecord } from './maintenance-plan.ts'
import { viewOf } from './migration-state.ts'
import { type HostRecord, KEYS, type MigrationRecord, readAll, type WorkloadRecord } from './records.ts'

export interface Known {
  readonly clusterId: string
  /** The highest number that was given out. */
  readonly lastOrder: number
  readonly hosts: readonly HostRecord[]
  readonly workloads: readonly {
    readonly record: WorkloadRecord
    readonly ledger: Ledger
    /** Its latest. */
    readonly migration: MigrationRecord | undefined
  }[]
  readonly migrations: readonly MigrationView[]
  readonly maintenances: readonly MaintenanceRecord[]
}

/** Gives the cluster its id when there is nothing yet. Errors: those of the store. */
export async function knownFrom(store: KeyValueStore): Promise<Known> {
  const migrations = await readAll<MigrationRecord>(store, KEYS.migration(''))
  const latest = new Map(migrations.map((record) => [record.state.plan.workload, record]))
  const records = await readAll<WorkloadRecord>(store, KEYS.workload(''))
  const workloads: Known['workloads'][number][] = []
  for (const record of records) {
    const { id } = record.spec
    const ledger = await Ledger.load(id, store)
    if (ledger !== undefined) workloads.push({ record, ledger, migration: latest.get(id) })
  }
  const hosts = await store.list(KEYS.host(''))
  const maintenances = await store.list(KEYS.maintenance(''))
  return {
    clusterId: await clusterIdOf(store),
    lastOrder: Math.max(0, ...[...records, ...migrations].map(({ order }) => order)),
    hosts: hosts.map(({ value }) => decodeValue(value) as HostRecord),
    workloads,
    migrations: migrations.map(({ state, lostTimeMs }) => viewOf(state, lostTimeMs)),
    maintenances: maintenances.map(({ value }) => decodeValue(value) as MaintenanceRecord),
  }
}

/** The cluster's id; made when there is none yet. Errors: those of the store. */
export async function clusterIdOf(store: KeyValueStore): Promise<string> {
  const entry = await store.get(KEYS.cluster)
  if (entry !== undefined) return decodeValue(entry.value) as string
  const made = makeWorkloadId('cluster')
  await store.put(KEYS.cluster, encodeValue(made))
  return made
}
