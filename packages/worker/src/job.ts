/**
 * What both ends of a migration need of the worker they run in: the thread's control, its pages, its outputs, and a way
 * to talk to the coordinator. The pager implements it; nothing here knows about sockets.
 */
import type { RecentSteps } from '@godwit/engine'
import type { DirtyPages } from '@godwit/memory'
import type { FromWorker, Identity, Output, WorkerLaunch } from '@godwit/protocol'
import type { Outputs } from './outputs.ts'
import type { Parks } from './parks.ts'
import type { ControlWords, FromThread, TakeOver, ToProgram } from './thread-messages.ts'

export interface Job {
  readonly launch: WorkerLaunch
  readonly identity: Identity
  /** Paged memory. */
  readonly paged: Uint8Array
  readonly dirtyPages: DirtyPages
  /** Of the largest delta that the program declares, staged; undefined when it steps as a whole. */
  readonly maxDeltaBytes: number | undefined
  /** What the host gives besides paged memory, shadow and delta. */
  readonly spareBytes: number
  /** The program wants to know of its moves. */
  readonly tellsProgram: boolean
  readonly control: ControlWords
  readonly parks: Parks
  readonly outputs: Outputs
  /** Their times say what training costs while nothing else goes on. */
  readonly recentSteps: RecentSteps
  /** The epoch under which outputs are stamped. */
  epoch: number
  tell(message: FromWorker): void
  /** Has the thread do, at the next boundary, what a park asks of it, so that it is fast when it counts. */
  rehearsePark(): void
  /** Has the thread tell the program, at the next boundary, and returns the notice's number, which its answer bears. */
  notify(notice: Omit<Extract<ToProgram, { type: 'notice' }>, 'type' | 'notice'>): number
  /** Has the thread tell the program that the job stays. */
  saysStay(): void
  /** Memory for a delta on its way in or out: one for the worker's life, which the thread is given when it is first needed. */
  staging(): SharedArrayBuffer
  /** Gives the thread a state to go on with, behind the closed gate, and the outputs that came with it. */
  takeOver(state: TakeOver, spool: readonly Output[]): void
  /** Has the thread go on with the first steps that it took. */
  startOver(): void
  /** Lets the thread apply. */
  openGate(): void
  /** The worker's work is over. */
  exit(code: number): void
}

export type Parked = Extract<FromThread, { type: 'parked' }>
