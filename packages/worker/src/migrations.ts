/**
 * The migrations of this worker: out of it, one at a time, and into it, once.
 *
 * A coordinator, or an agent, that crashed does not know what it said last, so it says it again. Every command may come twice, or late, or of
 * a migration that nobody here has heard of, and is answered so that whoever asked never waits in vain.
 *
 * Invariants: at most one migration is under way; a worker dials once in its life; what ended stays ended.
 */
import { Endings } from '@godwit/engine'
import {
  type ErrorReport,
  GodwitError,
  type MigrationReport,
  type ToWorker,
  toErrorReport,
} from '@godwit/protocol'
import { Incoming } from './incoming.ts'
import type { Job, Parked } from './job.ts'
import { Outgoing } from './outgoing.ts'

type Command<Type extends ToWorker['type']> = Extract<ToWorker, { type: Type }>

export class Migrations {
  readonly #tell: Job['tell']
  #outgoing: Outgoing | undefined
  #incoming: Incoming | undefined
  #hasDialled = false
  /** By migration, the latest last: orders that are sent again may be of several. */
  readonly #endings = new Endings()
  /** What the agent said last of the host's bandwidth. */
  #hostBandwidth: number | undefined

  constructor(tell: Job['tell']) {
    this.#tell = tell
  }

  /** `trains`: the job, once its steps are taken here. */
  async openOutgoing(
    message: Command<'openOutgoing'>,
    trains: Job | GodwitError,
    estimated: MigrationReport['estimated'],
  ): Promise<void> {
    const { migrationId } = message
    if (this.#outgoing?.migrationId === migrationId) return this.#outgoing.sayAgain()
    const ending = this.#endings.get(migrationId)
    if (ending !== undefined) return this.#tell(ending)
    if (trains instanceof GodwitError) return this.#never(migrationId, 'failed', toErrorReport(trains))
    if (this.#outgoing !== undefined) {
      const another = 'another migration of this workload is under way'
      return this.#never(migrationId, 'failed', { kind: 'already-migrating', message: another })
    }
    try {
      const outgoing = new Outgoing(trains, { ...message, ...(estimated && { estimated }) }, () => {
        if (outgoing.ending !== undefined) this.#endings.keep(outgoing.ending)
        this.#outgoing = undefined
      })
      outgoing.hostBandwidth = this.#hostBandwidth
      this.#outgoing = outgoing
      const port = await outgoing.listen()
      // Undefined when it was cancelled meanwhile: that was said already.
      if (port !== undefined) this.#tell({ type: 'outgoingOpened', migrationId, port })
    } catch (error) {
      this.#outgoing = undefined
      this.#never(migrationId, 'failed', toErrorReport(error))
    }
  }

  dial(message: Command<'dial'>, job: Job): void {
    if (this.#hasDialled) return
    this.#hasDialled = true
    this.#incoming = new Incoming(job, message, () => {
      this.#incoming = undefined
    })
    void this.#incoming.start()
  }

  /** One that nobody knows is not under way, which is what was asked for. */
  cancel({ migrationId, error }: Command<'cancelMigration'>): void {
    const ending = this.#endings.get(migrationId)
    if (this.#outgoing?.migrationId === migrationId) this.#outgoing.dispatch({ type: 'cancel', error })
    else if (ending !== undefined) this.#tell(ending)
    else this.#never(migrationId, 'cancelled', error)
  }

  /** Said again until it is heard: of one that has ended, or stands parked, it means nothing. */
  switchover({ migrationId }: Command<'switchover'>): void {
    if (this.#outgoing?.migrationId === migrationId) this.#outgoing.letGo()
  }

  /** Said again until its progress says so. */
  pause({ migrationId, isPaused }: Command<'pauseMigration'>): void {
    if (this.#outgoing?.migrationId === migrationId) this.#outgoing.dispatch({ type: 'pause', isPaused })
  }

  /** Of one that is over there is nothing to see. */
  showPages({ migrationId }: Command<'showPages'>): void {
    if (this.#outgoing?.migrationId === migrationId) this.#outgoing.showPages()
  }

  claimResult({ migrationId, granted, epoch }: Command<'claimResult'>): void {
    if (this.#incoming?.migrationId === migrationId) this.#incoming.claimResult(granted, epoch)
  }

  recoverResult({ migrationId, granted, epoch }: Command<'recoverResult'>): void {
    if (this.#outgoing?.migrationId === migrationId)
      this.#outgoing.dispatch({ type: 'recoverResult', granted, epoch })
  }

  release({ migrationId }: Command<'release'>): void {
    if (this.#outgoing?.migrationId === migrationId) this.#outgoing.dispatch({ type: 'release' })
  }

  set hostBandwidth(bytesPerSecond: number | undefined) {
    this.#hostBandwidth = bytesPerSecond
    if (this.#outgoing !== undefined) this.#outgoing.hostBandwidth = bytesPerSecond
  }

  // ---- from the training thread

  stepped(stepMs: number): void {
    this.#outgoing?.stepped(stepMs)
  }

  parked(parked: Parked): void {
    this.#outgoing?.parked(parked)
  }

  parkFailed(failed: { park: number; error: ErrorReport }): void {
    this.#outgoing?.parkFailed(failed)
  }

  noticed(answer: { notice: number; failed: boolean }): void {
    this.#outgoing?.noticed(answer)
  }

  resumed(atMs: number): void {
    this.#incoming?.resumed(atMs)
  }

  atGate(atMs: number): void {
    this.#incoming?.atGate(atMs)
  }

  trainingEnded(): void {
    this.#outgoing?.dispatch({ type: 'trainingEnded' })
  }

  #never(migrationId: string, status: 'cancelled' | 'failed', error: ErrorReport): void {
    this.#tell(this.#endings.never(migrationId, status, error))
  }
}
