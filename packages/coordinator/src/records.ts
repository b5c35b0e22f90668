/**
 * What is written down, under which key, so that a coordinator that starts anew knows what the one before it knew:
 *
 *     cluster                     which agents belong here
 *     watched                     for how long (watched-time.ts)
 *     host/<name>                 every host that ever registered
 *     ownership/<workload>        who owns which steps (ownership-store.ts)
 *     outputs/<workload>/<step>   what was accepted (output-store.ts)
 *     log/<workload>              how much its program has printed, and how far each worker's file is known (program-logs.ts)
 *     log-lines/<workload>/<line> what it printed
 *     workload/<workload>         what was asked for, and how far it is
 *     migration/<migration>       its state, and once it is over its report
 *     maintenance/<host>          that it is to be empty, or gets its jobs back (maintenances.ts)
 *     idempotency/<digest>        what a request that may come again was answered with (api/idempotency.ts)
 *
 * Progress is in none of them: it is told again many times a second. The ownership record is the truth wherever two records
 * disagree: it is written first, and what follows from it is found from it (Move.resume).
 *
 * Instants are of a process's own clock, so each record says what that clock showed. Time in which no coordinator ran counts for
 * nobody: instants are shifted as if the record had been written just now.
 */
import {
  type CheckpointView,
  type Divergence,
  decodeValue,
  type ErrorReport,
  encodeValue,
  type FromWorker,
  GodwitError,
  type PlacementRules,
  type WorkloadView,
} from '@godwit/protocol'
import type { Host } from './inventory.ts'
import type { Entry, KeyValueStore, Write } from './key-value.ts'
import type { MigrationState } from './migration-state.ts'
import type { Recomputation } from './recomputation.ts'
import type { RestartCount } from './restart-policy.ts'
import type { Attempt } from './restarts.ts'
import type { WorkloadSpec } from './workload-view.ts'

type Said<Type extends FromWorker['type']> = Extract<FromWorker, { type: Type }>

export interface WorkloadRecord {
  readonly spec: WorkloadSpec
  /** In place of those that it was started with. */
  readonly rules?: PlacementRules | undefined
  /** Of all workloads and migrations, in the order in which they came to be. */
  readonly order: number
  readonly status: WorkloadView['status']
  /** Milliseconds since 1970. */
  readonly startedAtMs?: number | undefined
  readonly host: string
  /** The worker. */
  readonly owner: string
  /** What the owner said as it was ready. */
  readonly prepared?: Said<'prepared'> | undefined
  readonly error?: ErrorReport | undefined
  readonly end?: Said<'ended'> | undefined
  /** When it was over, in watched time. */
  readonly endedAtMs?: number | undefined
  readonly stopWanted: boolean
  readonly restarts: RestartCount
  /** A restart that is under way. */
  readonly attempt?: Attempt | undefined
  /** Of an owner that was restored: the epoch that it is to train under, told until it is heard to. */
  readonly resumeEpoch?: number | undefined
  readonly recomputation?: Recomputation | undefined
  readonly checkpoint?: CheckpointView | undefined
  readonly diverged?: Divergence | undefined
}

export interface MigrationRecord {
  readonly order: number
  readonly savedAtMs: number
  readonly state: MigrationState
  /** Accepted steps as it began. */
  readonly startStep: number
  /** First step at the target, once it owned the workload. */
  readonly fromStep?: number | undefined
  readonly lostTimeMs: number | null
}

export type HostRecord = Omit<Host, 'agent'>

export const KEYS = {
  cluster: 'cluster',
  watched: 'watched',
  host: (name: string) => `host/${name}`,
  workload: (id: string) => `workload/${id}`,
  migration: (id: string) => `migration/${id}`,
  maintenance: (host: string) => `maintenance/${host}`,
  idempotency: (digest: string) => `idempotency/${digest}`,
} as const

export function writeOf(key: string, record: object): Write {
  return { key, value: encodeValue(record) }
}

/** All records below `prefix`, by the order in which they came to be. Errors: `store-unusable` naming the one that is none. */
export async function readAll<Record extends { readonly order: number }>(
  store: KeyValueStore,
  prefix: string,
): Promise<Record[]> {
  const entries = await store.list(prefix)
  return entries.map((entry) => recordIn(entry) as Record).sort((a, b) => a.order - b.order)
}

/** Not more is asked of it: what this coordinator writes is believed when it comes back. Errors: `store-unusable`. */
function recordIn({ key, value }: Entry): object {
  let record: unknown
  try {
    record = decodeValue(value)
  } catch (cause) {
    record = cause
  }
  if (typeof record === 'object' && record !== null && typeof Reflect.get(record, 'order') === 'number')
    return record
  throw new GodwitError(
    'store-unusable',
    `what the store keeps under ${key} is no record: the disk has changed it, start with a copy of the folder from before`,
    { cause: record },
  )
}

/** Without what is told again anyway. */
export function durable(state: MigrationState): MigrationState {
  const { progress: _, ...kept } = state
  if (kept.name === 'moving') {
    const told = { status: 'setup', sourceBackMs: undefined, readyMs: undefined, heldMs: undefined } as const
    return { ...kept, ...told, restoredMs: undefined } as MigrationState
  }
  if (kept.name === 'claimed')
    return { ...kept, targetLostMs: undefined, handedOverMs: undefined } as MigrationState
  return kept as MigrationState
}

/** Whether `after` says anything that a coordinator that starts anew could not find out by itself. */
export function isNews(before: MigrationState, after: MigrationState): boolean {
  const [old, young] = [durable(before), durable(after)] as unknown as Record<string, unknown>[]
  const keys = new Set([...Object.keys(old ?? {}), ...Object.keys(young ?? {})])
  return [...keys].some((key) => old?.[key] !== young?.[key])
}

/** As if everything had happened `byMs` later. */
export function shifted(state: MigrationState, byMs: number): MigrationState {
  const later: Record<string, unknown> = {
    ...state,
    plan: { ...state.plan, startedAtMs: state.plan.startedAtMs + byMs },
  }
  if ('sinceMs' in state) later.sinceMs = state.sinceMs + byMs
  if ('sourceGone' in state && typeof state.sourceGone === 'object') {
    later.sourceGone = { ...state.sourceGone, sinceMs: state.sourceGone.sinceMs + byMs }
  }
  return later as unknown as MigrationState
}
