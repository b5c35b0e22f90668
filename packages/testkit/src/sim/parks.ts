/**
 * Who has the simulated training thread parked, as the worker room's parks.ts has it: the switchover goes first and takes
 * over a park that a checkpoint asked for; the checkpoint asks again once the thread goes on.
 */
import type { ParkPoint } from '@godwit/protocol'
import type { ThreadParked, Training } from './training.ts'

interface Waiting {
  /** Undefined while a migration has the thread. */
  park: number | undefined
  readonly copy: (parked: ThreadParked) => void
}

export class SimParks {
  readonly #training: Training
  #isSwitchingOver = false
  #checkpoint: Waiting | undefined
  readonly #whenFree: (() => void)[] = []

  constructor(training: Training) {
    this.#training = training
  }

  forSwitchover(point: ParkPoint): number {
    this.#isSwitchingOver = true
    if (this.#checkpoint !== undefined) this.#checkpoint.park = undefined
    return this.#training.park(point)
  }

  switchoverIsOff(park: number): void {
    this.#training.resume(park)
    this.#isSwitchingOver = false
    this.#askForCheckpoint()
    for (const free of this.#whenFree.splice(0)) this.whenFree(free)
  }

  /** Does it when no migration has the thread: now, later, or never. */
  whenFree(then: () => void): void {
    if (this.#isSwitchingOver) this.#whenFree.push(then)
    else then()
  }

  /** Copies in the very turn in which the thread was found parked, and lets it go on. */
  forCheckpoint(copy: (parked: ThreadParked) => void): void {
    this.#checkpoint = { park: undefined, copy }
    this.#askForCheckpoint()
  }

  giveUp(): void {
    const waiting = this.#checkpoint
    this.#checkpoint = undefined
    if (waiting?.park !== undefined) this.#training.resume(waiting.park)
  }

  /** Whether it was a checkpoint's park. */
  parked(parked: ThreadParked): boolean {
    const waiting = this.#checkpoint
    if (waiting === undefined || waiting.park !== parked.park) return false
    waiting.copy(parked)
    this.giveUp()
    return true
  }

  #askForCheckpoint(): void {
    if (this.#checkpoint === undefined || this.#checkpoint.park !== undefined || this.#isSwitchingOver) return
    this.#checkpoint.park = this.#training.park('boundary')
  }
}
