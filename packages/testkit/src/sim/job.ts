/** What both ends of a simulated migration need of the worker they run in. */
import type { FromWorker, Identity, Output, SentDelta } from '@godwit/protocol'
import type { CheckpointFile } from './checkpoints.ts'
import type { Dirty } from './dirty.ts'
import type { Told } from './happenings.ts'
import type { Network } from './network.ts'
import type { SimParks } from './parks.ts'
import type { Process } from './process.ts'
import type { ProgramShape } from './program.ts'
import type { Spool } from './spool.ts'
import type { Training } from './training.ts'

/** What a worker adds to each of its happenings. */
export type OfWorker = Told extends infer One
  ? One extends { readonly worker: string; readonly workload: string }
    ? Omit<One, 'worker' | 'workload'>
    : never
  : never

export type Gone = Extract<Told, { type: 'gone' }>['why']

export interface SimJob {
  readonly process: Process
  readonly network: Network
  readonly workload: string
  readonly shape: ProgramShape
  readonly identity: Identity
  readonly training: Training
  readonly dirty: Dirty
  readonly spool: Spool
  readonly parks: SimParks
  /** Under which outputs are stamped. */
  epoch: number
  readonly sentDelta: SentDelta
  tell(message: FromWorker): void
  happened(happening: OfWorker): void
  cell(table: 'source' | 'target', state: string, event: string): void
  bug(error: unknown): void
  freePort(): number
  address(port: number): string
  /** A delta as it lies in staging memory. */
  stagedDelta(delta: number): Uint8Array
  /** Of paged memory as it stands now; takes its time. */
  hashMemory(done: (digest: string, verifyMs: number) => void): void
  takeOver(step: number, delta: number | undefined, spool: readonly Output[]): void
  openGate(): void
  /** In place of the one before. */
  saveCheckpoint(file: CheckpointFile): void
  exit(why: Gone): void
}
