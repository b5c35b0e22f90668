/**
 * Who has the training thread parked: a migration for its switchover, or a checkpoint for as long as it takes to copy a few pages.
 *
 * There is one thread, so the two take turns. The switchover goes first: its downtime is promised to somebody, a checkpoint can wait. It takes
 * over a park that a checkpoint asked for, and the checkpoint asks again once the migration lets the thread go on. What a
 * checkpoint does while the thread stands it does in one turn of the event loop, so nothing can come between.
 *
 * Invariants: whoever takes a park back takes back its own and nobody else's; a checkpoint's copy is made of a thread that stands for
 * that very park; while a migration has the thread, or waits for it, no checkpoint asks.
 */
import { crashPoint } from '@godwit/channel'
import { type ErrorReport, fromErrorReport, type GodwitError, type ParkPoint } from '@godwit/protocol'
import type { Parked } from './job.ts'
import type { ControlWords } from './thread-messages.ts'

interface Waiting {
  /** The number of its park; undefined while a migration has the thread. */
  park: number | undefined
  readonly point: 'boundary' | 'quiet'
  readonly copy: (parked: Parked) => void
  readonly refuse: (error: unknown) => void
}

export class Parks {
  readonly #control: ControlWords
  #isSwitchingOver = false
  #checkpoint: Waiting | undefined
  readonly #whenFree: (() => void)[] = []

  constructor(control: ControlWords) {
    this.#control = control
  }

  /** A migration has the thread, or is about to: whoever can wait with work of his own does. */
  get isSwitchingOver(): boolean {
    return this.#isSwitchingOver
  }

  /** For a migration: asks for a park and returns its number. */
  forSwitchover(point: ParkPoint): number {
    this.#isSwitchingOver = true
    if (this.#checkpoint !== undefined) this.#checkpoint.park = undefined
    return this.#control.park(point)
  }

  /** The migration takes its park back, or never had one. */
  switchoverIsOff(park: number): void {
    this.#control.resume(park)
    this.#isSwitchingOver = false
    this.#askForCheckpoint()
    for (const free of this.#whenFree.splice(0)) free()
  }

  /** Resolves when no migration has the thread, which may be never: then the job has left. */
  async free(): Promise<void> {
    while (this.#isSwitchingOver) await new Promise<void>((resolve) => this.#whenFree.push(resolve))
  }

  /**
   * For a checkpoint: runs `copy` once while the thread stands, lets the thread go on at once, and resolves with what it
   * returned. Rejects with what it threw, with why the thread can't hand its state over, or with what `giveUp` was given.
   */
  forCheckpoint<T>(point: Waiting['point'], copy: (parked: Parked) => T): Promise<T> {
    if (this.#checkpoint !== undefined) throw new Error('bug: two checkpoints want the thread parked')
    return new Promise<T>((resolve, reject) => {
      this.#checkpoint = {
        park: undefined,
        point,
        copy: (parked) => {
          try {
            resolve(copy(parked))
          } catch (error) {
            reject(error)
          }
        },
        refuse: reject,
      }
      this.#askForCheckpoint()
    })
  }

  /** The checkpoint that waits for its park, if one does, waits no more. */
  giveUp(error: GodwitError): void {
    const waiting = this.#leave()
    waiting?.refuse(error)
  }

  /** Whether this was a checkpoint's park; one that was taken over by a migration meanwhile is nobody's any more. */
  parked(parked: Parked): boolean {
    if (!this.#isCheckpoints(parked.park)) return false
    crashPoint('after-park:checkpoint')
    try {
      this.#checkpoint?.copy(parked)
    } finally {
      this.#leave()
    }
    return true
  }

  parkFailed({ park, error }: { park: number; error: ErrorReport }): boolean {
    if (!this.#isCheckpoints(park)) return false
    this.giveUp(fromErrorReport(error))
    return true
  }

  #isCheckpoints(park: number): boolean {
    return this.#checkpoint?.park === park && this.#control.requested.park === park
  }

  #askForCheckpoint(): void {
    if (this.#checkpoint === undefined || this.#checkpoint.park !== undefined || this.#isSwitchingOver) return
    crashPoint('before-park:checkpoint')
    this.#checkpoint.park = this.#control.park(this.#checkpoint.point)
  }

  /** The checkpoint is done with the thread. */
  #leave(): Waiting | undefined {
    const waiting = this.#checkpoint
    this.#checkpoint = undefined
    if (waiting?.park !== undefined) this.#control.resume(waiting.park)
    return waiting
  }
}
