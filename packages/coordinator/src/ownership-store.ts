/**
 * The ownership record in its store: one key a workload, changed only by compare-and-set.
 *
 * A pure function says what the record becomes; here it is read, changed and written, again from the start when
 * somebody else was faster. So a decision always rests on the record that it replaces.
 */
import { decodeValue, encodeValue, GodwitError } from '@godwit/protocol'
import { ABSENT, type KeyValueStore, type Write } from './key-value.ts'
import type { OwnershipRecord } from './ownership.ts'

/** Writers of one record are few: more lost races than this are a bug. */
const MAX_ATTEMPTS = 100

export const keyOf = (workload: string): string => `ownership/${workload}`

/** The record, or undefined for a workload that never started. */
export async function readOwnership(
  store: KeyValueStore,
  workload: string,
): Promise<OwnershipRecord | undefined> {
  const entry = await store.get(keyOf(workload))
  return entry === undefined ? undefined : (decodeValue(entry.value) as OwnershipRecord)
}

/** Writes the first record of a workload, over that of an earlier one of the same name if there is one, and `also` with it. */
export async function createOwnership(
  store: KeyValueStore,
  workload: string,
  record: OwnershipRecord,
  also: readonly Write[] = [],
): Promise<void> {
  const entry = await store.get(keyOf(workload))
  const revision = await store.commit([
    { key: keyOf(workload), value: encodeValue(record), expectedRevision: entry?.revision ?? ABSENT },
    ...also,
  ])
  if (revision === undefined) {
    throw new GodwitError('bad-arguments', `workload ${workload} is being started by somebody else`)
  }
}

/**
 * Applies `change` to the record and returns what it returned, once its record is stored. `change` may run several
 * times; returning the record it was given writes nothing. `also` is written with it, or not at all. Errors: `unknown-workload`.
 */
export async function updateOwnership<Change extends { readonly record: OwnershipRecord }>(
  store: KeyValueStore,
  workload: string,
  change: (record: OwnershipRecord) => Change,
  also: (changed: Change) => readonly Write[] = () => [],
): Promise<Change> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const entry = await store.get(keyOf(workload))
    if (entry === undefined) throw new GodwitError('unknown-workload', `nobody owns workload ${workload}`)
    const record = decodeValue(entry.value) as OwnershipRecord
    const changed = change(record)
    if (changed.record === record) return changed
    const revision = await store.commit([
      ...also(changed),
      { key: keyOf(workload), value: encodeValue(changed.record), expectedRevision: entry.revision },
    ])
    if (revision !== undefined) return changed
  }
  throw new Error(`the ownership record of ${workload} changed ${MAX_ATTEMPTS} times under our hands`)
}
